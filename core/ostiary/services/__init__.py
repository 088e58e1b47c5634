"""What controllers use: each service takes its store, its clock and its neighbours when made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ostiary.actions import Action
    from ostiary.cookies import Cookies
    from ostiary.plugin_controllers import PluginSide
    from ostiary.plugins import Strategies
    from ostiary.services.about import About
    from ostiary.services.accounts import Accounts
    from ostiary.services.activity import Activity
    from ostiary.services.api_keys import ApiKeys
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
    from ostiary.services.limits import Limits
    from ostiary.services.linking import Linking
    from ostiary.services.loading import Loading
    from ostiary.services.login_limits import LoginLimits
    from ostiary.services.logins import Logins
    from ostiary.services.mappings import Mappings
    from ostiary.services.metrics import Metrics
    from ostiary.services.minutes import Minutes
    from ostiary.services.places import Places
    from ostiary.services.plugin_states import PluginStates
    from ostiary.services.previews import Previews
    from ostiary.services.profiles import Profiles
    from ostiary.services.reauthentication import Reauthentication
    from ostiary.services.refusals import Refusals
    from ostiary.services.resets import Resets
    from ostiary.services.roles import Roles
    from ostiary.services.rooms import Rooms
    from ostiary.services.search import Search
    from ostiary.services.sessions import Sessions
    from ostiary.services.shutdown import Shutdown
    from ostiary.services.sign_ins import SignIns
    from ostiary.services.statuses import Statuses
    from ostiary.services.tally import Tally
    from ostiary.services.tokens import Tokens
    from ostiary.services.users import Users


class Services(Struct, frozen=True, kw_only=True):
    """Everything that a controller may ask for."""

    strategies: Strategies
    about: About
    accounts: Accounts
    activity: Activity
    api_keys: ApiKeys
    audit_log: AuditLog
    authority: Authority
    background: Background
    changes: Changes
    connections: Connections
    cookies: Cookies
    credentials: Credentials
    defaults: Defaults
    directories: Directories
    flows: Flows
    door: Door
    enrolment: Enrolment
    events: Events
    exchanges: Exchanges
    explanations: Explanations
    grants: Grants
    health: Health
    holding: Holding
    holding_back: HoldingBack
    inventory: Inventory
    journal: Journal
    key_ring: KeyRing
    limits: Limits
    linking: Linking
    loading: Loading
    login_limits: LoginLimits
    logins: Logins
    mappings: Mappings
    metrics: Metrics
    minutes: Minutes
    places: Places
    plugin_states: PluginStates
    plugin_sides: Mapping[str, PluginSide]
    previews: Previews
    profiles: Profiles
    reauthentication: Reauthentication
    search: Search
    sessions: Sessions
    sign_ins: SignIns
    statuses: Statuses
    refusals: Refusals
    resets: Resets
    roles: Roles
    rooms: Rooms
    shutdown: Shutdown
    tally: Tally
    tokens: Tokens
    users: Users
    actions: tuple[Action, ...]
    public_api: Callable[[], Mapping[str, Any]]
    openapi: Callable[[str], Mapping[str, Any]]
    clock: Callable[[], int]
    restricted_profile_ids: tuple[str, ...]
    return_addresses: tuple[str, ...]
    strategy_order: tuple[str, ...]
    secrets_in_urls: bool
    documents_fetch_count: int
    documents_write_count: int
