"""Where the settings say that the master key is."""

from __future__ import annotations

from pathlib import Path

from ostiary.keys import MasterKey
from ostiary.settings import Settings
from ostiary.storage.store import CORE

MASTER_KEY_FILE = "master.key"


def load_master_key(settings: Settings) -> MasterKey:
    """Return the master key; with SQLite it is made beside the stores at the first start."""
    on_sqlite = settings.database.url is None
    # A key made beside stores that are there would be the wrong one.
    new = on_sqlite and not (settings.data.dir / f"{CORE}.db").exists()
    return MasterKey.load(
        environment=settings.security.master_key,
        command=settings.security.master_key_command,
        file=settings.data.dir / MASTER_KEY_FILE if on_sqlite else None,
        create=new,
    )


def master_key_file(settings: Settings) -> Path | None:
    """Return the file that holds the master key, unless it is configured elsewhere."""
    security = settings.security
    configured = security.master_key or security.master_key_command or settings.database.url
    return None if configured else settings.data.dir / MASTER_KEY_FILE
