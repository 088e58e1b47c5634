"""Limits in the console: who is held back now, and letting them try again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .conftest import PASSWORD, NewSite, Site, running
from .visitors import Screen, Visitor

RELEASE = "/-/console/limits/release"
FREE = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("limited")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    """A server behind a proxy, where few failures are free."""
    changes: dict[str, Any] = {
        "limits__loginFailuresPerAccount": FREE,
        "server__trustedProxies": ["127.0.0.0/8"],
    }
    with running(folder, **changes) as made:
        yield made.administer()


@pytest.fixture
def hold_back(site: Site, folder: Path) -> Callable[..., None]:
    """Have an account wait, or a device of it, for so long that no test has to hurry."""

    def hold_back(name: str, address: str | None = None) -> None:
        for place in range(FREE):
            fields = {"username": name, "password": "wrong"}
            headers = {"X-Forwarded-For": address or f"198.51.100.{place}"}
            site.api.send("POST", "/_login/local", fields, headers)
        with closing(sqlite3.connect(folder / "core.db")) as file, file:
            file.execute(
                "UPDATE login_counters SET locked_until = locked_until + 60000, "
                "expires_at = expires_at + 60000 WHERE locked_until > 0"
            )

    return hold_back


@pytest.fixture
def warden(site: Site, visitor: Visitor) -> Visitor:
    return visitor.sign_in("local", username="root", password=PASSWORD)


def rows(visitor: Visitor) -> list[str]:
    return [" ".join(row.get_text(" ").split()) for row in visitor.soup.select("tbody tr")]


def test_who_is_held_back_is_shown_and_let_try_again(
    site: Site, warden: Visitor, hold_back: Callable[..., None]
) -> None:
    site.person("ann")
    hold_back("ann")
    warden.open("/-/console/limits?user=ann")
    (row,) = rows(warden)
    assert row.startswith(f"ann Account local {FREE} ")
    assert warden.soup.select_one("tbody time[datetime]")
    warden.send(RELEASE)
    assert "They may try again now." in warden.text
    assert rows(warden) == []
    assert site.api.call("auth:login", site.credentials("ann"), strategy="local").status == 200
    warden.open("/-/console/audit?event=LoginsReleased&user=ann")
    assert "Released from waiting" in rows(warden)[0]


def test_a_name_leads_to_who_is_held_back(
    site: Site, warden: Visitor, hold_back: Callable[..., None]
) -> None:
    body = {
        "content": {"profileIds": ["default"]},
        "credentials": {"local": site.credentials("zoe")},
    }
    site.call("security:createUser", body, _id="kuid-of-zoe")
    hold_back("zoe")
    warden.open("/-/console/limits?user=zoe&find=name")
    (row,) = rows(warden)
    assert row.startswith("kuid-of-zoe Account")
    warden.send(RELEASE)
    assert warden.path == "/-/console/limits?user=kuid-of-zoe&done=released"


def test_what_was_typed_as_a_name_is_not_shown(
    warden: Visitor, hold_back: Callable[..., None]
) -> None:
    hold_back("my secret in the wrong field")
    warden.open("/-/console/limits")
    assert "A name that nobody is known to have" in warden.text
    assert "my secret" not in warden.answer.text


def test_a_device_leads_to_what_was_tried_from_there(
    site: Site, warden: Visitor, hold_back: Callable[..., None]
) -> None:
    site.person("gus")
    home = "203.0.113.9"
    headers = {"X-Forwarded-For": home}
    site.api.send("POST", "/_login/local", site.credentials("gus"), headers)
    hold_back("gus", home)
    warden.open("/-/console/limits?user=gus")
    (row,) = rows(warden)
    assert "Device" in row
    (link,) = [one for one in warden.soup("a") if one.get_text() == home]
    tried = rows(warden.open(str(link["href"])))
    assert ["Sign-in refused" in tried[0], "Signed in" in tried[-1]] == [True, True]


def test_who_may_do_less_lets_nobody_guess_on(
    site: Site, visitor: Visitor, hold_back: Callable[..., None]
) -> None:
    role = site.role("helpers", security=["searchHeldBack", "releaseHeldBack"], auth=["*"])
    site.person("helper", role)
    site.person("chief", "admin")
    hold_back("chief")
    visitor.sign_in("local", username="helper", password=PASSWORD)
    visitor.open("/-/console/limits?user=chief").send(RELEASE)
    assert visitor.status == 403
    assert visitor.soup.select_one("[role=alert]")
    assert "Configured limits" not in visitor.text


def test_the_configured_limits_are_shown(warden: Visitor) -> None:
    warden.open("/-/console/limits")
    assert f"limits.loginFailuresPerAccount {FREE} limits.loginFailuresPerAddress" in warden.text
    assert "limits.loginWindow 900000 (15 min)" in warden.text
    assert f"After {FREE} failed sign-ins to one account" in warden.text


def test_in_dev_nothing_is_counted(new_site: NewSite) -> None:
    site = new_site(dev=True).administer()
    with Visitor(site.url) as visitor:
        visitor.sign_in("local", username="root", password=PASSWORD).open("/-/console/limits")
        assert "it runs for development" in visitor.text


def test_lists_fit_a_phone(
    site: Site, open_screen: Callable[[str, str], Screen], hold_back: Callable[..., None]
) -> None:
    site.person("phoebe" * 10)
    hold_back("phoebe" * 10)
    screen = open_screen(site.url, "phone")
    screen.sign_in("local", username="root", password=PASSWORD)
    for name in ("limits", "tokens", "audit"):
        screen.open(f"/-/console/{name}")
        screen.look(f"console-{name}")
