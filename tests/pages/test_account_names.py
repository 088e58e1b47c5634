"""My names that are not verified: whatever strategy lists them, they are verified to the end."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from ostiary.testing.packages import badge, installed
from ostiary.testing.server import free_port

from .conftest import PASSWORD, Site, running
from .visitors import Screen, Visitor

WAYS = "/-/account/credentials"
PATIENCE = 20
CODE = "246810"
"""That a badge is asked for which is to be verified."""

FORMS = """
        fields=("badge",), identifier="badge",
        forms=(
            Form(name="ask", action="proof:ask", label="Send a code", done="A code is on its way.",
                 beside=("badge",), value="badge", signed_in=True),
            Form(name="tell", action="proof:tell", label="Tell the code", help="Six digits.",
                 fields=(CredentialField("code", kind="one-time-code", secret=True),),
                 beside=("badge",), value="badge", signed_in=True),
        ),
"""

ACTIONS = '''
from typing import TypedDict

proof = Controller("proof")
asked, verified = set(), set()


class Asking(TypedDict):
    badge: str


class Telling(TypedDict):
    badge: str
    code: str


async def check(store, call, name):
    async with store.read() as db:
        mine = await db.scalar(select(badges.c.badge).where(badges.c.kuid == call.kuid))
    if mine != name:
        raise errors.CredentialsRejected("this is no badge of yours")


@proof.action(POST("/proof/ask"), signed_in=True, raises=[errors.CredentialsRejected])
async def ask(store, call, body: Asking):
    """Send a code for one's own badge."""
    await check(store, call, body["badge"])
    asked.add(call.kuid)
    return {}


@proof.action(POST("/proof/tell"), signed_in=True, raises=[errors.CredentialsRejected])
async def tell(store, call, body: Telling):
    """Take the code that was sent."""
    await check(store, call, body["badge"])
    if call.kuid not in asked or body["code"] != "246810":
        raise errors.CredentialsRejected("the code is wrong")
    verified.add(body["badge"])
    return {}


@hookimpl
def ostiary_controllers():
    return [proof]
'''

GET = """
async with store.read() as db:
    held = await db.scalar(select(badges.c.badge).where(badges.c.kuid == kuid))
name = {"kind": "badge", "value": held, "verified": held in verified}
return None if held is None else {"identifiers": [name]}"""

numbers = itertools.count(1)


@dataclass
class Inbox:
    """Takes every mail."""

    mails: list[Any] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def link(self, address: str) -> str:
        """Return the link of the mail to an address, once it has come."""
        deadline = time.monotonic() + PATIENCE
        while not (mine := [one for one in self.mails if one["To"] == address]):
            assert time.monotonic() < deadline, "no mail comes"
            time.sleep(0.02)
        text: str = mine[-1].get_body(("plain",)).get_content()
        return next(word for word in text.split() if "#" in word)


@pytest.fixture(scope="module")
def inbox() -> Inbox:
    """A mail server."""
    return Inbox()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, inbox: Inbox) -> Iterator[Site]:
    """A server that sends mail, where users may look after themselves."""
    port, mail = free_port(), free_port()
    settings: dict[str, Any] = {
        "server__port": port,
        "server__publicUrl": f"http://127.0.0.1:{port}",
        "plugins__allow": ["local", "door"],
        "plugins__<name>": {
            "local": {
                "mail": {
                    "host": "127.0.0.1",
                    "port": mail,
                    "security": "none",
                    "from": "no-reply@example.com",
                }
            }
        },
    }
    toy = badge("door", ACTIONS, FORMS, get=GET)
    server = Controller(inbox, hostname="127.0.0.1", port=mail)
    server.start()
    folder = tmp_path_factory.mktemp("site")
    try:
        with installed(tmp_path_factory.mktemp("toys"), toy), running(folder, **settings) as made:
            made.administer()
            described = made.api.call("auth:describeStrategies").result
            needed: dict[str, list[str]] = {"auth": ["getCurrentUser", "getMyCredentials"]}
            for form in (form for one in described for form in one["forms"] if form["beside"]):
                needed.setdefault(form["controller"], []).append(form["action"])
            made.role("owner", **needed)
            made.role("looker", auth=needed["auth"])
            yield made
    finally:
        server.stop()


def person(site: Site, profile: str = "owner") -> str:
    """Make somebody with a user name, two addresses and a badge, of which nothing is verified."""
    kuid = f"person-{next(numbers)}"
    local = {
        **site.credentials(kuid),
        "email": f"{kuid}@example.org",
        "phone": f"+4930{900_000 + next(numbers)}",
    }
    content = {"profileIds": [profile]}
    credentials = {"local": local, "door": {"badge": f"b-{kuid}"}}
    site.call("security:createUser", {"content": content, "credentials": credentials}, _id=kuid)
    return kuid


@pytest.fixture
def ann(site: Site) -> str:
    return person(site)


@pytest.fixture
def visitor(site: Site, ann: str) -> Iterator[Visitor]:
    """Ann, signed in."""
    with Visitor(site.url) as made:
        yield made.sign_in("local", **site.credentials(ann))


def to_verify(visitor: Visitor) -> dict[str, str]:
    """Return where the links lead that my account has beside names."""
    found = visitor.open(WAYS).soup.select("main dd a")
    return {str(one["aria-label"]).removeprefix("Verify "): str(one["href"]) for one in found}


def verified(site: Site, kuid: str, strategy: str) -> set[str]:
    seen = site.call("security:getCredentials", strategy=strategy, _id=kuid)
    return {one["value"] for one in seen["identifiers"] if one["verified"]}


def test_what_can_be_verified_has_a_link(visitor: Visitor, site: Site, ann: str) -> None:
    seen = site.call("security:getCredentials", strategy="local", _id=ann)
    names = {one["value"] for one in seen["identifiers"] if one["kind"] != "username"}
    assert len(names) == 2
    assert set(to_verify(visitor)) == names | {f"b-{ann}"}


def test_an_address_is_verified_with_the_link_of_a_mail(
    visitor: Visitor, site: Site, inbox: Inbox, ann: str
) -> None:
    address = f"{ann}@example.org"
    path = to_verify(visitor)[address]
    ask, confirm = [str(one["action"]) for one in visitor.open(path).soup.select("main form")]
    visitor.send(ask)
    assert "A mail is on its way." in visitor.text
    link = inbox.link(address)
    visitor.send(confirm, **{"form.code": "x" * 43})
    assert visitor.status == 400
    assert "verifies nothing, or no more" in visitor.text
    assert visitor.filled(confirm)["form.code"] == ["x" * 43]
    visitor.send(confirm, **{"form.code": f" {link} "})
    assert visitor.path.startswith(WAYS)
    assert "Verified: it is known now to be yours" in visitor.text
    assert address in verified(site, ann, "local")
    assert address not in to_verify(visitor)
    # What was open in another window leads back.
    assert visitor.open(path).path == WAYS


def test_the_link_itself_verifies_it_too(
    visitor: Visitor, site: Site, inbox: Inbox, ann: str
) -> None:
    """Whether strangers may is the operator's to say; who is signed in may here."""
    address = f"{ann}@example.org"
    visitor.open(to_verify(visitor)[address])
    visitor.send(str(visitor.one("main form")["action"]))
    place, _, code = inbox.link(address).removeprefix(site.url).partition("#token=")
    visitor.open(place).send(place, **{"form.code": code})
    assert "The address is verified." in visitor.text
    assert address in verified(site, ann, "local")


def test_who_loses_a_name_to_the_code_of_another_is_not_told_that_it_is_theirs(
    visitor: Visitor, site: Site, ann: str
) -> None:
    """A code verifies for whom it was issued, whoever sends it."""
    bob, address = person(site), f"{ann}@example.org"
    code = site.call(
        "kuzzle-plugin-auth-passport-local/identifier:getVerificationToken",
        {"value": address},
        _id=bob,
    )["token"]
    visitor.open(to_verify(visitor)[address])
    visitor.send(str(visitor.soup.select("main form")[1]["action"]), **{"form.code": code})
    assert visitor.path == WAYS
    assert "Verified" not in visitor.text
    assert address not in verified(site, ann, "local")


def test_any_strategy_takes_a_name_and_a_code(visitor: Visitor, site: Site, ann: str) -> None:
    visitor.open(to_verify(visitor)[f"b-{ann}"])
    ask, tell = [str(one["action"]) for one in visitor.soup.select("main form")]
    visitor.send(tell, code=CODE)
    assert visitor.status == 400
    assert "the code is wrong" in visitor.text
    visitor.send(ask)
    assert "A code is on its way." in visitor.text
    # What is left to do comes first.
    assert [str(one["action"]) for one in visitor.soup.select("main form")] == [tell, ask]
    visitor.send(tell, code=CODE)
    assert verified(site, ann, "door") == {f"b-{ann}"}
    assert f"b-{ann}" not in to_verify(visitor)


def test_nobody_verifies_a_name_that_is_not_theirs(visitor: Visitor, site: Site, ann: str) -> None:
    bob = person(site)
    visitor.open(to_verify(visitor)[f"b-{ann}"])
    ask, tell = [str(one["action"]) for one in visitor.soup.select("main form")]
    assert visitor.send(ask, **{"form.value": f"b-{bob}"}).status == 404
    visitor.open(to_verify(visitor)[f"b-{ann}"])
    assert visitor.send(tell, **{"form.value": f"b-{bob}"}, code=CODE).status == 404
    assert verified(site, bob, "door") == set()


@pytest.mark.parametrize("path", [f"{WAYS}/door/names/7", f"{WAYS}/door/names/x"])
def test_a_name_that_nobody_lists_has_no_page(visitor: Visitor, path: str) -> None:
    assert visitor.open(path).status == 404


def test_who_may_not_is_offered_nothing(site: Site) -> None:
    kuid = person(site, "looker")
    with Visitor(site.url) as visitor:
        visitor.sign_in("local", **site.credentials(kuid))
        assert to_verify(visitor) == {}
        assert visitor.open(f"{WAYS}/door/names/0").path == WAYS


def test_a_form_for_who_is_signed_in_is_no_page_for_strangers(visitor: Visitor) -> None:
    assert visitor.open("/-/forms/door/ask").status == 404


def test_an_address_is_verified_on_a_screen(screen: Screen, site: Site, inbox: Inbox) -> None:
    kuid = person(site)
    address = f"{kuid}@example.org"
    page = screen.sign_in("local", username=kuid, password=PASSWORD)
    screen.open(WAYS)
    screen.look("account-names")
    page.get_by_role("link", name=f"Verify {address}").click()
    page.get_by_role("button", name="Send a mail").click()
    page.get_by_text("A mail is on its way.").wait_for()
    page.get_by_label("Code").fill("wrong")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("alert").wait_for()
    screen.look("account-verify")
    page.get_by_label("Code").fill(inbox.link(address))
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("Verified: ").wait_for()
    assert address in verified(site, kuid, "local")
