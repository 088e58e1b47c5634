"""Strategies that come and go while the server runs: on every process, and past every restart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.testing.packages import Package, badge
from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi, Outcome

if TYPE_CHECKING:
    from .conftest import Database, Serve

PATIENCE = 30
KEEPER = '''
doors = Table("doors", metadata, Column("name", String, primary_key=True))
door = Controller("door")


@hookimpl
async def ostiary_stored_strategies(settings, store):
    async with store.read() as db:
        names = (await db.execute(select(doors.c.name).order_by(doors.c.name))).scalars().all()
    if "raise" in names:
        raise KeyError("a secret")
    if "nonsense" in names:
        return 5
    return [Strategy(name=name, fields=("badge",), identifier="badge") for name in names]


@door.action(POST("/doors/{name}"))
async def add(store, directory, name: str):
    """Add a strategy."""
    async with store.begin() as db:
        await db.execute(insert(doors).values(name=name))
    await directory.strategies_changed()
    return True


@door.action(DELETE("/doors/{name}"))
async def remove(store, directory, name: str):
    """Remove a strategy."""
    async with store.begin() as db:
        await db.execute(delete(doors).where(doors.c.name == name))
    await directory.strategies_changed()
    return True


@hookimpl
def ostiary_controllers():
    return [door]
'''
REVISION = '''"""Create the table of doors."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table("doors", sa.Column("name", sa.String, primary_key=True))
'''


def keeper(name: str = "badge") -> Package:
    """Return a plugin that keeps some of its strategies in its store."""
    made = badge(name, extra=KEEPER)
    return Package(
        name=name,
        source=made.source,
        files={**made.files, "migrations/0002_doors.py": REVISION},
    )


@dataclass(frozen=True)
class House:
    """A server of two processes, two connections to each, and a token of its administrator."""

    server: ThrowAwayServer
    apis: list[HttpApi]
    admin: str
    at_once: bool

    def add(self, name: str, api: HttpApi | None = None) -> Outcome:
        return (api or self.apis[0]).send("POST", f"/_/doors/{name}", jwt=self.admin)

    def remove(self, name: str, api: HttpApi | None = None) -> Outcome:
        return (api or self.apis[0]).send("DELETE", f"/_/doors/{name}", jwt=self.admin)

    def listed(self, api: HttpApi) -> list[str]:
        """Return the strategies that a process lists, but those that are always there."""
        names: list[str] = api.call("auth:getStrategies", jwt=self.admin).result
        return [name for name in names if name not in ("badge", "local")]

    def user(self, kuid: str, strategy: str) -> None:
        """Create a user who signs in with a badge that is called like them."""
        body = {"content": {}, "credentials": {strategy: {"badge": kuid}}}
        made = self.apis[0].call("security:createRestrictedUser", body, _id=kuid, jwt=self.admin)
        assert made.status == 200, made.body

    def everywhere(self, ask: Callable[[HttpApi], Any], wanted: Any) -> None:
        """Ask every connection; on one machine without PostgreSQL the first answer is right."""
        for api in self.apis:
            end = monotonic() + (0 if self.at_once else PATIENCE)
            while (told := ask(api)) != wanted and monotonic() < end:
                sleep(0.01)
            assert told == wanted


def sign_in(api: HttpApi, strategy: str, badge: str) -> Outcome:
    return api.call("auth:login", {"badge": badge}, strategy=strategy)


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def house(
    request: pytest.FixtureRequest,
    serve: Serve,
    plugins: Path,
    administer: Callable[[HttpApi], str],
) -> Iterator[House]:
    keeper().install(plugins)
    paths = os.pathsep.join([str(plugins), os.environ.get("PYTHONPATH", "")])
    environment = {
        "PYTHONPATH": paths,
        "OSTIARY_SETUP_SECRET": request.getfixturevalue("setup_secret"),
    }
    if request.param == "sqlite":
        server = serve(workers=2, environment=environment)
    else:
        database: Database = request.getfixturevalue("database")
        environment |= database.environment
        server = serve(workers=2, database=database.url, environment=environment, started=False)
        for words in (["db", "provision", "--admin-url", database.admin_url], ["db", "upgrade"]):
            done = server.run(*words)
            assert done.returncode == 0, done.stderr
        server.start()
    with ExitStack() as stack:
        apis = to_every_worker(server, stack)
        admin = administer(apis[0])
        yield House(server, apis, admin, at_once=request.param == "sqlite")


def test_every_process_has_a_new_strategy_at_its_next_request_and_loses_it_so(house: House) -> None:
    """Decision 28."""
    for api in house.apis:
        assert sign_in(api, "north", "ann").error_id == "security.credentials.unknown_strategy"
    for turn, adding in enumerate(house.apis):
        assert house.add("north", adding).status == 200
        house.everywhere(house.listed, ["north"])
        house.user(f"ann-{turn}", "north")
        house.everywhere(lambda api: sign_in(api, "north", f"ann-{turn}").status, 200)  # noqa: B023
        assert house.remove("north", adding).status == 200
        house.everywhere(house.listed, [])
        house.everywhere(lambda api: sign_in(api, "north", f"ann-{turn}").status, 400)  # noqa: B023


def test_what_a_user_is_shown_follows_and_their_credentials_stay(house: House) -> None:
    house.add("north")
    house.everywhere(house.listed, ["north"])
    house.user("ann", "north")
    jwt = sign_in(house.apis[0], "north", "ann").result["jwt"]

    def shown(api: HttpApi) -> Any:
        return api.call("auth:getCurrentUser", jwt=jwt).result["strategies"]

    def held(api: HttpApi) -> Any:
        return api.call("security:getUserStrategies", jwt=house.admin, _id="ann").result[
            "strategies"
        ]

    for present in (["north"], [], ["north"], []):
        if present and not house.listed(house.apis[0]):
            house.add("north")
        elif not present:
            house.remove("north")
        house.everywhere(shown, present)
        house.everywhere(held, present)
    house.add("north")
    house.everywhere(lambda api: sign_in(api, "north", "ann").status, 200)


def test_a_wrong_definition_is_told_and_costs_nobody_what_was_there(house: House) -> None:
    """ISO-10"""
    house.add("north")
    house.everywhere(house.listed, ["north"])
    house.user("ann", "north")
    for wrong, error in {
        "North!": "plugin.strategy.failed_registration",
        "local": "plugin.strategy.unauthorized_removal",
        "raise": "plugin.runtime.unexpected_error",
        "nonsense": "plugin.runtime.unexpected_error",
    }.items():
        answer = house.add(wrong)
        assert (answer.status, answer.error_id) == (500, error)
        house.everywhere(house.listed, ["north"])
        house.everywhere(lambda api: sign_in(api, "north", "ann").status, 200)
        assert house.remove(wrong).status == 200
    assert "a secret" not in house.server.log
    assert 'plugin badge keeps its former strategies: Strategy "local"' in house.server.log
    house.add("south")
    house.everywhere(house.listed, ["north", "south"])


def test_it_is_there_after_a_restart(house: House) -> None:
    house.add("north")
    house.user("ann", "north")
    house.server.restart()
    with closing(HttpApi(house.server.port)) as api:
        assert house.listed(api) == ["north"]
        assert sign_in(api, "north", "ann").status == 200


def test_the_credentials_of_a_removed_strategy_are_erased_with_their_user_when_it_is_back(
    house: House,
) -> None:
    house.add("north")
    house.everywhere(house.listed, ["north"])
    house.user("ann", "north")
    house.remove("north")
    house.everywhere(house.listed, [])
    assert house.apis[0].call("security:deleteUser", jwt=house.admin, _id="ann").status == 200
    house.add("north")
    house.everywhere(house.listed, ["north"])
    house.user("ann", "north")
    house.everywhere(lambda api: sign_in(api, "north", "ann").status, 200)


@pytest.mark.parametrize("house", ["sqlite"], indirect=True)
def test_no_plugin_takes_over_the_users_of_anothers_removed_strategy(
    house: House, plugins: Path
) -> None:
    """ISO-11: their badges are not in its store, but their names are in the core's."""
    house.add("north")
    house.everywhere(house.listed, ["north"])
    house.user("ann", "north")
    house.remove("north")
    thief = keeper("thief")
    source = thief.source.replace('"/doors/', '"/thief/')
    house.server.stop()
    Package(name="thief", source=source, files=thief.files).install(plugins)
    house.server.start()
    with closing(HttpApi(house.server.port)) as api:
        stolen = api.send("POST", "/_/thief/north", jwt=house.admin)
        assert (stolen.status, stolen.error_id) == (500, "plugin.strategy.unauthorized_removal")
        own = api.send("POST", "/_/thief/south", jwt=house.admin)
        assert own.error_id == "plugin.strategy.unauthorized_removal"
        assert api.send("DELETE", "/_/thief/north", jwt=house.admin).status == 200
        assert "south" in house.listed(api)


def to_every_worker(server: ThrowAwayServer, stack: ExitStack) -> list[HttpApi]:
    """Return two connections to each process, which is known by the name of its node."""
    found: dict[str, list[HttpApi]] = {}
    end = monotonic() + PATIENCE
    while len(found) < server.workers or any(len(apis) < 2 for apis in found.values()):
        assert monotonic() < end, f"only {len(found)} processes answer"
        api = stack.enter_context(closing(HttpApi(server.port)))
        apis = found.setdefault(api.call("auth:checkToken").body["node"], [])
        if len(apis) < 2:
            apis.append(api)
        else:
            api.close()
            sleep(0.01)
    return [api for apis in found.values() for api in apis]
