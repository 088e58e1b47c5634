"""Headers that strategies ask for: other schemes than Bearer, and what a proxy has proved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from ostiary.settings import Settings
from ostiary.testing.packages import badge, installed
from ostiary.testing.wire import HttpApi, Outcome, WebSocketApi

REFUSED = "plugin.strategy.missing_user"
TICKET = """
shown = call.headers.get("authorization")
if shown is None:
    told = {"kuid": "known-to-the-log", "reason": "came-without-a-ticket"}
    raise errors.LoginRefused(strategy.refusal, www_authenticate="Negotiate", **told)
credentials = {"badge": shown.partition(" ")[2]}
async with store.read() as db:
    kuid = await db.scalar(select(badges.c.kuid).where(badges.c.badge == credentials["badge"]))
if kuid is None:
    raise errors.LoginRefused(strategy.refusal)
return Verified(kuid)"""
CERTIFICATE = TICKET.replace('"authorization"', '"x-ssl-client-cert"').replace(
    'shown.partition(" ")[2]', "shown"
)
PACKAGES = (
    badge("ticket", declared='fields=("badge",), headers=("authorization",)', verify=TICKET),
    badge(
        "certificate",
        declared='fields=("badge",), proxy_headers=("x-ssl-client-cert",)',
        verify=CERTIFICATE,
    ),
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed(tmp_path_factory.mktemp("packages"), *PACKAGES):
        yield


@pytest.fixture(scope="module")
def start(
    packages: None,
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    new_site: Callable[..., Any],
) -> Iterator[Callable[..., Any]]:
    with ExitStack() as stack:

        def start_(**changes: Any) -> Any:
            allowed = {"plugins.allow": ["local", "ticket", "certificate"]}
            folder = tmp_path_factory.mktemp("headers")
            site = stack.enter_context(new_site(settings(folder, **allowed, **changes)))
            for strategy in ("ticket", "certificate"):
                credentials = {strategy: {"badge": f"{strategy}-of-ann"}}
                body = {"content": {"profileIds": ["member"]}, "credentials": credentials}
                args = {"_id": f"{strategy}-ann"}
                made = site.http.call("security:createUser", body, jwt=site.jwt, **args)
                assert made.status == 200
            return site

        yield start_


@pytest.fixture(scope="module")
def bare(start: Callable[..., Any]) -> Any:
    """A server with no proxy before it."""
    return start()


@pytest.fixture(scope="module")
def behind(start: Callable[..., Any]) -> Any:
    """A server behind a proxy that it trusts."""
    return start(**{"server.trustedProxies": ["127.0.0.1"]})


@pytest.fixture(scope="module")
def elsewhere(start: Callable[..., Any]) -> Any:
    """A server that trusts a proxy, and is called past it."""
    return start(**{"server.trustedProxies": ["192.0.2.1"]})


def sign_in(site: Any, protocol: str, strategy: str, **headers: str) -> Outcome:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if protocol == "http":
        with closing(HttpApi(site.port)) as http:
            return http.send("POST", f"/_login/{strategy}", {}, named)
    with closing(WebSocketApi(site.port, named)) as socket:
        return socket.call("auth:login", {}, strategy=strategy)


def test_a_ticket_of_another_scheme_signs_in(bare: Any, protocol: str) -> None:
    outcome = sign_in(bare, protocol, "ticket", Authorization="Negotiate ticket-of-ann")
    assert outcome.result["_id"] == "ticket-ann"


def test_a_refusal_may_tell_how_to_ask(bare: Any, protocol: str) -> None:
    """RFC 4559: over HTTP as a header, over WebSocket in the envelope."""
    outcome = sign_in(bare, protocol, "ticket")
    assert (outcome.status, outcome.error_id) == (401, REFUSED)
    assert outcome.body["headers"] == {"www-authenticate": "Negotiate"}
    if protocol == "http":
        assert outcome.headers["www-authenticate"] == "Negotiate"


def test_what_a_refusal_tells_the_log_is_told_nobody_else(bare: Any, protocol: str) -> None:
    """AUTH-03"""
    outcome = sign_in(bare, protocol, "ticket")
    assert "came-without-a-ticket" not in str(outcome)
    assert "known-to-the-log" not in str(outcome)


def test_a_browser_may_come_by_get(bare: Any) -> None:
    with closing(HttpApi(bare.port)) as http:
        headers = {"Authorization": "Negotiate ticket-of-ann"}
        assert http.send("GET", "/_login/ticket", None, headers).result["_id"] == "ticket-ann"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_what_comes_as_a_token_is_a_token_and_no_ticket(bare: Any, scheme: str) -> None:
    """TOK-28"""
    with closing(HttpApi(bare.port)) as http:
        headers = {"Authorization": f"{scheme} ticket-of-ann"}
        outcome = http.send("POST", "/_login/ticket", {}, headers)
    assert (outcome.status, outcome.error_id) == (401, "security.token.invalid")


def test_a_token_is_shown_to_no_strategy_under_any_scheme(bare: Any) -> None:
    """ISO-15: and a ticket authenticates nothing but a login (TOK-27)."""
    with closing(HttpApi(bare.port)) as http:
        headers = {"Authorization": f"Negotiate {bare.admin.jwt}"}
        outcome = http.send("POST", "/_login/ticket", {}, headers)
        assert outcome.body["headers"] == {"www-authenticate": "Negotiate"}
        headers = {"Authorization": "Negotiate ticket-of-ann"}
        assert http.send("GET", "/_me", None, headers).result["_id"] == "-1"


def test_a_trusted_proxy_tells_of_a_certificate(behind: Any, protocol: str) -> None:
    headers = {"X_SSL_Client_Cert": "certificate-of-ann"}
    for more in ({}, {"X_Forwarded_For": "203.0.113.7"}):
        outcome = sign_in(behind, protocol, "certificate", **headers, **more)
        assert outcome.result["_id"] == "certificate-ann"


@pytest.mark.parametrize("where", ["bare", "elsewhere"])
def test_nobody_else_does(request: pytest.FixtureRequest, where: str, protocol: str) -> None:
    """Whoever calls past the proxy writes what they like into the header."""
    site = request.getfixturevalue(where)
    for more in ({}, {"X_Forwarded_For": "192.0.2.1"}):
        headers = {"X_SSL_Client_Cert": "certificate-of-ann", **more}
        outcome = sign_in(site, protocol, "certificate", **headers)
        assert (outcome.status, outcome.error_id) == (401, REFUSED)
