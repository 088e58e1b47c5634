"""A server of ours, two providers of others, and an application that has a button for each."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostiary.testing.server import ThrowAwayServer, free_port
from ostiary.testing.wire import HttpApi

from .processes import Program
from .registered import Registered
from .site import Site

HERE = Path(__file__).parent
SETUP_SECRET = "a setup secret that everybody knows"
SESSION = "kuzzle-plugin-auth-passport-oauth/session"
"""The controller by which people leave."""

ADMIN = {"username": "root", "password": "the password of an administrator"}


@dataclass(frozen=True)
class Parts:
    """What is installed on this machine.

    :ivar npm_folder: has the packages of npm, and the program that uses them.
    :ivar canaille: the Python that has Canaille.
    """

    node: str
    npm_folder: Path
    canaille: str


@dataclass(frozen=True)
class World:
    """Everything that a login goes through.

    :ivar npm: oidc-provider, behind the strategies ``npm`` and ``form`` (clients with a secret; the
        second answers with a form), ``signed`` (with a key) and ``public`` (with nothing).
    :ivar canaille: Canaille, behind the strategy of that name.
    """

    server: ThrowAwayServer
    npm: Program
    canaille: Program
    site: Site
    registered: Registered

    @property
    def url(self) -> str:
        """Where browsers reach the server."""
        return self.registered.url

    @contextmanager
    def administrator(self) -> Iterator[Callable[..., Any]]:
        """Yield what calls an action as the first administrator, who is made if need be."""
        api = HttpApi(self.server.port)
        secret = {"X-Ostiary-Setup": SETUP_SECRET}
        api.send("POST", "/_createFirstAdmin/root", {"credentials": {"local": ADMIN}}, secret)
        token = api.call("auth:login", ADMIN, strategy="local").result["jwt"]
        try:
            yield lambda *words, **args: api.call(*words, jwt=token, **args).result
        finally:
            api.close()

    def users(self) -> list[str]:
        """Return the kuids of those whom a provider has brought here."""
        with self.administrator() as call:
            found = call("security:searchUsers", {"query": {}})
        return [user["_id"] for user in found["hits"] if user["_id"] != "root"]

    def allow(self, profile: str, controller: str, action: str) -> None:
        """Let who has a profile run an action, besides what the role of that name allows."""
        rights = {"controllers": {controller: {"actions": {action: True}}}}
        policies = [{"roleId": profile}, {"roleId": action}]
        with self.administrator() as call:
            call("security:createOrReplaceRole", rights, _id=action)
            call("security:updateProfile", {"policies": policies}, _id=profile)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Print in the end what everybody has said; pytest shows it beside a test that failed."""
        before = [len(log) for log in self._logs()]
        yield
        for log, length in zip(self._logs(), before, strict=True):
            print(log[length:])  # noqa: T201

    def _logs(self) -> list[str]:
        return [self.server.log, self.npm.log, self.canaille.log]


@contextmanager
def opened(parts: Parts, plugin: str = "", **more: str) -> Iterator[World]:
    """Start everything, and end it.

    :param plugin: settings of the plugin; ``more``: of its strategies, by name.
    """
    site, port = Site(), free_port()
    registered = Registered(f"http://localhost:{port}", [site.beside, site.elsewhere])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ostiary-")))
        server = ThrowAwayServer(
            settings=registered.settings(folder, plugin, more),
            environment={"OSTIARY_SETUP_SECRET": SETUP_SECRET},
        )
        server.port = port
        stack.callback(server.throw_away)
        npm, canaille = _programs(parts, registered)
        for program in (npm, canaille):
            stack.callback(program.throw_away)
        npm.start(registered.for_npm())
        canaille.start(registered.for_canaille())
        server.start()
        stack.enter_context(site.serving(HERE / "site", parts.npm_folder / "browser"))
        yield World(server, npm, canaille, site, registered)


def _programs(parts: Parts, registered: Registered) -> tuple[Program, Program]:
    environment = {"PATH": os.environ["PATH"], "NODE_NO_WARNINGS": "1"}
    run_npm = [parts.node, str(parts.npm_folder / "server.mjs")]
    run_canaille = [parts.canaille, str(HERE / "canaille" / "serve.py")]
    return (
        Program(run_npm, f"{registered.npm_url}/jwks", environment),
        Program(run_canaille, f"{registered.canaille_url}/oauth/jwks.json", environment),
    )
