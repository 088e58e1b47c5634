"""What is revoked on one server is refused by every other, whatever becomes of the notification."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Literal

import pytest

from ostiary.testing.cable import Cable
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi, Outcome

from .waiting import until

if TYPE_CHECKING:
    from .conftest import Database, Serve

Fate = Literal["heard", "cut off", "silent"]
"""What becomes of the notifications: they come, or the connection ends, or it falls silent."""

USUALLY = 0.1
BOUND = 1.0
"""Seconds after which a change holds on other machines ordinarily, and at worst (decision 15)."""

BATCH = 40
HANDS = 4
BESIDE = 4
"""Clients that ask meanwhile, in two parts."""

THINGS = (("logged out", 20), ("disabled", 10), ("fewer rights", 9), ("weaker role", 1))
"""How many revocations of each kind a batch has."""

assert sum(number for _, number in THINGS) == BATCH

FEW: dict[Fate, int] = {"heard": 80, "cut off": 80, "silent": 80}
MANY: dict[Fate, int] = {"heard": 5000, "cut off": 2520, "silent": 2520}
"""How many revocations are tried ordinarily, and in the job for what takes long."""


class Hand:
    """Connections to all servers, for one thread."""

    def __init__(self, servers: Sequence[ThrowAwayServer]) -> None:
        self.apis = [HttpApi(server.port) for server in servers]

    def close(self) -> None:
        for api in self.apis:
            api.close()


@dataclass
class Thing:
    """Something that is held and can be taken away."""

    kind: str
    name: str
    token: str = ""
    taken_at: float = 0.0

    def held(self, api: HttpApi) -> bool:
        """Ask a server; anything but yes and no is wrong."""
        if self.kind in ("logged out", "disabled"):
            return bool(api.call("auth:checkToken", {"token": self.token}).result["valid"])
        status = api.call("security:getUser", _id="root", jwt=self.token).status
        assert status in (200, 403)
        return status == 200


@dataclass
class Group:
    """Servers that share their stores, and what an administrator can take away on the first."""

    servers: Sequence[ThrowAwayServer]
    admin: str
    hands: Sequence[Hand]
    things: list[Thing] = field(default_factory=list)

    def prepare(self) -> None:
        """Make a batch of things; most are used again, for another batch."""
        api = self.hands[0].apis[0]
        for kind, number in THINGS:
            for at in range(number):
                name = f"{kind.replace(' ', '-')}-{at}"
                self.things.append(Thing(kind, name))
                if kind == "logged out":
                    continue
                if kind == "weaker role":
                    done(api.call("security:createRole", EVERYTHING, _id=name, jwt=self.admin))
                    policies = {"policies": [{"roleId": name}]}
                    done(api.call("security:createProfile", policies, _id=name, jwt=self.admin))
                content = {"content": {"profileIds": [name if "role" in kind else "default"]}}
                done(api.call("security:createUser", content, _id=name, jwt=self.admin))
                made = api.call(
                    "security:createApiKey", {"description": name}, userId=name, jwt=self.admin
                )
                self.things[-1].token = made.result["_source"]["token"]

    def give(self, thing: Thing, hand: Hand) -> None:
        """Have a thing held, and known to every server."""
        api, admin = hand.apis[0], self.admin
        match thing.kind:
            case "logged out":
                thing.token = api.call("auth:createToken", jwt=admin).result["token"]
            case "disabled":
                done(api.call("security:enableUser", _id=thing.name, jwt=admin))
            case "fewer rights":
                profiles = {"profileIds": ["admin"]}
                done(api.call("security:updateUser", profiles, _id=thing.name, jwt=admin))
            case _:
                done(api.call("security:updateRole", EVERYTHING, _id=thing.name, jwt=admin))

    def take(self, thing: Thing, hand: Hand) -> None:
        """Take a thing away on the first server."""
        api, admin = hand.apis[0], self.admin
        match thing.kind:
            case "logged out":
                done(api.call("auth:logout", jwt=thing.token))
            case "disabled":
                done(api.call("security:disableUser", _id=thing.name, jwt=admin))
            case "fewer rights":
                profiles = {"profileIds": ["default"]}
                done(api.call("security:updateUser", profiles, _id=thing.name, jwt=admin))
            case _:
                done(api.call("security:updateRole", NOTHING, _id=thing.name, jwt=admin))
        thing.taken_at = monotonic()
        assert not thing.held(api)

    def share(self, work: Callable[[Thing, Hand], None]) -> None:
        """Do something with every thing, with many hands."""

        def each(number: int) -> None:
            for thing in self.things[number :: len(self.hands)]:
                work(thing, self.hands[number])

        with ThreadPoolExecutor(len(self.hands)) as threads:
            list(threads.map(each, range(len(self.hands))))

    def know_all(self, thing: Thing, hand: Hand) -> None:
        """Wait until every server has a thing in its memory."""
        for api in hand.apis:
            until(partial(thing.held, api))


EVERYTHING = {"controllers": {"*": {"actions": {"*": True}}}}
NOTHING = {"controllers": {"auth": {"actions": {"*": True}}}}


@dataclass
class Cluster:
    """Three servers on one PostgreSQL: one revokes, one is told over a cable, one is strict."""

    group: Group
    database: Database
    cable: Cable

    def cut_off(self) -> None:
        """Have the database end the connection on which the second server listens."""
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE " + self._listening()
        assert self.database.query(ended)

    def listens(self) -> bool:
        """Tell whether the second server listens, and is heard by itself."""
        beats = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_notify%' AND "
        return bool(self.database.query(beats + self._listening()))

    def _listening(self) -> str:
        return f"client_port = {self.cable.far_port} AND datname = '{self.database.name}'"


@pytest.fixture(scope="module")
def cluster(
    make_ready: Callable[[], Database], start_server: Serve, administer: Callable[[HttpApi], str]
) -> Iterator[Cluster]:
    database = make_ready()
    with Cable(database.server.port) as cable, ExitStack() as stack:
        listen = f"postgresql://127.0.0.1:{cable.port}/{database.name}"
        of_each = [
            {},
            {"OSTIARY_DATABASE__LISTEN_URL": listen},
            {"OSTIARY_DATABASE__REVOCATION": "strict"},
        ]
        servers = [
            start_server(database=database.url, environment={**database.environment, **more})
            for more in of_each
        ]
        yield Cluster(group_of(servers, administer, stack), database, cable)


def test_what_is_revoked_is_refused_on_every_machine_within_the_bound(cluster: Cluster) -> None:
    """REL-04: whether the notification comes or is lost; at the next request where that is chosen."""
    revoke(cluster, FEW)


@pytest.mark.long
@pytest.mark.parametrize("fate", MANY)
def test_ten_thousand_revocations(cluster: Cluster, fate: Fate) -> None:
    """REL-04: none is accepted after the bound, half of them with the notification lost."""
    revoke(cluster, {fate: MANY[fate]})


def test_two_servers_on_one_file_refuse_at_the_next_request(
    serve: Serve, administer: Callable[[HttpApi], str]
) -> None:
    """REL-04, TOK-10: processes that have nothing in common but the folder."""
    servers = [serve(started=False), serve(started=False)]
    servers[1].data = servers[0].data
    for server in servers:
        server.start()
    with ExitStack() as stack:
        group = group_of(servers, administer, stack)

        def lose(thing: Thing, hand: Hand) -> None:
            group.take(thing, hand)
            assert not thing.held(hand.apis[1])

        for _ in range(FEW["heard"] // BATCH):
            group.share(group.give)
            group.share(group.know_all)
            group.share(lose)


def test_late_bodies_of_others_hide_nothing(
    serve: Serve, administer: Callable[[HttpApi], str]
) -> None:
    """REL-04: uvloop reads sockets after its tasks, and so after one has looked for changes."""
    first, second = serve(started=False), serve(started=False)
    second.data = first.data
    for server in (first, second):
        server.start()
    with ExitStack() as stack:
        here, there = (stack.enter_context(closing(HttpApi(one.port))) for one in (first, second))
        admin = administer(here)
        threads, stop = stack.enter_context(ThreadPoolExecutor(BESIDE)), threading.Event()
        stack.callback(stop.set)
        beside = [threads.submit(ask_in_two_parts, second, stop) for _ in range(BESIDE)]
        for _ in range(100):
            token = here.call("auth:createToken", jwt=admin).result["token"]
            assert there.call("auth:getCurrentUser", jwt=token).status == 200
            done(here.call("auth:logout", jwt=token))
            assert there.call("auth:getCurrentUser", jwt=token).status == 401
        stop.set()
        assert all(one.result() for one in beside)


def ask_in_two_parts(server: ThrowAwayServer, stop: threading.Event) -> int:
    """Send requests whose body comes after their head; return how many were answered."""
    body = b'{"token": "none"}'
    head = b"POST /_checkToken HTTP/1.1\r\nHost: it\r\nContent-Length: %d\r\n\r\n" % len(body)
    answered = 0
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not stop.is_set():
            peer.send(head)
            sleep(0.0002)
            peer.send(body)
            answered += bool(peer.recv(65536))
    return answered


def revoke(cluster: Cluster, numbers: dict[Fate, int]) -> None:
    """Take things away, and ask the others for them: once at once, and once when it must hold."""
    group = cluster.group
    stale = dict.fromkeys(numbers, 0)

    def lose(fate: Fate, thing: Thing, hand: Hand) -> None:
        _, told, strict = hand.apis
        group.take(thing, hand)
        assert not thing.held(strict), f"{thing.kind}: the strict server lets in"
        stale[fate] += thing.held(told)

    def ask_again(fate: Fate, thing: Thing, hand: Hand) -> None:
        due = thing.taken_at + (USUALLY if fate == "heard" else BOUND)
        sleep(max(0.0, due - monotonic()))
        assert not thing.held(hand.apis[1]), (
            f"{fate}: {thing.kind} after {monotonic() - thing.taken_at} s"
        )

    for fate, number in numbers.items():
        for _ in range(number // BATCH):
            until(cluster.listens)
            group.share(group.give)
            group.share(group.know_all)
            if fate == "cut off":
                cluster.cut_off()
            elif fate == "silent":
                cluster.cable.silence()
            try:
                group.share(partial(lose, fate))
                group.share(partial(ask_again, fate))
            finally:
                cluster.cable.mend()
    # Else nothing was lost, and nothing is proved.
    assert stale.get("silent", 1)


def group_of(
    servers: Sequence[ThrowAwayServer], administer: Callable[[HttpApi], str], stack: ExitStack
) -> Group:
    hands = [stack.enter_context(closing(Hand(servers))) for _ in range(HANDS)]
    group = Group(servers, administer(hands[0].apis[0]), hands)
    group.prepare()
    return group


def done(outcome: Outcome) -> None:
    assert outcome.status == 200, outcome.error
