"""Making the services from what is open: each gets its store, its clock and its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from msgspec import Struct

from ostiary import __version__, openapi
from ostiary.actions import Registry
from ostiary.address_hooks import AddressHooks
from ostiary.clock import now
from ostiary.controllers import CONTROLLERS
from ostiary.cookies import Cookies
from ostiary.keys import MasterKey
from ostiary.login_hooks import LoginHooks
from ostiary.openapi_logins import with_logins
from ostiary.plugin_controllers import PluginSide
from ostiary.plugins import Plugins, Strategies
from ostiary.services import Services
from ostiary.services.about import About
from ostiary.services.account_hashes import AccountHashes
from ostiary.services.accounts import Accounts
from ostiary.services.activity import Activity
from ostiary.services.api_keys import ApiKeys
from ostiary.services.assignments import Assignments
from ostiary.services.audit_log import AuditLog
from ostiary.services.authority import Authority
from ostiary.services.background import Background
from ostiary.services.changes import Changes
from ostiary.services.connections import Connections
from ostiary.services.credentials import Credentials
from ostiary.services.defaults import Defaults
from ostiary.services.directory import Directories
from ostiary.services.door import Door
from ostiary.services.enrolment import Enrolment
from ostiary.services.events import Events
from ostiary.services.exchanges import Exchanges
from ostiary.services.explanations import Explanations
from ostiary.services.flows import Flows
from ostiary.services.grants import Grants
from ostiary.services.health import Health
from ostiary.services.held_back import HoldingBack
from ostiary.services.holding import Holding
from ostiary.services.inventory import Inventory
from ostiary.services.journal import Journal
from ostiary.services.key_ring import KeyRing
from ostiary.services.lifetimes import ENDLESS, Lifetimes
from ostiary.services.limits import Limits
from ostiary.services.linking import Linking
from ostiary.services.loading import Loading
from ostiary.services.locks import Locks
from ostiary.services.login_limits import LoginLimits
from ostiary.services.logins import Logins
from ostiary.services.lookup import Lookup
from ostiary.services.mappings import Mappings
from ostiary.services.metrics import Metrics
from ostiary.services.minutes import Minutes
from ostiary.services.native import Names
from ostiary.services.places import Places
from ostiary.services.plugin_records import PluginRecords
from ostiary.services.plugin_states import PluginStates
from ostiary.services.previews import Previews
from ostiary.services.profiles import Profiles
from ostiary.services.reauthentication import Reauthentication
from ostiary.services.refusals import Refusals
from ostiary.services.resets import Resets
from ostiary.services.roles import Roles
from ostiary.services.rooms import Rooms
from ostiary.services.search import Search
from ostiary.services.search.scrolls import Scrolls
from ostiary.services.sessions import Sessions
from ostiary.services.shutdown import Shutdown
from ostiary.services.sign_ins import SignIns
from ostiary.services.signing import SigningKeys
from ostiary.services.statuses import Statuses
from ostiary.services.strategy_changes import StrategyChanges
from ostiary.services.subjects import Allowances
from ostiary.services.tally import Tally
from ostiary.services.tokens import Tokens
from ostiary.services.users import Users
from ostiary.settings import Settings
from ostiary.storage import Backend, OwnStore, Store


class Parts(Struct, frozen=True, kw_only=True):
    """What the services are made of: stores that are open, and what watches over them."""

    settings: Settings
    plugins: Plugins
    stores: Mapping[str, OwnStore]
    store: Store
    strategies: Strategies
    journal: Journal
    changes: Changes
    signing_keys: SigningKeys
    login_limits: LoginLimits
    locks: Locks
    flows: Flows
    registry: Registry
    inventory: Inventory
    tally: Tally
    events: Events
    backend: Backend


def make_services(parts: Parts) -> Services:
    """Make the services, each with its store, its clock and its neighbours."""
    settings, plugins, store, strategies = (
        parts.settings,
        parts.plugins,
        parts.store,
        parts.strategies,
    )
    changes, events, registry = parts.changes, parts.events, parts.registry
    security, life, keys = (
        settings.security,
        settings.security.auth_token,
        settings.security.api_key,
    )
    grants = Grants(store)
    users = Users(store, strategies, parts.journal, changes, events, now)
    accounts = Accounts(users, grants, changes, settings.server.cache_size // 2)
    strategies.listen(accounts.forget_shown)
    lifetimes = Lifetimes(life.expires_in, life.max_ttl, life.grace_period, life.max_session)
    of_keys = Lifetimes(ENDLESS, keys.max_ttl)
    activity, lookup = Activity(store), Lookup(store, accounts, changes, lifetimes, now)
    tokens = Tokens(
        store,
        parts.signing_keys,
        lookup,
        changes,
        events,
        activity,
        lifetimes,
        now,
        settings.server.cache_size // 2,
    )
    refusals = Refusals(events, parts.tally, now)
    rooms = Rooms()
    standard = security.standard
    defaults = Defaults(
        store, changes, events, now, standard.roles.by_id(), standard.profiles.rate_limits()
    )
    health = Health(store, "sqlite" if settings.database.url is None else "postgresql")
    config = settings.masked()
    actions = tuple(sorted(registry, key=lambda action: (action.controller, action.name)))
    roles = Roles(store, changes, events, now, Names.of(actions))
    profiles = Profiles(store, changes, events, now)
    credentials = Credentials(
        store,
        strategies,
        users,
        parts.journal,
        changes,
        events,
        now,
        ends_sessions=security.end_sessions_on_credentials_change,
    )
    authority = Authority(accounts, grants, profiles)
    sessions, hooks = (
        Sessions(store, changes, events, activity, lifetimes, now),
        LoginHooks(plugins, strategies.calls),
    )
    strategies.stored.claim_with(parts.inventory.claim)
    changed = StrategyChanges(store, changes, strategies).announce
    door = Door(parts.inventory, plugins.loaded)
    cookies = Cookies(
        sessions=settings.http.cookie_authentication, secure=settings.server.over_https
    )
    directories = Directories(
        strategies,
        users,
        accounts,
        tokens,
        sessions,
        changes,
        door,
        hooks,
        changed,
        grants,
        authority,
        credentials,
        parts.login_limits,
        AddressHooks(plugins, strategies.calls, parts.stores),
        cookies,
    )
    strategies.direct_by(directories.of)
    linking = Linking(
        store, strategies, credentials, parts.flows, parts.login_limits, refusals, now
    )
    logins = Logins(
        strategies,
        accounts,
        users,
        tokens,
        changes,
        parts.login_limits,
        door,
        refusals,
        list(security.restricted_profile_ids),
        flows=parts.flows,
        hooks=hooks,
        assignments=Assignments(store, changes, events, now),
        directories=directories,
        linking=linking,
    )
    hashes = AccountHashes(strategies, parts.login_limits)
    return Services(
        strategies=strategies,
        about=About(
            health,
            plugins,
            strategies.of,
            version=__version__,
            config=config,
            settings=settings.described,
            clock=now,
        ),
        accounts=accounts,
        activity=activity,
        api_keys=ApiKeys(
            store, parts.signing_keys, changes, events, of_keys, now, keys.max_per_user
        ),
        audit_log=AuditLog(store, settings.audit.retention, now),
        authority=authority,
        background=Background(),
        changes=changes,
        connections=Connections(tokens, rooms, changes, now),
        cookies=cookies,
        credentials=credentials,
        defaults=defaults,
        directories=directories,
        explanations=Explanations(profiles, roles, actions),
        flows=parts.flows,
        door=door,
        enrolment=Enrolment(
            store, strategies, parts.journal, changes, events, now, security.restricted_profile_ids
        ),
        events=events,
        exchanges=Exchanges(parts.flows, logins, tokens, parts.login_limits, door, refusals),
        grants=grants,
        health=health,
        holding=Holding(store, sessions, now),
        holding_back=HoldingBack(store, parts.login_limits, accounts, hashes, events, now),
        inventory=parts.inventory,
        journal=parts.journal,
        key_ring=KeyRing(store, changes, events, now),
        linking=linking,
        limits=Limits(settings.limits.logins_per_second, now),
        loading=Loading(
            roles=roles,
            profiles=profiles,
            users=users,
            credentials=credentials,
            tokens=tokens,
            authority=authority,
        ),
        login_limits=parts.login_limits,
        logins=logins,
        mappings=Mappings(store),
        metrics=Metrics(),
        minutes=Minutes(store, parts.tally, settings.history.retention, now),
        places=Places(store),
        plugin_sides={
            plugin.name: PluginSide(parts.stores.get(plugin.name), directories.of(plugin.name))
            for plugin in plugins.loaded
        },
        plugin_states=PluginStates(
            parts.backend,
            store,
            plugins,
            strategies,
            PluginRecords(store, now),
            failsafe=settings.failsafe,
        ),
        previews=Previews(store, roles, profiles, actions),
        profiles=profiles,
        reauthentication=Reauthentication(
            strategies,
            credentials,
            parts.login_limits,
            refusals,
            changes,
            security.new_credentials,
            now,
        ),
        refusals=refusals,
        resets=Resets(
            store, changes, events, parts.journal, defaults, parts.locks, allowed=settings.dev
        ),
        roles=roles,
        rooms=rooms,
        search=Search(
            store,
            Scrolls(store, settings.limits.max_scroll_duration, now),
            settings.limits.documents_fetch_count,
        ),
        sessions=sessions,
        sign_ins=SignIns(store, hashes, strategies),
        statuses=Statuses(store, changes, events, now),
        shutdown=Shutdown(parts.locks),
        tally=parts.tally,
        tokens=tokens,
        users=users,
        actions=actions,
        public_api=registry.public_api,
        openapi=_openapi(registry, strategies),
        clock=now,
        restricted_profile_ids=security.restricted_profile_ids,
        return_addresses=security.return_addresses,
        strategy_order=settings.pages.strategies,
        secrets_in_urls=settings.http.allow_credentials_in_url,
        documents_fetch_count=settings.limits.documents_fetch_count,
        documents_write_count=settings.limits.documents_write_count,
    )


def make_login_limits(settings: Settings, store: Store, master: MasterKey) -> LoginLimits:
    """Return what counts failed logins; none are counted in ``--dev``."""
    limits = settings.limits
    allowances = Allowances(
        limits.login_failures_per_account,
        limits.login_failures_per_address,
        limits.login_window,
        settings.server.workers,
    )
    # After a rotation of the master key all counts begin again.
    key = partial(master.derive, "login-limits")
    former = partial(master.candidates, "login-limits")
    return LoginLimits(store, None if settings.dev else allowances, key, now, former)


def _openapi(registry: Registry, strategies: Strategies) -> Callable[[str], Mapping[str, Any]]:
    """Return what gives the document of the server's own API, or of what plugins add (``app``)."""
    own = {controller.name for controller in CONTROLLERS}

    @cache
    def described(scope: str) -> Mapping[str, Any]:
        actions = [one for one in registry if (one.controller in own) == (scope == "kuzzle")]
        return openapi.document(actions, __version__)

    return lambda scope: with_logins(described(scope), map(strategies.find, strategies))
