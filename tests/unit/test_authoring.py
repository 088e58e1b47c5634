"""Authors have the revisions of their stores written."""

from __future__ import annotations

from pathlib import Path

import pytest

from ostiary import authoring
from ostiary.settings import Settings, load
from ostiary.storage import StorageError
from ostiary.testing.packages import Package, badge, installed

pytestmark = pytest.mark.anyio

DECLARED = 'Column("kuid", String, primary_key=True),'
CHANGED = DECLARED + '\n    Column("issued", String),'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(config=None, environment={}, overrides={"data.dir": str(tmp_path / "data")})


def changed() -> Package:
    """Return a plugin whose tables have a column that its revisions do not make."""
    toy = badge()
    return Package(name=toy.name, source=toy.source.replace(DECLARED, CHANGED, 1), files=toy.files)


async def test_a_revision_makes_what_the_tables_declare(settings: Settings, tmp_path: Path) -> None:
    with installed(tmp_path / "site", changed()):
        path = await authoring.write_revision(settings, "badge", "Note the day of issue")
        assert path.name == "0002_note_the_day_of_issue.py"
        assert path.parent == tmp_path / "site" / "toy_badge" / "migrations"
        written = path.read_text(encoding="utf-8")
        assert "down_revision = '0001'" in written
        assert "sa.Column('issued', sa.String(), nullable=True)" in written
        with pytest.raises(StorageError, match="make the tables"):
            await authoring.write_revision(settings, "badge", "again")
    assert not settings.data.dir.exists()


async def test_the_first_revision_is_written_too(settings: Settings, tmp_path: Path) -> None:
    with installed(tmp_path / "site", badge()):
        (tmp_path / "site" / "toy_badge" / "migrations" / "0001_badges.py").unlink()
        path = await authoring.write_revision(settings, "badge", "badges")
        assert path.name == "0001_badges.py"
        assert "down_revision = None" in path.read_text(encoding="utf-8")
        with pytest.raises(StorageError, match="make the tables"):
            await authoring.write_revision(settings, "badge", "again")


@pytest.mark.parametrize("plugin, words", [("bagde", "words"), ("badge", " ")])
async def test_what_cannot_be_written_is_said(
    settings: Settings, tmp_path: Path, plugin: str, words: str
) -> None:
    with (
        installed(tmp_path / "site", changed()),
        pytest.raises(StorageError, match=r"bagde|few words"),
    ):
        await authoring.write_revision(settings, plugin, words)
