"""The hooks that a strategy plugin implements.

A plugin is a module, or any other object, whose functions carry ``@hookimpl``;
an entry point in the group ``ostiary`` names it. A function takes only the
arguments that it needs, in any order.

The core calls a credentials hook on the plugin that declared the strategy, and
on no other strategy plugin: an implementation never has to ask whether it is
concerned. A plugin that declares no strategy may still wrap these hooks.

A hook specified with ``async def`` is implemented with ``async def``: pluggy
picks the implementation, the core awaits it.

Arguments that several hooks share:

``strategy``
    the object that ``ostiary_strategies`` declared.
``store``
    the private storage of the plugin.
``credentials``
    the fields of one strategy, as the client sent them.
``call``
    who calls, from where, with which arguments; no token, and no fields of
    other strategies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pluggy import HookimplMarker, HookspecMarker

from ostiary.events import Event
from ostiary.filters import Filter, Order
from ostiary.storage import Storage, Store
from ostiary.strategies import Call, Directory, FoundCredentials, Strategy, User, Verdict

hookspec = HookspecMarker("ostiary")
hookimpl = HookimplMarker("ostiary")


# Hooks called once, when the server starts


@hookspec
def ostiary_strategies(settings: Mapping[str, Any]) -> Iterable[Strategy]:
    """Declare the strategies of this plugin.

    :param settings: the table ``[plugins.<name>]`` of the configuration, and
        nothing else of it; ``ostiary.read_settings`` turns it into a typed object.
    :raises SettingsError: a setting is wrong; the server does not start.
    """


@hookspec
def ostiary_storage() -> Storage:
    """Describe the tables of this plugin and the Alembic revisions that build them.

    The revisions are a history of their own, and name no schema: the store of
    the plugin gives them one.
    """


# Hooks that a plugin with a strategy implements


@hookspec(firstresult=True)
async def ostiary_verify_credentials(
    strategy: Strategy,
    store: Store,
    credentials: Mapping[str, Any],
    call: Call,
    directory: Directory,
) -> Verdict:
    """Decide whom the credentials of a login belong to.

    Take the same time whether the user is unknown or the secret is wrong.

    :param directory: looks users up, for rules that depend on their profiles.
    :raises errors.LoginRefused: the credentials are wrong, whatever the reason.
    """


@hookspec(firstresult=True)
async def ostiary_validate_credentials(
    strategy: Strategy,
    store: Store,
    user: User,
    credentials: Mapping[str, Any],
    call: Call,
    partial: bool,
) -> None:
    """Refuse credentials before anything is written.

    The core calls this before every creation and every update.

    :param user: whom the credentials are for; may not be stored yet.
    :param partial: the credentials update existing ones, and may leave fields out.
    :raises errors.CredentialsRejected: writing them would fail or break a rule.
    """


@hookspec(firstresult=True)
async def ostiary_create_credentials(
    strategy: Strategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Mapping[str, Any]:
    """Store the valid credentials of a user who has none for this strategy.

    :returns: what a client may see of them; never a secret nor its hash.
    :raises errors.CredentialsRejected: another request was faster.
    """


@hookspec(firstresult=True)
async def ostiary_update_credentials(
    strategy: Strategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> Mapping[str, Any]:
    """Change the given fields of a user's credentials and return what a client may see."""


@hookspec(firstresult=True)
async def ostiary_delete_credentials(
    strategy: Strategy, store: Store, kuid: str, call: Call
) -> None:
    """Erase every trace of a user's credentials; do nothing if there are none."""


@hookspec(firstresult=True)
async def ostiary_get_credentials(
    strategy: Strategy, store: Store, kuid: str
) -> Mapping[str, Any] | None:
    """Return what a client may see of a user's credentials, or None without any."""


# Hooks that a plugin with a strategy may implement


@hookspec(firstresult=True)
async def ostiary_get_credentials_by_id(
    strategy: Strategy, store: Store, id: str
) -> Mapping[str, Any]:
    """Return what a client may see of the credentials that an id of the strategy's own names.

    Such an id may be a user name. Without this hook nothing is ever found.

    :returns: it, and the ``kuid`` of the user.
    :raises errors.PreconditionError: one of your own, if there are none.
    """


@hookspec(firstresult=True)
async def ostiary_search_credentials(
    strategy: Strategy,
    store: Store,
    filter: Filter,
    sort: Sequence[Order],
    offset: int,
    limit: int,
) -> FoundCredentials:
    """Find credentials; the core has read the query, in whichever language it was.

    Let nobody search for what a client may not see: each answer would tell a
    little of it. ``ostiary.condition`` makes a filter a condition on columns.

    :param filter: what the credentials have to be; ``ostiary.leaves`` lists what it asks of
        which field.
    :param sort: fields to sort by, the first first; break ties, or pages overlap.
    :param offset: how many to pass over.
    :param limit: how many to return at most.
    :raises errors.BadRequestError: one of your own, if the filter asks for something that is
        not searched for.
    """


@hookspec(firstresult=True)
async def ostiary_refresh_session(
    strategy: Strategy, store: Store, kuid: str, call: Call
) -> int | None:
    """Agree that a session goes on, when a client asks for a new token.

    The core asks the strategy that the session was signed in with, and the one that the
    client names.

    :returns: the lifetime of the new token in milliseconds, -1 for no end; None
        for what the client has asked for. Not above ``security.authToken.maxTTL``.
    :raises errors.RefreshForbidden: the session does not go on; its token lives to its end.
    """


# Hooks that any plugin may implement


@hookspec
async def ostiary_event(event: Event) -> None:
    """Hear of an event, after it has happened and is stored.

    It comes in the background, in the process that made it happen, one after the other. Return
    within five seconds; what is raised is logged and costs nobody else. Events that come faster
    than they are heard are lost from the thousandth that waits: the audit log has them all.

    :param event: of a class of its own; ``match`` on those that concern you. There may be new
        ones in any version.
    """
