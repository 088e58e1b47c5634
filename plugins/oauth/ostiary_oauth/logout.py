"""Leaving at the provider too, and hearing from it when somebody has left there.

OpenID Connect RP-Initiated Logout 1.0, and OpenID Connect Back-Channel Logout 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from ostiary import POST, Call, Controller, Directory, Reply, Store, Strategy
from ostiary import errors as core
from ostiary_oauth import errors, tokens
from ostiary_oauth.strategy import OAuthStrategy

LONGEST_HINT = 4096
"""Characters of an id token that is put into an address; more of them servers may not read."""

LONGEST_STATE = 512

session = Controller("session")


class Notice(TypedDict):
    """The body of ``backchannel``: a form, or JSON."""

    logout_token: Annotated[str, "A logout token of the provider."]


@session.action(
    POST("/session/{strategy}/_logout"),
    signed_in=True,
    redirects=True,
    raises=[
        errors.OtherSession,
        errors.ReturnNotListed,
        core.InvalidArgument,
        core.UnknownStrategy,
    ],
)
async def logout(
    store: Store,
    directory: Directory,
    strategies: Mapping[str, Strategy],
    call: Call,
    strategy: Annotated[str, "Name of the strategy that the session was begun with."],
    post_logout_redirect_uri: Annotated[
        str | None, "Where the provider sends the browser at last; one of `postLogoutURIs`."
    ] = None,
    state: Annotated[str | None, "What comes back at that address."] = None,
    no_redirect: Annotated[
        bool, "Answer 200 with `location` instead of sending there; for pages that use fetch()."
    ] = False,
) -> dict[str, Any] | Reply:
    """End the session of the request, and send its browser to the provider to end that one too.

    The session ends here also where the provider has no such page, or does not answer: then
    `location` is null, and the user stays signed in there.
    """
    configured = tokens.chosen(strategies, strategy)
    back = _back(configured, post_logout_redirect_uri, state)
    try:
        cookies = await directory.end_own_session(strategy, call)
    except core.SessionNotFound:
        raise errors.OtherSession(strategy) from None
    location = await _location(configured, store, call.kuid, back)
    if location is None or no_redirect:
        return Reply({"acknowledged": True, "location": location}, cookies=cookies)
    sent = Reply.redirect(location)
    return Reply(sent.value, status=sent.status, headers=sent.headers, cookies=cookies)


@session.action(
    POST("/backchannel/{strategy}"),
    raises=[errors.WrongLogoutToken, errors.ProviderUnavailable, core.UnknownStrategy],
)
async def backchannel(
    store: Store,
    directory: Directory,
    strategies: Mapping[str, Strategy],
    strategy: Annotated[str, "Name of the strategy."],
    body: Notice,
) -> dict[str, bool]:
    """End the sessions of who has left at the provider, which tells so with a logout token.

    Providers call this, nobody who is signed in: the role of who is anonymous needs the right.
    """
    from ostiary_oauth.protocol import logout_tokens

    configured = tokens.chosen(strategies, strategy)
    await logout_tokens.obey(configured, store, directory, body["logout_token"])
    return {"acknowledged": True}


def _back(strategy: OAuthStrategy, uri: str | None, state: str | None) -> dict[str, str]:
    """Return the parameters of the way back from the provider.

    :raises errors.ReturnNotListed: the operator has not listed the address (OAU-16).
    """
    if uri is None:
        return {}
    if uri not in strategy.provider.post_logout_uris:
        raise errors.ReturnNotListed(strategy.name)
    if state is None:
        return {"post_logout_redirect_uri": uri}
    if len(state) > LONGEST_STATE:
        raise core.InvalidArgument("state", f"at most {LONGEST_STATE} characters")
    return {"post_logout_redirect_uri": uri, "state": state}


async def _location(
    strategy: OAuthStrategy, store: Store, kuid: str, back: Mapping[str, str]
) -> str | None:
    """Return the provider's page for leaving, with all that it wants to know; None without one."""
    try:
        endpoint = (await strategy.web.metadata()).end_session_endpoint
    except errors.ProviderUnavailable:
        return None
    if endpoint is None:
        return None
    wanted = {"client_id": strategy.provider.client_id, **await _hint(strategy, store, kuid)}
    # Only now: it takes long to load.
    from authlib.common.urls import add_params_to_uri

    return str(add_params_to_uri(endpoint, [*wanted.items(), *back.items()]))


async def _hint(strategy: OAuthStrategy, store: Store, kuid: str) -> dict[str, str]:
    """Return who leaves, if it is known: else the provider asks."""
    try:
        kept = await tokens.of_user(strategy, store, kuid)
    except (errors.NoTokens, errors.SeveralAccounts):
        return {}
    hint = kept.tokens.get("id_token", "")
    return {"id_token_hint": hint} if 0 < len(hint) <= LONGEST_HINT else {}
