"""OAuth 1.0a: the provider checks each signature with authlib (RFC 5849)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from anyio import to_thread
from starlette.responses import JSONResponse, Response

from ostiary import Redirect
from ostiary import errors as core
from ostiary_oauth import errors

from .provider import CALLBACK, Loopback
from .visiting import Visitor

pytestmark = pytest.mark.anyio

Coming = Callable[..., Visitor]


def settings(loopback: Loopback, **changes: Any) -> dict[str, Any]:
    return {
        "protocol": "oauth1",
        "identifier": "id",
        "request_token_endpoint": f"{loopback.url}/oauth1/request",
        "authorization_endpoint": f"{loopback.url}/oauth1/authorize",
        "token_endpoint": f"{loopback.url}/oauth1/access",
        "userinfo_endpoint": f"{loopback.url}/oauth1/profile",
        **changes,
    }


async def agree(begun: Redirect) -> dict[str, str]:
    """Say yes at the provider, and return what comes back."""
    answer = await to_thread.run_sync(lambda: httpx2.get(begun.location, trust_env=False))
    assert answer.status_code == 302, answer.text
    back, _, query = answer.headers["location"].partition("?")
    assert back == CALLBACK
    return dict(parse_qsl(query))


async def test_a_login_at_an_old_provider_proves_who_somebody_is(
    visitor: Coming, loopback: Loopback
) -> None:
    guest = visitor(**settings(loopback))
    begun = await guest.begin({"invitation": "abc"})
    proved = await guest.complete(await agree(begun), begun)
    assert (proved.issuer, proved.subject) == (loopback.url, "583231")
    assert proved.claims["login"] == "jane"
    assert begun.state is not None
    assert begun.state["invitation"] == "abc"
    assert {"oauth_token", "oauth_token_secret"} <= proved.tokens.keys()


async def test_the_callback_brings_the_state_of_the_flow(
    visitor: Coming, loopback: Loopback
) -> None:
    """OAU-02: what the core binds to the browser comes back, though the protocol has no state."""
    guest = visitor(**settings(loopback))
    begun, other = await guest.begin(), await guest.begin()
    assert begun.handle is not None
    assert len(begun.handle) >= 43
    assert begun.handle != other.handle
    assert (await agree(begun))["state"] == begun.handle
    assert "state" not in dict(parse_qsl(urlsplit(begun.location).query))
    assert "oauth_callback" not in dict(parse_qsl(urlsplit(begun.location).query))


async def test_an_answer_of_another_flow_is_refused(visitor: Coming, loopback: Loopback) -> None:
    """OAU-05."""
    guest = visitor(**settings(loopback))
    stolen = await agree(await guest.begin())
    begun = await guest.begin()
    with pytest.raises(core.LoginRefused) as refusal:
        await guest.complete(stolen, begun)
    assert refusal.value.reason == "the answer is another flow's"
    assert "/oauth1/access" not in [path for _, path, _ in loopback.asked]


async def test_a_wrong_verifier_opens_nothing(visitor: Coming, loopback: Loopback) -> None:
    """OAU-05."""
    guest = visitor(**settings(loopback))
    begun = await guest.begin()
    back = {**await agree(begun), "oauth_verifier": "guessed"}
    with pytest.raises(core.LoginRefused) as refusal:
        await guest.complete(back, begun)
    assert refusal.value.reason == "the provider does not take the verifier"


@pytest.mark.parametrize("name", ["oauth_token", "oauth_verifier"])
@pytest.mark.parametrize("value", [None, "", 7, ["x"], "a\n"])
async def test_what_did_not_come_back_is_not_sent(
    visitor: Coming, loopback: Loopback, name: str, value: Any
) -> None:
    guest = visitor(**settings(loopback))
    begun = await guest.begin()
    with pytest.raises(core.LoginRefused) as refusal:
        await guest.complete({**await agree(begun), name: value}, begun)
    assert refusal.value.reason == f"no {name} came back"


async def test_who_says_no_at_an_old_provider_is_not_let_in(
    visitor: Coming, loopback: Loopback
) -> None:
    guest = visitor(**settings(loopback))
    begun = await guest.begin()
    with pytest.raises(core.LoginRefused) as refusal:
        await guest.complete({"denied": "token"}, begun)
    assert refusal.value.id == "plugin.strategy.missing_user"


async def test_a_client_that_signs_with_another_secret_is_not_accepted(
    visitor: Coming, loopback: Loopback
) -> None:
    with pytest.raises(errors.ClientRefused):
        await visitor(**settings(loopback, client_secret="another")).begin()


REQUEST_TOKENS: dict[str, Callable[[Any], Response]] = {
    "a callback that is not confirmed": lambda _: Response("oauth_token=a&oauth_token_secret=b"),
    "no token": lambda _: Response("oauth_callback_confirmed=true&oauth_token_secret=b"),
    "no secret": lambda _: Response("oauth_callback_confirmed=true&oauth_token=a"),
    "an empty token": lambda _: Response(
        "oauth_callback_confirmed=true&oauth_token=&oauth_token_secret=b"
    ),
    "a page": lambda _: Response("<html>"),
    "a number": lambda _: JSONResponse(
        {"oauth_token": 7, "oauth_token_secret": "b", "oauth_callback_confirmed": "true"}
    ),
    "a failure": lambda _: Response("<html>", 500),
}


@pytest.mark.parametrize("answer", REQUEST_TOKENS)
async def test_a_request_token_that_is_none_is_the_providers_failure(
    visitor: Coming, loopback: Loopback, answer: str
) -> None:
    """OAU-17."""
    loopback.answers["/oauth1/request"] = REQUEST_TOKENS[answer]
    with pytest.raises(errors.ProviderUnavailable) as failure:
        await visitor(**settings(loopback)).begin()
    assert "<" not in str(failure.value)


@pytest.mark.parametrize("profile", [[], None, "jane", 7])
async def test_a_profile_of_an_old_provider_is_an_object(
    visitor: Coming, loopback: Loopback, profile: Any
) -> None:
    guest = visitor(**settings(loopback))
    begun = await guest.begin()
    back: Mapping[str, Any] = await agree(begun)
    loopback.profile = profile
    with pytest.raises(errors.ProviderUnavailable):
        await guest.complete(back, begun)
