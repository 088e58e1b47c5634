"""The controllers and actions that a role may name without ``force``.

Roles of applications name actions of a whole Kuzzle, documents and realtime among
them: a server that did not know those would refuse the roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ostiary import errors
from ostiary.actions import Action
from ostiary.services.rights import ALIASES, Controllers

NATIVE: Mapping[str, str] = {
    "auth": """
        checkRights checkToken createApiKey createMyCredentials createToken credentialsExist
        deleteApiKey deleteMyCredentials getCurrentUser getMyCredentials getMyRights getStrategies
        login logout refreshToken searchApiKeys updateMyCredentials updateSelf
        validateMyCredentials
    """,
    "bulk": "deleteByQuery import mWrite updateByQuery write",
    "cluster": "status",
    "collection": """
        create delete deleteSpecifications exists getMapping getSettings getSpecifications list
        refresh scrollSpecifications searchSpecifications truncate update updateMapping
        updateSpecifications validateSpecifications
    """,
    "debug": "addListener disable enable nodeVersion post removeListener",
    "document": """
        count create createOrReplace delete deleteByQuery deleteFields exists export get mCreate
        mCreateOrReplace mDelete mExists mGet mReplace mUpdate mUpsert replace scroll search
        update updateByQuery upsert validate
    """,
    "index": "create delete exists list mDelete stats",
    "realtime": "count join list publish subscribe unsubscribe validate",
    "security": """
        checkRights createApiKey createCredentials createFirstAdmin createOrReplaceProfile
        createOrReplaceRole createProfile createRestrictedUser createRole createUser deleteApiKey
        deleteCredentials deleteProfile deleteRole deleteUser getAllCredentialFields
        getCredentialFields getCredentials getCredentialsById getProfile getProfileMapping
        getProfileRights getRole getRoleMapping getUser getUserMapping getUserRights
        getUserStrategies hasCredentials mDeleteProfiles mDeleteRoles mDeleteUsers mGetProfiles
        mGetRoles mGetUsers refresh replaceUser restrictDefaultRights revokeTokens scrollProfiles
        scrollUsers searchApiKeys searchProfiles searchRoles searchUsers searchUsersByCredentials
        updateCredentials updateProfile updateProfileMapping updateRole updateRoleMapping
        updateUser updateUserMapping upsertUser validateCredentials
    """,
    "server": """
        adminExists capabilities getAllStats getConfig getLastStats getStats healthCheck info
        metrics now openapi publicApi
    """,
    "admin": """
        dump loadFixtures loadMappings loadSecurities refreshIndexCache resetCache resetDatabase
        resetSecurity shutdown
    """,
    "ms": """
        append bgrewriteaof bgsave bitcount bitop bitpos dbsize decr decrby del exists expire
        expireat flushdb geoadd geodist geohash geopos georadius georadiusbymember get getbit
        getrange getset hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset
        hscan hset hsetnx hstrlen hvals incr incrby incrbyfloat keys lindex linsert llen lpop
        lpush lpushx lrange lrem lset ltrim mexecute mget mset msetnx object persist pexpire
        pexpireat pfadd pfcount pfmerge ping psetex pttl randomkey rename renamenx rpop rpoplpush
        rpush rpushx sadd scan scard sdiff sdiffstore set setex setnx sinter sinterstore sismember
        smembers smove sort spop srandmember srem sscan strlen sunion sunionstore time touch ttl
        type zadd zcard zcount zincrby zinterstore zlexcount zrange zrangebylex zrangebyscore
        zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex
        zrevrangebyscore zrevrank zscan zscore zunionstore
    """,
}  # fmt: skip
"""The actions of each controller of Kuzzle, in one text."""


class Names(Struct, frozen=True):
    """What a role may name.

    :param native: actions by controller; a role that names others of these is always refused.
    :param plugins: actions by controller of a plugin, ``<plugin>/<controller>``.
    """

    native: Mapping[str, frozenset[str]]
    plugins: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, actions: Iterable[Action]) -> Names:
        """Return the names that Kuzzle has, and those that this server has besides."""
        native = {controller: set(names.split()) for controller, names in NATIVE.items()}
        plugins: dict[str, set[str]] = {}
        for action in actions:
            known = plugins if "/" in action.controller else native
            known.setdefault(action.controller, set()).add(action.name)
        return cls(_frozen(native), _frozen(plugins))

    def check(self, id: str, controllers: Controllers, *, force: bool) -> None:
        """Refuse a role that names what does not exist; no entry goes unchecked.

        :param force: allow controllers that are not there, and actions that plugins lack.
        """
        for controller, entry in controllers.items():
            known = frozenset() if controller == "*" else self._native(controller)
            if known is not None:
                _check_actions(id, controller, entry["actions"], known)
        if force:
            return
        for controller, entry in controllers.items():
            if controller == "*" or self._native(controller) is not None:
                continue
            if controller not in self.plugins:
                raise errors.UnknownController(id, controller, "")
            _check_actions(id, controller, entry["actions"], self.plugins[controller])

    def _native(self, controller: str) -> frozenset[str] | None:
        return self.native.get(controller) or self.native.get(ALIASES.get(controller, ""))


def _check_actions(id: str, controller: str, actions: Iterable[str], known: frozenset[str]) -> None:
    for action in actions:
        if action != "*" and action not in known:
            raise errors.UnknownAction(id, action, controller, "")


def _frozen(names: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {controller: frozenset(actions) for controller, actions in names.items()}
