"""The controller ``invitation``: asking people in, and taking that back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NotRequired, TypedDict

from ostiary import DELETE, GET, POST, Call, Controller, Directory, Duration, Store, Strategy
from ostiary import errors as core
from ostiary_oauth import attributes, errors, invitations
from ostiary_oauth.profile_rules import ruled
from ostiary_oauth.strategy import OAuthStrategy
from ostiary_oauth.subjects import LONGEST_ADDRESS

DAY = 24 * 60 * 60 * 1000
LIFETIME, LONGEST_LIFETIME = 7 * DAY, 90 * DAY
MOST_PROFILES = 100
LARGEST_PAGE = 500

invitation = Controller("invitation")


class NewInvitation(TypedDict):
    """The body of ``create``."""

    strategy: NotRequired[Annotated[str | None, "Name of the only strategy that it is good for."]]
    email: NotRequired[
        Annotated[str | None, "The only address that it is good for, once a provider verified it."]
    ]
    content: NotRequired[
        Annotated[dict[str, Any] | None, "Of the user, with `profileIds` if not the default ones."]
    ]


@invitation.action(
    POST("/invitations/_create"),
    signed_in=True,
    strict=True,
    raises=[
        core.InvalidArgument,
        core.MissingRights,
        core.ProfileNotFound,
        core.UnknownStrategy,
        errors.InvalidAttribute,
        errors.RuledProfile,
        errors.TooManyAttributes,
        errors.TooManyInvitations,
    ],
)
async def create(
    store: Store,
    directory: Directory,
    strategies: Mapping[str, Strategy],
    call: Call,
    body: NewInvitation | None = None,
    expires_in: Annotated[
        Duration | None, "How long it is good: milliseconds, or a timespan such as 7d."
    ] = None,
) -> dict[str, Any]:
    """Invite somebody; `code` is told this once, and is good for one new user.

    Hand it over as you would a password, and never in a URL: it is sent as `invitation` in the
    body of `auth:login`. Nobody gives profiles that grant more than they may do themselves, now
    and when the invitation is accepted.
    """
    wanted = body or {}
    strategy, email = wanted.get("strategy"), wanted.get("email")
    if strategy is not None and strategy not in strategies:
        raise core.UnknownStrategy(strategy)
    if email is not None:
        _check_address(email)
    content = await _content(wanted.get("content") or {}, directory, call)
    _check_rules(content, [strategies[strategy]] if strategy else strategies.values())
    lifetime = LIFETIME if expires_in is None else expires_in
    if not 0 < lifetime <= LONGEST_LIFETIME:
        raise core.InvalidArgument("expiresIn", "at most 90 days")
    author = await directory.find(call.kuid)
    if author is None:
        # Deleted since the request came.
        raise core.MissingRights(", ".join(content.get("profileIds", ())))
    code, made = await invitations.issue(
        store, author, content, lifetime, strategy=strategy, email=email
    )
    return {"code": code, **made.shown()}


@invitation.action(GET("/invitations"), raises=[core.InvalidArgument], noted=True)
async def list_(
    store: Store,
    start: Annotated[int, "How many to pass over."] = 0,
    size: Annotated[int, "How many to return at most."] = 100,
) -> dict[str, Any]:
    """Return the invitations that are open, the latest first; not their codes."""
    if start < 0:
        raise core.InvalidArgument("start", "0 or more")
    if not 0 < size <= LARGEST_PAGE:
        raise core.InvalidArgument("size", f"1 to {LARGEST_PAGE}")
    found = await invitations.listed(store, offset=start, limit=size)
    return {"invitations": [one.shown() for one in found]}


@invitation.action(DELETE("/invitations/{_id}"), raises=[errors.NoSuchInvitation])
async def delete(
    store: Store, id: Annotated[str, "The `_id` of an invitation; not its code."]
) -> dict[str, bool]:
    """Take an invitation back, before it is accepted."""
    await invitations.withdraw(store, id)
    return {"acknowledged": True}


def _check_address(email: str) -> None:
    before, at, after = email.rpartition("@")
    if not (before and at and after and email.isprintable() and len(email) <= LONGEST_ADDRESS):
        raise core.InvalidArgument("body.email", "an e-mail address")


async def _content(
    content: Mapping[str, Any], directory: Directory, call: Call
) -> Mapping[str, Any]:
    """Return the content of a user to be, within bounds.

    :raises errors.MissingRights: its profiles grant more than the caller may do (AZ-20).
    """
    kept = attributes.given(content)
    ids = kept.get("profileIds")
    if ids is None:
        return {name: value for name, value in kept.items() if name != "profileIds"}
    if not isinstance(ids, list) or not all(isinstance(one, str) and one for one in ids):
        raise core.InvalidArgument("body.content.profileIds", "a list of texts")
    if not 0 < len(ids) <= MOST_PROFILES:
        raise core.InvalidArgument("body.content.profileIds", f"1 to {MOST_PROFILES} ids")
    await directory.check_profiles(ids, call)
    return json.loads(attributes.written(kept))  # type: ignore[no-any-return]


def _check_rules(content: Mapping[str, Any], good_for: Iterable[Strategy]) -> None:
    """Refuse profiles that the first login, or a later one, would take without a word.

    :raises errors.RuledProfile: a rule of a strategy that the invitation is good for names one.
    """
    for one in good_for:
        assert isinstance(one, OAuthStrategy)
        rules = ruled(one.provider)
        for profile in content.get("profileIds", ()):
            if profile in rules:
                raise errors.RuledProfile(profile, one.name)
