"""An SMTP server in a thread, and accounts with addresses, on both databases."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import insert, select, update

from ostiary import Call, Storage, Store, User
from ostiary.keys import MasterKey
from ostiary.storage import migrate
from ostiary.storage.postgresql import PostgreSQL
from ostiary.storage.provision import provision
from ostiary.storage.sqlite import SQLite
from ostiary.storage.store import Backend
from ostiary.testing.postgresql import ThrowAwayPostgreSQL
from ostiary.testing.server import free_port
from ostiary_local.mail import actions
from ostiary_local.mail.delivery import Delivery
from ostiary_local.strategy import LocalStrategy
from ostiary_local.tables import identifiers, outbox

LINK = re.compile(r"https://\S+#token=(\S+)")
DELIVERED, BUSY, UNKNOWN = "250 OK", "451 come back later", "550 no such mailbox"
Reply = Callable[[str], str]


class Server(Controller):
    """Closes every connection when it stops; its own stop leaves those that clients have left."""

    def factory(self) -> Any:
        made = super().factory()  # type: ignore[no-untyped-call]
        self.connections: list[Any] = [*getattr(self, "connections", []), made]
        return made

    def stop(self, no_assert: bool = False) -> None:
        asyncio.run_coroutine_threadsafe(self._abort(), self.loop).result()
        super().stop(no_assert)

    async def _abort(self) -> None:
        for connection in getattr(self, "connections", []):
            # The second is what a TLS that failed has left of it.
            for transport in (connection.transport, connection._original_transport):
                if transport is not None:
                    transport.abort()
        await asyncio.sleep(0.01)


@dataclass
class Inbox:
    """What a server has taken, and what it says to whom.

    :ivar replies: to the address of a recipient; when they are used up, all is well.
    :ivar signed_in: who has signed in at the server.
    """

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    signed_in: list[tuple[bytes, bytes]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    controller: Server | None = None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        self.tried.append(address)
        reply = self.replies.pop(0) if self.replies else DELIVERED
        if reply == DELIVERED:
            envelope.rcpt_tos.append(address)
            tls = server.transport.get_extra_info("ssl_object")
            self.encrypted.append(tls is not None)
        return reply

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - the same
        content = envelope.content
        assert isinstance(content, bytes)
        self.envelopes.append(envelope)
        self.mails.append(message_from_bytes(content, policy=policy.default))
        return DELIVERED

    def admit(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.signed_in.append((given.login, given.password))
        right = (given.login, given.password) == (b"ostiary", b"a pass phrase")
        return AuthResult(success=right, handled=False)

    def open(self, **options: Any) -> None:
        self.controller = Server(
            self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=True, **options
        )
        self.controller.start()

    def close(self) -> None:
        if self.controller is not None:
            self.controller.stop()
            self.controller = None

    def told(self) -> list[tuple[str, str]]:
        """Return to whom each mail went, and its subject."""
        return [(mail["To"], mail["Subject"]) for mail in self.mails]


@dataclass
class Users:
    """Whom the core knows: everybody who is not gone, and who of them is disabled."""

    gone: set[str] = field(default_factory=set)
    disabled: set[str] = field(default_factory=set)

    async def find(self, kuid: str) -> User | None:
        return None if kuid in self.gone else User(kuid=kuid, enabled=kuid not in self.disabled)


@dataclass
class Post:
    """The plugin with mail configured, and what it takes to send some."""

    local: Any
    inbox: Inbox
    users: Users

    @property
    def store(self) -> Store:
        store: Store = self.local.store
        return store

    @property
    def strategy(self) -> LocalStrategy:
        strategy: LocalStrategy = self.local.strategy
        return strategy

    async def account(self, kuid: str, *addresses: str, unverified: tuple[str, ...] = ()) -> None:
        """Make an account with e-mail addresses."""
        await self.local.create(kuid, username=kuid, password="a pass phrase of theirs")
        async with self.store.begin() as db:
            for number, value in enumerate((*addresses, *unverified)):
                row = {"kuid": kuid, "value": value, "kind": "email", "created_at": number}
                row |= {"key": self.strategy.key(value)}
                row |= {"verified_at": 1 if value in addresses else None}
                await db.execute(insert(identifiers).values(row))

    async def ask(self, username: str, address: str = "192.0.2.1") -> Any:
        """Ask for a reset."""
        call = Call(address=address)
        strategies = {"local": self.strategy}
        return await actions.request_reset(
            store=self.store, strategies=strategies, call=call, body={"username": username}
        )

    async def claim(self, kuid: str, value: str, call: Call | None = None) -> Any:
        """Ask for a verification."""
        return await actions.request_verification(
            store=self.store,
            strategies={"local": self.strategy},
            call=replace(call or Call(), kuid=kuid),
            body={"value": value},
        )

    def delivery(self) -> Delivery:
        """Return what delivers in one process."""
        settings = self.strategy.settings.mail
        assert settings is not None
        return Delivery(self.strategy, settings, self.store, self.users)  # type: ignore[arg-type]

    async def deliver(self, delivery: Delivery | None = None) -> None:
        """Deliver until nothing is due."""
        working = delivery or self.delivery()
        while await working.round() <= 0:
            pass

    async def rows(self, *, counted: bool = False) -> list[Any]:
        """Return what is in the outbox, without what is only counted."""
        async with self.store.read() as db:
            rows = (await db.execute(select(outbox).order_by(outbox.c.created_at))).all()
        return [row for row in rows if counted or row.typed is not None]

    async def pass_by(self, milliseconds: int) -> None:
        """Make everything in the outbox older."""
        older = {name: outbox.c[name] - milliseconds for name in ("created_at", "due_at")}
        async with self.store.begin() as db:
            await db.execute(update(outbox).values(older))


@pytest.fixture(params=["sqlite", "postgresql"])
async def backend(
    request: pytest.FixtureRequest, tmp_path: Path, storage: Storage, master: MasterKey
) -> AsyncIterator[Backend]:
    backend: Backend
    if request.param == "sqlite":
        backend = SQLite(tmp_path / "data")
    else:
        server: ThrowAwayPostgreSQL = request.getfixturevalue("server")
        database = await server.create_database()
        await provision(server.admin_url(), ["local"], master, database)
        backend = PostgreSQL(server.url(database), master=master)
    await migrate.upgrade(backend, "local", storage)
    yield backend
    await backend.close()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox(free_port())
    inbox.open()
    yield inbox
    inbox.close()


@pytest.fixture
def settings(inbox: Inbox) -> dict[str, Any]:
    """The table ``[plugins.local.mail]``."""
    return {
        "host": "127.0.0.1",
        "port": inbox.port,
        "security": "none",
        "from": "Example <no-reply@example.com>",
        "resetUrl": "https://app.example.com/reset",
        "verifyUrl": "https://app.example.com/verify",
        "timeout": "10s",
        "delay": 0,
        "retryAfter": 100,
        # They are counted in this process, whatever test asks.
        "maxPerAddress": 100_000,
    }


@pytest.fixture
def post(local: Any, inbox: Inbox, settings: dict[str, Any]) -> Post:
    return Post(local.configured(mail=settings), inbox, Users())


@dataclass(frozen=True)
class Certificate:
    """A certificate for this machine, that it has made itself."""

    file: Path
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, private = folder / "certificate.pem", folder / "key.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, private)
    return Certificate(file, context)


@pytest.fixture
def link() -> Callable[[EmailMessage], str]:
    """Return what finds the token in the plain text of a mail."""

    def found(mail: EmailMessage) -> str:
        body = mail.get_body(("plain",))
        assert body is not None
        match = LINK.search(body.get_content())
        assert match is not None
        return match[1]

    return found


@pytest.fixture
def soon() -> Callable[[], Any]:
    """Return what waits until mail that has failed is due again."""

    async def wait() -> None:
        await asyncio.sleep(0.35)

    return wait
