"""What requests name: users, roles, tokens and the like, made when a request first names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

from ostiary.testing.wire import Api, Outcome, WebSocketApi

from .sites import NAMES, PASSWORD, RESETS, Person, Site, numbers

FRESH = {
    *("name", "new", "number", "room", "user_scroll", "profile_scroll"),
    *("reset_token", "verification_token"),
}
"""What no two tests share: names that must be free, and what does not live long."""

WORD = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Asked:
    """A request of an action, in which ``<word>`` stands for something that ``World`` makes."""

    name: str
    who: str = "admin"
    args: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None


class World:
    """Makes what requests name, when they first name it; each test has one of its own.

    :param lasting: has what tests that change nothing can share.
    """

    def __init__(self, site: Site, lasting: World | None = None) -> None:
        self.site, self._lasting = site, lasting
        self._made: dict[str, Any] = {}
        self.stack = ExitStack()

    def __getitem__(self, word: str) -> Any:
        if self._lasting is not None and word not in FRESH:
            return self._lasting[word]
        if word not in self._made:
            self._made[word] = getattr(self, f"_{word}")()
        return self._made[word]

    def filled(self, value: Any) -> Any:
        """Return a value with something for every ``<word>`` in it."""
        match value:
            case str():
                return WORD.sub(lambda found: str(self[found[1]]), value)
            case dict():
                return {self.filled(name): self.filled(one) for name, one in value.items()}
            case list():
                return [self.filled(one) for one in value]
        return value

    def ask(self, api: Api, asked: Asked, *, queried: bool = False) -> Outcome:
        """Send a request; over HTTP in ``/_query`` if that is asked for, or an argument is no text."""
        args, body, jwt = self.filled(asked.args), self.filled(asked.body), self._jwt(asked.who)
        texts = all(isinstance(one, str) for one in args.values())
        if isinstance(api, WebSocketApi) or (texts and not queried):
            return api.call(asked.name, body, jwt=jwt, **args)
        controller, _, action = asked.name.partition(":")
        message = {"controller": controller, "action": action, **args, "body": body}
        return api.send("POST", "/_query", message, jwt=jwt)

    def _jwt(self, who: str) -> str | None:
        if who == "nobody":
            return None
        if who == "admin":
            return self.site.jwt
        return str(self[f"{who}_person"].jwt)

    def _do(self, name: str, body: Any = None, **args: Any) -> Any:
        return self.site.http.call(name, body, jwt=self.site.jwt, **args).result

    def _address(self) -> str:
        return f"wire-{next(numbers)}@names.example"

    def _claiming(self, *addresses: str) -> Person:
        """Make somebody who has addresses that are not verified; they give them to themselves."""
        person = self.site.person("claimant")
        body = {"email": list(addresses), "currentPassword": person.password}
        given = self.site.http.call(
            "auth:updateMyCredentials", body, jwt=person.jwt, strategy="local"
        )
        assert given.status == 200, given.body
        return person

    def _prove(self, address: str) -> None:
        """Make somebody else to whom an administrator gives an address as verified."""
        body = {"email": [address], "verified": [address]}
        kuid = self.site.person("member").kuid
        self._do("security:updateCredentials", body, _id=kuid, strategy="local")

    def _token_of(self, person: Person, address: str) -> str:
        body = {"value": address}
        return str(self._do(f"{NAMES}:getVerificationToken", body, _id=person.kuid)["token"])

    def _number(self) -> int:
        return next(numbers)

    def _name(self) -> str:
        return f"name-{next(numbers)}"

    def _new(self) -> str:
        return f"new-{next(numbers)}"

    def _password(self) -> str:
        return PASSWORD

    def _user_person(self) -> Person:
        return self.site.person("member")

    def _stripped_person(self) -> Person:
        """Somebody who has given up their own credentials: with others' help they were signed out."""
        person = self.site.person("member")
        proof = {"currentPassword": person.password}
        given = self.site.http.call(
            "auth:deleteMyCredentials", proof, jwt=person.jwt, strategy="local"
        )
        assert given.status == 200, given.body
        return person

    def _manager_person(self) -> Person:
        """Somebody who may do everything with users, and nothing else."""
        return self.site.person("manager")

    def _loader_person(self) -> Person:
        return self.site.person("loader")

    def _gone_person(self) -> Person:
        """Somebody who has logged out."""
        person = self.site.person("member")
        assert self.site.http.call("auth:logout", jwt=person.jwt).status == 200
        return person

    def _keyed_person(self) -> Person:
        """Somebody who is here by an API key."""
        person = self.site.person("member")
        body = {"description": "of a sensor"}
        key = self._do("security:createApiKey", body, userId=person.kuid)
        return replace(person, jwt=key["_source"]["token"])

    def _badged_person(self) -> Person:
        """Somebody with credentials of the strategy ``badge`` too."""
        person = self.site.person("member")
        body = {"badge": self["name"]}
        self._do("security:createCredentials", body, _id=person.kuid, strategy="badge")
        return person

    def _lodger_person(self) -> Person:
        """Somebody with credentials of the strategy ``pass`` alone."""
        person = self.site.person("member")
        body = {"badge": self["name"]}
        self._do("security:createCredentials", body, _id=person.kuid, strategy="pass")
        self._do("security:deleteCredentials", _id=person.kuid, strategy="local")
        key = self._do("security:createApiKey", {"description": "x"}, userId=person.kuid)
        return replace(person, jwt=key["_source"]["token"])

    def _lodger(self) -> str:
        return str(self["lodger_person"].kuid)

    def _badged(self) -> str:
        return str(self["badged_person"].kuid)

    def _big(self) -> str:
        return "x" * 300_000

    def _user(self) -> str:
        return str(self["user_person"].kuid)

    def _username(self) -> str:
        return str(self["user_person"].username)

    def _jwt_of_user(self) -> str:
        return str(self["user_person"].jwt)

    def _bare(self) -> str:
        body = {"content": {"profileIds": ["member"]}}
        return str(self._do("security:createUser", body, _id=f"bare-{next(numbers)}")["_id"])

    def _key(self) -> str:
        body = {"description": "of a sensor"}
        args = {"userId": self["user"], "expiresIn": "1h"}
        return str(self._do("security:createApiKey", body, **args)["_id"])

    def _session(self) -> str:
        return str(self._do("security:getSessions", _id=self["user"])["hits"][0]["_id"])

    def _reset_token(self) -> str:
        """Return a token of somebody whom nothing else is asked of: a reset ends sessions."""
        kuid = self.site.person("member").kuid
        return str(self._do(f"{RESETS}:getResetPasswordToken", _id=kuid)["resetToken"])

    def _claimant_person(self) -> Person:
        """Somebody who has not verified their address."""
        return self._claiming(self["claimed"])

    def _claimant(self) -> str:
        return str(self["claimant_person"].kuid)

    def _claimed(self) -> str:
        return self._address()

    def _proved(self) -> str:
        """Return an address that somebody has verified."""
        address = self._address()
        self._prove(address)
        return address

    def _verification_token(self) -> str:
        """Return a token of somebody whom nothing else is asked of."""
        address = self._address()
        return self._token_of(self._claiming(address), address)

    def _outrun_token(self) -> str:
        """Return a token for an address that another has verified meanwhile."""
        address = self._address()
        token = self._token_of(self._claiming(address), address)
        self._prove(address)
        return token

    def _crowded_token(self) -> str:
        """Return a token for an address that another claims, of somebody with all names there may be."""
        address = self._address()
        self._claiming(address)
        return self._token_of(self._claiming(*(self._address() for _ in range(9))), address)

    def _too_long(self) -> str:
        """Return what is one byte longer than any name."""
        return "x" * 513

    def _role(self) -> str:
        body = {"controllers": {"auth": {"actions": {"login": True}}}}
        return str(self._do("security:createRole", body, _id=f"role-{next(numbers)}")["_id"])

    def _profile(self) -> str:
        body = {"policies": [{"roleId": "member"}]}
        return str(self._do("security:createProfile", body, _id=f"profile-{next(numbers)}")["_id"])

    def _held(self) -> str:
        """Return a profile that a user holds."""
        self.site.person(self["profile"])
        return str(self["profile"])

    def _strong(self) -> str:
        """Return a profile that grants everything."""
        body = {"policies": [{"roleId": "admin"}]}
        return str(self._do("security:createProfile", body, _id=f"strong-{next(numbers)}")["_id"])

    def _used(self) -> str:
        """Return a role that a profile names."""
        body = {"policies": [{"roleId": self["role"]}]}
        self._do("security:createProfile", body, _id=f"profile-{next(numbers)}")
        return str(self["role"])

    def _index(self) -> str:
        name = f"index-{next(numbers)}"
        self._do("index:create", index=name)
        return name

    def _user_scroll(self) -> str:
        return str(self._do("security:searchUsers", {}, size=1, scroll="1m")["scrollId"])

    def _profile_scroll(self) -> str:
        return str(self._do("security:searchProfiles", {}, size=1, scroll="1m")["scrollId"])

    def _room(self) -> str:
        """Return a room that a connection listens to."""
        api = self.stack.enter_context(closing(WebSocketApi(self.site.port)))
        args = {"index": "index", "collection": f"collection-{next(numbers)}"}
        made = api.call("realtime:subscribe", {}, jwt=self.site.admin.jwt, **args)
        return str(made.result["roomId"])
