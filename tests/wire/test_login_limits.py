"""Failed logins are counted: over both protocols, and as far as proxies can be believed."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import pytest

from ostiary.settings import Settings
from ostiary.testing.wire import HttpApi, Outcome, WebSocketApi

FREE, OF_ADDRESS = 5, 20
HOME = "203.0.113.7"
PASSWORD = "a password long enough"
LIMITS = {
    "limits.loginFailuresPerAccount": FREE,
    "limits.loginFailuresPerAddress": OF_ADDRESS,
}
TOO_MANY = "api.process.too_many_logins_requests"

numbers = itertools.count(1)


@dataclass(frozen=True)
class Door:
    """A server that counts, called by one protocol, from addresses that a proxy tells of."""

    site: Any
    protocol: str

    def sign_in(
        self,
        name: str,
        password: str = "wrong",
        address: str | None = None,
        cookie: str | None = None,
        **headers: str,
    ) -> Outcome:
        headers["X-Forwarded-For"] = address or self.stranger()
        if cookie is not None:
            headers["Cookie"] = f"ostiaryDevice={cookie}"
        fields = {"username": name, "password": password}
        if self.protocol == "http":
            return HttpApi.send(self.site.http, "POST", "/_login/local", fields, headers)
        with closing(WebSocketApi(self.site.port, headers)) as api:
            return api.call("auth:login", fields, strategy="local")

    def flood(self, name: str) -> None:
        """Fail from so many addresses that none of them is held back."""
        for _ in range(FREE):
            assert self.sign_in(name).status == 401
        self.hold()

    def hold(self) -> None:
        """Have every lock last for a minute, so that no test has to hurry."""
        with closing(sqlite3.connect(self.site.settings.data.dir / "core.db")) as file, file:
            file.execute(
                "UPDATE login_counters SET locked_until = locked_until + 60000, "
                "expires_at = expires_at + 60000 WHERE locked_until > 0"
            )

    def stranger(self) -> str:
        """Return an address that nobody has used."""
        number = next(numbers)
        return f"198.18.{number // 256}.{number % 256}"


def unused() -> str:
    """Return a name that nobody has, and that was not tried before."""
    return f"nobody-{next(numbers)}"


def device_of(outcome: Outcome) -> str:
    return SimpleCookie(outcome.headers["set-cookie"])["ostiaryDevice"].value


def other(door: Door) -> Door:
    return Door(door.site, "websocket" if door.protocol == "http" else "http")


@pytest.fixture(scope="module")
def counting(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    new_site: Callable[[Settings], Any],
) -> Iterator[Any]:
    changes = {**LIMITS, "server.trustedProxies": ["127.0.0.0/8", "10.0.0.0/8"]}
    with new_site(settings(tmp_path_factory.mktemp("counting"), **changes)) as site:
        yield site


@pytest.fixture(scope="module")
def alone(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    new_site: Callable[[Settings], Any],
) -> Iterator[Any]:
    """A server with no proxy before it."""
    with new_site(settings(tmp_path_factory.mktemp("alone"), **LIMITS)) as site:
        yield site


@pytest.fixture
def door(counting: Any, protocol: str) -> Door:
    return Door(counting, protocol)


@pytest.fixture
def owner(counting: Any) -> Any:
    return counting.person("default")


def test_after_some_failures_logins_are_refused_for_a_while(door: Door, owner: Any) -> None:
    """AUTH-20, AUTH-22"""
    outcomes = [door.sign_in(owner.username) for _ in range(FREE + 1)]
    assert [outcome.status for outcome in outcomes] == [401] * FREE + [429]
    refused = outcomes[-1]
    assert refused.error_id == TOO_MANY
    assert refused.body["headers"] == {"retry-after": "1"}
    if door.protocol == "http":
        assert refused.headers["retry-after"] == "1"


def test_a_name_that_nobody_has_is_refused_in_the_same_words(door: Door, owner: Any) -> None:
    """AUTH-22, AUTH-01: and a right password makes no difference while one has to wait."""
    nobody = unused()
    for number, password in enumerate((*["wrong"] * FREE, PASSWORD, PASSWORD)):
        if number == FREE:
            door.hold()
        known, unknown = (door.sign_in(name, password) for name in (owner.username, nobody))
        assert known.error == unknown.error
        assert known.body["headers"] == unknown.body["headers"]
        # Cookies are for those who have signed in.
        differing = {"x-kuzzle-request-id", "date"}
        assert known.headers.keys() - differing == unknown.headers.keys() - differing
        assert "set-cookie" not in known.headers
    assert door.sign_in(owner.username, PASSWORD).error_id == TOO_MANY


def test_who_is_signed_in_stays_so(door: Door, owner: Any) -> None:
    """AUTH-22"""
    door.flood(owner.username)
    with closing(door.site.open(door.protocol)) as api:
        assert api.call("auth:getCurrentUser", jwt=owner.jwt).result["_id"] == owner.kuid


def test_the_device_of_the_owner_gets_in_while_strangers_are_refused(
    door: Door, owner: Any
) -> None:
    """AUTH-22: whatever address it has by now, and by whichever protocol."""
    first = Door(door.site, "http").sign_in(owner.username, PASSWORD, HOME)
    device = device_of(first)
    door.flood(owner.username)
    for one in (door, other(door)):
        signed_in = one.sign_in(owner.username, PASSWORD, cookie=device)
        assert signed_in.result["_id"] == owner.kuid
    assert door.sign_in(owner.username, PASSWORD).error_id == TOO_MANY


def test_the_address_of_the_owner_gets_in_while_strangers_are_refused(
    door: Door, owner: Any
) -> None:
    """AUTH-22: for clients that keep no cookies."""
    home = door.stranger()
    assert door.sign_in(owner.username, PASSWORD, home).status == 200
    door.flood(owner.username)
    assert door.sign_in(owner.username, PASSWORD, home).status == 200


def test_a_device_keeps_its_cookie_and_is_stamped_for_each_account(
    counting: Any, owner: Any
) -> None:
    door = Door(counting, "http")
    device = device_of(door.sign_in(owner.username, PASSWORD))
    again = device_of(door.sign_in(owner.username, PASSWORD, cookie=device))
    shared = device_of(door.sign_in("root", PASSWORD, cookie=device))
    assert again == device
    assert shared.split(".")[::2] == device.split(".")
    said = door.sign_in(owner.username, PASSWORD).headers["set-cookie"]
    assert said.split("; ")[1:] == ["Path=/", "Max-Age=2592000", "HttpOnly", "SameSite=Lax"]


def test_a_cookie_that_was_not_made_here_is_no_device(door: Door, owner: Any) -> None:
    """AUTH-15"""
    device = device_of(Door(door.site, "http").sign_in("root", PASSWORD))
    door.flood(owner.username)
    for forged in (device, "", "x", f"{device}; ostiaryDevice={device[::-1]}", '"'):
        assert door.sign_in(owner.username, cookie=forged).error_id == TOO_MANY


def test_both_protocols_count_together(door: Door, owner: Any) -> None:
    """AUTH-23"""
    door.flood(owner.username)
    assert other(door).sign_in(owner.username).error_id == TOO_MANY


def test_every_spelling_of_a_name_counts_as_the_same(door: Door) -> None:
    """AUTH-20, RACE-12"""
    spellings = ["Zoë", "ZOË", "zoe\u0308", "\uff3aoë", "zOË"]
    assert [door.sign_in(f"{name}-{door.protocol}").status for name in spellings] == [401] * FREE
    door.hold()
    assert door.sign_in(f"zoë-{door.protocol}").error_id == TOO_MANY


def test_one_address_cannot_try_many_accounts(door: Door, owner: Any) -> None:
    """AUTH-24, AUTH-26"""
    network = f"2001:db8:{next(numbers):x}:1"
    for number in range(OF_ADDRESS):
        assert door.sign_in(unused(), address=f"{network}:{number}::1").status == 401
    door.hold()
    refused = door.sign_in(owner.username, PASSWORD, f"[{network}::ffff]:4711")
    assert refused.error_id == TOO_MANY
    assert door.sign_in(owner.username, PASSWORD).status == 200


@pytest.mark.parametrize("forged", ["198.51.100.{0}", "198.51.100.{0}, 10.0.0.{0}", "x{0}, ,", ""])
def test_what_a_client_writes_before_the_proxy_changes_nothing(door: Door, forged: str) -> None:
    """AUTH-25, AUTH-15: the proxy adds the address that it has seen at the end."""
    address = door.stranger()
    outcomes = [
        door.sign_in(unused(), address=f"{forged.format(number)}, {address}, 10.0.0.1")
        for number in range(OF_ADDRESS + 1)
    ]
    assert [outcome.status for outcome in outcomes] == [401] * OF_ADDRESS + [429]


def test_nobody_is_believed_who_is_no_trusted_proxy(alone: Any, protocol: str) -> None:
    """AUTH-25: what an attacker writes neither hides them nor counts for others."""
    door = Door(alone, protocol)
    statuses = [door.sign_in(unused()).status for _ in range(OF_ADDRESS + 1)]
    assert statuses[-1] == 429
    assert statuses == sorted(statuses)
    # The second protocol finds the address as the first has left it.
    door.hold()


def test_failures_carry_no_token_and_every_login_has_one_of_its_own(door: Door, owner: Any) -> None:
    """AUTH-14"""
    home = door.stranger()
    tokens = [door.sign_in(owner.username, PASSWORD, home).result["jwt"] for _ in range(3)]
    assert len(set(tokens)) == len(tokens)
    for outcome in (door.sign_in(owner.username), door.sign_in("nobody", PASSWORD)):
        assert outcome.body["result"] is None
        assert "kauth-" not in str(outcome)


def test_what_is_no_text_is_refused_and_counted(door: Door) -> None:
    """AUTH-12"""
    address = door.stranger()
    for name in (["root"], {"a": 1}, 5, True, None, ""):
        outcome = door.sign_in(name, PASSWORD, address)  # type: ignore[arg-type]
        assert outcome.status == 401
    for _ in range(OF_ADDRESS - 6):
        door.sign_in(5, PASSWORD, address)  # type: ignore[arg-type]
    door.hold()
    assert door.sign_in("root", PASSWORD, address).error_id == TOO_MANY


def test_in_dev_nothing_is_counted(dev: Any, protocol: str) -> None:
    door = Door(dev, protocol)
    assert {door.sign_in("root").status for _ in range(FREE * 5)} == {401}
    assert "set-cookie" not in door.sign_in("root", PASSWORD).headers
