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

from ostiary.actions import Controller
from ostiary.commands import Command
from ostiary.directory import Directory
from ostiary.events import Event
from ostiary.filters import Filter, Order
from ostiary.storage import OwnStore as Store
from ostiary.storage import Storage
from ostiary.strategies import Call, Challenge, FoundCredentials, Redirect, Strategy, User, Verdict

hookspec = HookspecMarker("ostiary")
hookimpl = HookimplMarker("ostiary")

HOOKS_VERSION = 1
"""The version of the hooks of this module; it grows when one of them changes its meaning."""

OLDEST_HOOKS = 1
"""The oldest version whose plugins are still called as they expect."""


# Hooks called once, when the server starts


@hookspec
def ostiary_strategies(settings: Mapping[str, Any]) -> Iterable[Strategy]:
    """Declare the strategies of this plugin; none, if its settings name none yet.

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


@hookspec
def ostiary_controllers() -> Iterable[Controller]:
    """Declare actions of the API, on controllers of this plugin's own.

    They are declared as the core declares its own, ``@controller.action(POST("/path"))``, and
    are reached as ``<wire name>/<controller>:<action>``, at ``/_<path>`` and at
    ``/_plugin/<wire name><path>``. Nobody but administrators may run them until a role says so.
    An action is an ``async def``; besides its arguments and its ``body`` it may ask for
    ``store``, ``directory``, ``call`` and ``strategies``, the mapping of its plugin's own
    strategies by name. It returns JSON, or a ``Reply``.
    """


@hookspec
def ostiary_wire_name() -> str:
    """Return what this plugin is called on the wire; without it, the name of its entry point.

    Its controllers, its routes and the ids of its errors, ``plugin.<wire name>.<error>``,
    begin with it.
    """


@hookspec
def ostiary_commands() -> Iterable[Command]:
    """Declare commands for operators, which are run as ``ostiary <plugin> <command>``."""


@hookspec
def ostiary_hooks_version() -> int:
    """Return the version of the hooks that this plugin was written for; without it, 1.

    A server that does not speak that version refuses to start, and says what to upgrade.
    """


# A hook that runs as long as the server does


@hookspec
async def ostiary_background(
    settings: Mapping[str, Any], store: Store, directory: Directory
) -> None:
    """Do in the background what no request should wait for, such as sending mail.

    Every process calls this once, when it is ready for requests, and cancels it when it stops.
    What it raises is logged, and it is called again after a while, which grows; when it returns,
    it is done. Several processes, and machines, do this at the same time: claim a piece of work
    in the store before you do it. It is called neither by commands nor with ``--failsafe``.

    :param settings: as in ``ostiary_strategies``.
    """


# A hook called when the stores are open, and whenever strategies are said to have changed


@hookspec
async def ostiary_stored_strategies(
    settings: Mapping[str, Any], store: Store
) -> Iterable[Strategy]:
    """Return the strategies that are kept as data, besides those of ``ostiary_strategies``.

    Every process of the server asks when it starts, and again before the next use of a
    strategy once the plugin has called ``directory.strategies_changed()``. If what it returns
    is wrong, or it fails, the strategies of before stay. One of the same name takes the place
    of one that ``ostiary_strategies`` declared.

    :param settings: as in ``ostiary_strategies``.
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

    Return a ``Challenge`` or a ``Redirect`` where there is more to do: this hook is called again
    with the fields of the answer as ``credentials``, and with ``call.state``. What was proved
    before stands in that state, and nowhere else. A step that has proved nothing yet should send
    nothing, such as a code by mail: anybody may take it as often as they like.

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
    directory: Directory,
) -> None:
    """Refuse credentials before anything is written.

    The core calls this before every creation and every update.

    :param user: whom the credentials are for; may not be stored yet.
    :param partial: the credentials update existing ones, and may leave fields out.
    :raises errors.CredentialsRejected: writing them would fail or break a rule.
    """


@hookspec(firstresult=True)
async def ostiary_create_credentials(
    strategy: Strategy,
    store: Store,
    kuid: str,
    credentials: Mapping[str, Any],
    call: Call,
    directory: Directory,
) -> Mapping[str, Any]:
    """Store the valid credentials of a user who has none for this strategy.

    :returns: what a client may see of them; never a secret nor its hash.
    :raises errors.CredentialsRejected: another request was faster.
    """


@hookspec(firstresult=True)
async def ostiary_update_credentials(
    strategy: Strategy,
    store: Store,
    kuid: str,
    credentials: Mapping[str, Any],
    call: Call,
    directory: Directory,
) -> Mapping[str, Any]:
    """Change the given fields of a user's credentials and return what a client may see.

    The core calls this for a user who has credentials, after ``ostiary_validate_credentials``;
    fields that are not given stay as they are.

    :raises errors.CredentialsRejected: another request was faster.
    """


@hookspec(firstresult=True)
async def ostiary_delete_credentials(
    strategy: Strategy, store: Store, kuid: str, call: Call
) -> None:
    """Erase every trace of a user's credentials; do nothing if there are none.

    The core calls this when credentials or their user are deleted, when a creation has failed
    half-way, and again after a crash: with the user gone, and nobody to tell an error.
    """


@hookspec(firstresult=True)
async def ostiary_get_credentials(
    strategy: Strategy, store: Store, kuid: str
) -> Mapping[str, Any] | None:
    """Return what a client may see of a user's credentials, or None without any.

    The core calls this to show them, and to know whether there are any: before each creation,
    update and deletion, and when it lists the strategies of a user.
    """


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
async def ostiary_reauthenticate(
    strategy: Strategy, store: Store, kuid: str, credentials: Mapping[str, Any], call: Call
) -> None:
    """Have a user who is signed in prove once more who they are (OWASP ASVS 7.5.1).

    The core calls this before users change or give up their own credentials of this strategy, or
    link some of another, and before anything else is looked at: a stolen token must not be
    enough. Attempts are limited as logins are, and counted together with them. Without this hook,
    or where it raises nothing, they may. Nobody is asked who holds no credentials of the strategy,
    nor an administrator who changes those of others.

    :param credentials: the body of the request, which may be empty; besides the fields of the
        strategy it may hold what proves it, such as ``currentPassword``.
    :raises errors.BadRequestError: one of your own, if the proof is missing; it is no attempt.
    :raises errors.ForbiddenError: one of your own, if it is wrong.
    """


@hookspec(firstresult=True)
async def ostiary_link_credentials(
    strategy: Strategy,
    store: Store,
    kuid: str,
    credentials: Mapping[str, Any],
    call: Call,
    directory: Directory,
) -> Redirect | Challenge | Mapping[str, Any]:
    """Have a user who is signed in prove that new credentials are theirs.

    The core calls this for ``auth:createMyCredentials``. What it returns, fields of credentials,
    is validated and created as if the user had sent it; those hooks see the same ``call``, whose
    ``state`` nobody but the server can give. With a ``Redirect`` or a ``Challenge`` there is
    more to do: this hook is called again with the fields of the answer and with ``call.state``,
    also where the answer comes to ``auth:login``, as after a redirection of a browser. Without
    this hook, what users send is what is created.

    :param kuid: for whom.
    :raises errors.CredentialsRejected: or another error: nothing was proved.
    """


@hookspec
async def ostiary_verified_address(
    settings: Mapping[str, Any], store: Store, email: str
) -> str | None:
    """Return the kuid for whom this plugin has verified an e-mail address, or None.

    Every plugin is asked by ``directory.find_by_address``, which raises what is raised here. Name
    nobody who has only said that it is theirs.

    :param settings: as in ``ostiary_strategies``.
    :param email: as somebody else wrote it; compare it as your names are compared.
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
async def ostiary_before_login(strategy_name: str, call: Call) -> None:
    """Refuse a login before its credentials are looked at.

    Each plugin is asked, in the order of their names, once for each login: with its first step,
    and before a plugin opens a session by itself. An error, whatever it is, refuses the login.

    :param call: without fields and headers, which are the strategy's alone.
    :raises errors.LoginRefused: nobody is let in so.
    """


@hookspec
async def ostiary_after_login(kuid: str, strategy_name: str, call: Call) -> None:
    """Refuse a login whose credentials are right, before there is a token.

    Each plugin is asked as with ``ostiary_before_login``, when the last step has succeeded.

    :param call: without fields and headers, which are the strategy's alone.
    :raises errors.LoginRefused: this user is not let in so.
    """


@hookspec
async def ostiary_event(event: Event) -> None:
    """Hear of an event, after it has happened and is stored.

    It comes in the background, in the process that made it happen, one after the other. Return
    within five seconds; what is raised is logged and costs nobody else. Events that come faster
    than they are heard are lost from the thousandth that waits: the audit log has them all.

    :param event: of a class of its own; ``match`` on those that concern you. There may be new
        ones in any version.
    """
