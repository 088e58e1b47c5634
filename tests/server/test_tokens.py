"""Tokens where several processes serve one store: what one does with a token, all do.

Two workers, on both databases; and, in the long job, two versions on one (REL-09).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from threading import Event
from typing import TYPE_CHECKING

import pytest

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi

from .conftest import MANY

if TYPE_CHECKING:
    from .conftest import Database, Serve

PASSWORD = "correct horse battery staple"
USES = 50
ME = "auth:getCurrentUser"
ROBOT = {"description": "a robot"}


@dataclass(frozen=True)
class Pair:
    """Two processes, a connection to each, and a token of their administrator.

    :ivar server: of both, or of one of them.
    :ivar ports: of the servers that they belong to.
    """

    server: ThrowAwayServer
    ports: list[int]
    here: HttpApi
    there: HttpApi
    admin: str

    @property
    def both(self) -> tuple[HttpApi, HttpApi]:
        return self.here, self.there

    def sign_in(self, username: str, **args: str) -> str:
        fields = {"username": username, "password": PASSWORD}
        login = self.here.call("auth:login", fields, strategy="local", **args)
        token: str = login.result["jwt"]
        return token

    def create(self, kuid: str) -> None:
        fields = {"username": kuid, "password": PASSWORD}
        body = {"content": {"profileIds": ["admin"]}, "credentials": {"local": fields}}
        made = self.here.call("security:createUser", body, _id=kuid, jwt=self.admin)
        assert made.status == 200, made.error


@pytest.fixture(params=MANY)
def pair(
    request: pytest.FixtureRequest, serve: Serve, administer: Callable[[HttpApi], str]
) -> Iterator[Pair]:
    if request.param == "sqlite":
        servers = [serve(workers=2)]
    else:
        ready: Database = request.getfixturevalue("ready")
        start = partial(serve, database=ready.url)
        if request.param == "postgresql":
            servers = [start(workers=2, environment=ready.environment)]
        else:
            older: dict[str, str] = request.getfixturevalue("older")
            environments = (ready.environment, ready.environment | older)
            servers = [start(environment=one) for one in environments]
    ports = [server.port for server in servers]
    with ExitStack() as stack:
        found: dict[str, HttpApi] = {}
        for port in cycle(ports):
            api = stack.enter_context(closing(HttpApi(port)))
            found.setdefault(api.call("auth:checkToken").body["node"], api)
            if len(found) == 2:
                break
        here, there = found.values()
        yield Pair(servers[0], ports, here, there, administer(here))


def test_what_ends_on_one_worker_ends_on_the_other_and_the_keys_turn_under_load(
    pair: Pair,
) -> None:
    """TOK-23, TOK-31, AUTH-10, KEY-05, in one start of a server for each database."""
    pair.create("ann")
    use_once_of_many(pair)
    shut_out(pair)
    turn_the_keys(pair)
    end_everything(pair)


def use_once_of_many(pair: Pair) -> None:
    """TOK-23: of fifty uses on both workers one succeeds, each time."""
    with ExitStack() as stack, ThreadPoolExecutor(10) as threads:
        ports = islice(cycle(pair.ports), 10)
        apis = [stack.enter_context(closing(HttpApi(port))) for port in ports]
        for _ in range(4):
            made = pair.here.call("auth:createToken", jwt=pair.admin, singleUse=True).result
            token = made["token"]

            def use(api: HttpApi, token: str = token) -> list[int]:
                return [api.call(ME, jwt=token).status for _ in range(USES // 10)]

            statuses = [status for one in threads.map(use, apis) for status in one]
            assert sorted(statuses) == [200, *[401] * (USES - 1)]


def shut_out(pair: Pair) -> None:
    """AUTH-10, KEY-05: who is disabled here, and a key that is deleted here, are refused there."""
    token = pair.sign_in("ann")
    keys = [pair.here.call("auth:createApiKey", ROBOT, jwt=token).result for _ in range(2)]
    texts = [token, *(key["_source"]["token"] for key in keys)]
    assert {api.call(ME, jwt=text).status for api in pair.both for text in texts} == {200}
    deleted = pair.here.call("auth:deleteApiKey", jwt=token, _id=keys[0]["_id"])
    assert deleted.status == 200
    assert pair.here.call(ME, jwt=texts[1]).status == 401
    assert eventually(partial(all_refused, pair.there, texts[1:2]))
    assert pair.here.call("security:disableUser", _id="ann", jwt=pair.admin).status == 200
    assert all_refused(pair.here, texts)
    assert eventually(partial(all_refused, pair.there, texts))
    assert pair.there.call("security:enableUser", _id="ann", jwt=pair.admin).status == 200
    assert pair.there.call(ME, jwt=texts[2]).status == 200
    assert pair.there.call(ME, jwt=token).status == 401


def turn_the_keys(pair: Pair) -> None:
    """TOK-31: no request is refused while the keys turn, and new ones sign on both workers."""
    old, stop = pair.sign_in("ann"), Event()

    def work(_: int) -> tuple[int, set[int]]:
        count, statuses = 0, set()
        with closing(HttpApi(pair.ports[0])) as api, closing(HttpApi(pair.ports[-1])) as other:
            while not stop.is_set():
                made = api.call("auth:createToken", jwt=old)
                statuses |= {made.status, other.call(ME, jwt=made.result["token"]).status}
                count += 1
        return count, statuses

    with ThreadPoolExecutor(4) as threads:
        working = [threads.submit(work, number) for number in range(4)]
        for _ in range(2):
            turned = pair.server.run("keys", "rotate")
            assert turned.returncode == 0, turned.stderr
        stop.set()
        done = [one.result() for one in working]
    assert {status for _, statuses in done for status in statuses} == {200}
    assert all(count > 1 for count, _ in done)
    listed = pair.server.run("keys", "list").stdout.splitlines()
    assert listed[0].split()[:3] == ["key", "created", "now"]
    assert [line.split()[2] for line in listed[1:]] == ["verifies"] * 2 + ["signs"]
    assert all(int(line.split()[3]) for line in listed[1:])


def end_everything(pair: Pair) -> None:
    """TOK-31: the documented way to end everything that was ever signed."""
    token = pair.sign_in("ann", expiresIn="-1")
    key = pair.here.call("auth:createApiKey", ROBOT, jwt=token).result["_source"]["token"]
    assert {api.call(ME, jwt=text).status for api in pair.both for text in (token, key)} == {200}
    ended = pair.server.run("keys", "rotate", "--revoke-all")
    assert ended.returncode == 0, ended.stderr
    texts = (token, key, pair.admin)
    for api in pair.both:
        assert eventually(partial(all_refused, api, texts))
    assert len(pair.server.run("keys", "list").stdout.splitlines()) == 2
    token = pair.sign_in("ann")
    assert {api.call(ME, jwt=token).status for api in pair.both} == {200}


def all_refused(api: HttpApi, texts: Sequence[str]) -> bool:
    return {api.call(ME, jwt=text).status for text in texts} == {401}


def eventually(ask: Callable[[], bool]) -> bool:
    """Tell whether something holds within the time that news may take between machines."""
    return any(ask() for _ in range(1000))
