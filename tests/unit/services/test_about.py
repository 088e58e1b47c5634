"""What the server tells of itself: nothing secret, nothing that is not so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ostiary import __version__, errors
from ostiary.controllers.server import health_check
from ostiary.services.health import Health
from ostiary.settings import load
from ostiary.startup import opened

pytestmark = pytest.mark.anyio

SECRET = "a secret that nobody reads"


async def test_no_setting_that_may_be_secret_is_shown(tmp_path: Path, toys: None) -> None:
    """LEAK-05, CFG-04: neither ``security`` nor what plugins are told leaves the server."""
    file = tmp_path / "ostiary.toml"
    file.write_text(
        f'[security]\nsetupSecret = "{SECRET}"\n'
        f'[database]\nurl = ""\npasswords = {{ostiary_core = "{SECRET}"}}\n'
        f'[plugins]\nallow = ["badge"]\n[plugins.badge]\nshape = "{SECRET}"\n'.replace(
            'url = ""\n', ""
        )
    )
    settings = load(config=file, environment={}, overrides={"data.dir": str(tmp_path / "data")})
    async with opened(settings) as core:
        shown = core.services.about.config()
    assert SECRET not in json.dumps(shown)
    assert "security" not in shown
    assert shown["plugins"] == {"allow": ["badge"]}
    assert shown["server"]["port"] == 7512


async def test_the_process_is_described_truthfully(house: Any) -> None:
    process = house.services.about.process()
    assert process["application"] == {"name": "ostiary", "version": __version__}
    assert process["version"].startswith("2.")
    assert process["nodeVersion"].startswith("Python 3.")
    assert float(process["uptime"].removesuffix("s")) < 60
    assert process["plugins"]["badge"]["strategies"] == ["badge"]
    system = process["system"]
    assert len(system["cpus"]) == os.cpu_count()
    if Path("/proc/self/statm").exists():
        assert 0 < process["memoryUsed"] < system["memory"]["total"]
        assert 0 < system["memory"]["free"] < system["memory"]["total"]


async def test_services_that_do_not_exist_here_are_said_to_be_none(house: Any) -> None:
    services = await house.services.about.services()
    assert services["internalStorage"]["backend"] == "sqlite"
    assert services["internalStorage"]["version"].startswith("3.")
    assert services["memoryStorage"] == services["publicStorage"]
    assert services["memoryStorage"] == {"backend": "none", "version": None}


async def test_a_store_that_does_not_answer_is_red(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    health: Health = house.services.health
    assert set((await health.services()).values()) == {"green"}

    def read() -> Any:
        raise errors.StoreUnavailable

    monkeypatch.setattr(health, "_store", type("Gone", (), {"read": staticmethod(read)})())
    assert await health.services() == {
        "internalCache": "green",
        "memoryStorage": "green",
        "storageEngine": "red",
    }
    reply: Any = await health_check(house.services)
    assert (reply.status, reply.error.id) == (500, "core.fatal.service_unavailable")
    assert reply.error.props == ["storageEngine"]
    assert reply.value["status"] == "red"
    assert (await health_check(house.services, "internalCache"))["status"] == "green"
