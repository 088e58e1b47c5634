"""Loading settings from files, environments and options that a test writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ostiary.settings import Settings, SettingsError, load

Load = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Load the settings that a file, an environment and options give."""

    def load_these(
        toml: str = "", *, dev: bool = False, options: Mapping[str, Any] = {}, **environment: str
    ) -> Settings:
        file = tmp_path / "ostiary.toml"
        file.write_text(toml, encoding="utf-8")
        file.chmod(0o600)
        home = {"HOME": "/home/somebody"}
        return load(config=file, environment=home | environment, overrides=options, dev=dev)

    return load_these


@pytest.fixture
def mistake(loaded: Load) -> Callable[..., str]:
    """Load wrong settings and return the message."""

    def load_wrong(*args: Any, **kwargs: Any) -> str:
        with pytest.raises(SettingsError) as caught:
            loaded(*args, **kwargs)
        return str(caught.value)

    return load_wrong


@pytest.fixture
def secretive(loaded: Load) -> Settings:
    return loaded(
        "[database]\n"
        "url = 'postgresql://ostiary:url-hush@db.example:5432/ostiary?password=q-hush'\n"
        "listenUrl = 'postgresql://u:url-hush@db.example/ostiary'\n"
        "migratorUrl = 'postgresql://u:url-hush@db.example/ostiary'\n"
        "passwords = {ostiary_core = 'role-hush'}\n"
        "[plugins.oauth]\n"
        "callback = 'https://id.example/'\n"
        "proxy = 'http://me:url-hush@proxy.example/'\n"
        "providers = [{name = 'x', clientSecret = 'client-hush'}]\n"
        "[plugins.oauth.apiKeys]\n"
        "first = 'client-hush'\n",
        OSTIARY_MASTER_KEY="master-hush",
        OSTIARY_SETUP_SECRET="setup-hush-setup-hush",
        OSTIARY_PLUGINS__OAUTH__TOKEN="client-hush",
    )
