"""The story of one user's logins, told in the order of time, and whether they could sign in now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec import Struct

from ostiary import errors
from ostiary.operations import existing
from ostiary.services import Services
from ostiary.services.audit_filters import Wanted
from ostiary.services.audit_log import Entry
from ostiary.services.user_rows import StoredUser
from ostiary.settings import Settings

MOST = 500
"""Events that are told, the newest ones."""

TOLD: dict[str, str] = {
    "SignedIn": "signed in",
    "SignInRefused": "login refused",
    "SignInHeldBack": "login held back",
    "ReauthenticationRefused": "proof before a change refused",
    "LoginsReleased": "let try again after failed logins",
    "SignedOut": "signed out",
    "SessionsEnded": "sessions ended",
    "UserCreated": "user created",
    "UserProfilesChanged": "other profiles given",
    "UserDisabled": "user disabled",
    "UserEnabled": "user enabled",
    "UserDeleted": "user deleted",
    "CredentialsCreated": "credentials created",
    "CredentialsChanged": "credentials changed",
    "CredentialsDeleted": "credentials deleted",
    "ApiKeyCreated": "API key created",
    "ApiKeyDeleted": "API key deleted",
    "SecurityReset": "all users deleted",
    "SigningKeyRotated": "another key signs tokens",
}
"""The events that bear on signing in, and how the story calls them."""

SETTLING = ("SignedIn", "CredentialsCreated", "CredentialsChanged")
"""After these, what a strategy wanted of a right secret says nothing of the next login."""

OF_EVERYBODY = ("SessionsEnded", "SecurityReset", "SigningKeyRotated")
"""Those that may be about nobody, and so about all."""


PROOF = {False: "with the right secret", True: "where the provider says that it is they"}
"""What a login needs besides, by whether the strategy leads elsewhere."""


@dataclass(frozen=True, slots=True)
class Who:
    """Whom a name stands for.

    :ivar kuid: None if nobody has it.
    :ivar accounts: the keyed hashes by which attempts on the account are and were counted, the
        one in use first.
    """

    kuid: str | None
    accounts: tuple[bytes, ...] = field(repr=False)


class State(Struct, frozen=True):
    """How it stands with somebody now.

    :ivar sessions: how many are open.
    :ivar held_until: until when strangers have to wait with this account, in ms; 0 is not at all.
    :ivar wanting: by strategy, why the right secret was refused the last time, unless somebody
        has signed in since or it was changed.
    """

    who: Who
    user: StoredUser | None
    strategies: tuple[str, ...]
    sessions: int
    held_until: int
    wanting: Mapping[str, str]


async def explain(settings: Settings, name: str, strategy: str) -> list[str]:
    """Return the story of who signs in with a name, or has it as their kuid, as lines.

    :raises errors.UnknownStrategy: no plugin that is loaded declares it.
    """
    async with existing(settings) as core:
        services = core.services
        who = await named(services, strategy, name)
        entries = await _entries(services, who)
        state = await _state(services, who, _wanting(entries))
        # A kuid says nothing of a strategy: their own is meant.
        if who.kuid == name and strategy not in state.strategies and state.strategies:
            strategy = state.strategies[0]
        blind = who.kuid is None and not services.strategies.finds_by_id(strategy)
        proof = PROOF[services.strategies.find(strategy).redirects]
        now = services.clock()
    lines = [_line(entry) for entry in entries]
    if state.user is not None and not any(entry.event == "UserCreated" for entry in entries):
        lines.insert(0, f"{instant(state.user.created_at or 0)}  user created (by their record)")
    if blind:
        told = f"Strategy {strategy} cannot say whose a name is: give the kuid instead of {name}."
        return [*lines, "", told]
    return [*lines, "", *_standing(state, strategy, now), _verdict(state, strategy, now, proof)]


async def named(services: Services, strategy: str, name: str) -> Who:
    """Return whom a name stands for, among those who sign in with a strategy; or the kuid."""
    declared = services.strategies.find(strategy)
    given = {} if declared.identifier is None else {declared.identifier: name}
    counted = declared.account(given)
    accounts = () if counted is None else services.login_limits.digests(strategy, counted)
    return Who(await _kuid(services, strategy, name, accounts), accounts)


def instant(at: int) -> str:
    """Return an instant as people read it, UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


async def _kuid(
    services: Services, strategy: str, name: str, accounts: tuple[bytes, ...]
) -> str | None:
    try:
        kuid = (await services.strategies.get_by_id(strategy, name)).get("kuid")
    except (errors.BadRequestError, errors.PreconditionError, errors.NotFoundError):
        # As each strategy, and Kuzzle's of old, says that it knows nobody of that name.
        kuid = None
    if isinstance(kuid, str):
        return kuid
    if await services.users.find(name) is not None:
        return name
    # Somebody who is gone, or has another name now, may have had it.
    for wanted in (Wanted(accounts=accounts), Wanted(about=name)):
        if wanted.about is None and not wanted.accounts:
            continue
        found = await services.audit_log.search(wanted, size=MOST)
        for entry in found.entries:
            if entry.about is not None:
                return entry.about
    return None


async def _entries(services: Services, who: Who) -> list[Entry]:
    """Return the events that bear on somebody's logins, the oldest first."""
    mine = Wanted(events=tuple(TOLD), user=who.kuid, accounts=who.accounts)
    found: list[Entry] = []
    if who.kuid is not None or who.accounts:
        found = (await services.audit_log.search(mine, size=MOST)).entries
    # What somebody did to others is another story.
    found = [one for one in found if one.about == who.kuid or one.account in who.accounts]
    if found:
        all_of_us = Wanted(events=OF_EVERYBODY, since=found[-1].at)
        everybody = await services.audit_log.search(all_of_us, size=MOST)
        found += [one for one in everybody.entries if _concerns_all(one)]
    return sorted(found, key=lambda one: (one.at, one.sequence))


def _concerns_all(entry: Entry) -> bool:
    if entry.event == "SigningKeyRotated":
        return bool((entry.details or {}).get("revoke_all"))
    return entry.about is None


def _wanting(entries: Sequence[Entry]) -> Mapping[str, str]:
    """Return by strategy why a right secret was refused, as far as nothing has come of it since."""
    wanting: dict[str, str] = {}
    for entry in entries:
        if entry.event in SETTLING:
            wanting.pop(entry.strategy or "", None)
        elif entry.strategy and (entry.details or {}).get("proved") and entry.reason:
            wanting[entry.strategy] = _said(entry.reason)
    return wanting


async def _state(services: Services, who: Who, wanting: Mapping[str, str]) -> State:
    user, strategies, sessions = None, tuple[str, ...](), 0
    if who.kuid is not None and (found := await services.users.find_with_strategies(who.kuid)):
        user, strategies = found
        account = await services.accounts.find(who.kuid)
        if account is not None:
            _, sessions = await services.sessions.of(account)
    held = 0
    if who.accounts:
        held = await services.login_limits.locked_until(who.accounts[0])
    return State(who, user, strategies, sessions, held, wanting)


def _line(entry: Entry) -> str:
    return f"{instant(entry.at)}  {TOLD[entry.event]}{''.join(_circumstances(entry))}"


def _circumstances(entry: Entry) -> Iterator[str]:
    details = entry.details or {}
    if entry.reason:
        yield f": {_said(entry.reason)}"
    count = details.get("count", 1)
    if count > 1:
        yield f", {count} times within a minute"
    tell: dict[str, Callable[[object], str]] = {
        "fields": lambda names: f": {_listed(names)}",
        "action": lambda name: f", through {name}",
        "profiles": lambda names: f", with the profiles {_listed(names)}",
        "strategies": lambda names: f", who signs in with {_listed(names) or 'nothing'}",
        "kept": lambda session: f", all but {session}",
        "session": lambda session: f", session {session}",
        "id": lambda key: f" {key}",
    }
    yield from (say(details[name]) for name, say in tell.items() if name in details)
    if entry.strategy:
        yield f", with {entry.strategy}"
    if entry.author is not None and entry.author != entry.about:
        yield f", by {entry.author}"
    if entry.protocol == "cli":
        yield f", at the command line ({entry.agent})"
    elif entry.address:
        yield f", from {entry.address} over {entry.protocol}"
        yield f" ({entry.agent})" if entry.agent else ""


def _said(reason: str) -> str:
    """Return a reason as a sentence; where it is an error, what that says of itself."""
    error = errors.CATALOGUE.get(reason)
    if error is None or "{" in error.message:
        return reason
    return f"{error.message[0].lower()}{error.message[1:].rstrip('.')}"


def _listed(names: object) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list) else str(names)


def _standing(state: State, strategy: str, now: int) -> Iterator[str]:
    if state.who.kuid is None:
        yield "Nobody has this name or this kuid."
    elif state.user is None:
        yield f"User {state.who.kuid} does not exist any more."
    else:
        yield f"User {state.user.kuid} is {state.user.status}."
        yield f"Signs in with: {', '.join(state.strategies) or 'nothing'}."
        yield f"Open sessions: {state.sessions}."
    if state.held_until > now:
        until = instant(state.held_until)
        yield f"Logins to this account with {strategy} are held back until {until}, save from"
        yield "devices and addresses that it was signed in from before."


def _verdict(state: State, strategy: str, now: int, proof: str) -> str:
    why = _hindrance(state, strategy, now)
    if why is None:
        return f"Could sign in now: yes, {proof}."
    return f"Could sign in now: no, because {why}."


def _hindrance(state: State, strategy: str, now: int) -> str | None:
    if state.who.kuid is None:
        return "there is no such account"
    if state.user is None:
        return "the user is deleted"
    if not state.user.enabled:
        return "the user is disabled"
    if strategy not in state.strategies:
        return f"the user has no credentials of {strategy}"
    if state.held_until > now:
        return "there were too many failures (see above)"
    wanting = state.wanting.get(strategy)
    return wanting and f"the last time the right secret was refused: {wanting}"
