"""Several credentials of one strategy: my account lists each, and gives up one by itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from ostiary.testing.linked import passes
from ostiary.testing.packages import Package, installed

from .conftest import PASSWORD, Site, running
from .visitors import Screen, Visitor

WAYS = "/-/account/credentials"
ONE = f"{WAYS}/pass/remove-one"
PROOF = {"proof.is.word": "please"}
SCRIPT = "<img src=x onerror=alert(1)>"

DECLARED = """keeps_last=True,
        redirects=True,
        proof=(CredentialField("word", label="The word"),),
        each=Each(
            member="passes", named_by=(CredentialField("number", label="Number"),),
            mine="held:mine", give_up="held:giveUp", theirs="held:theirs", take="held:take",
        ),"""

HELD = '''
NoWord = errors.BadRequestError.declare("plugin.pass.no_word", 0x04_7C_0001, "Say the word.")
NoPass = errors.NotFoundError.declare("plugin.pass.no_pass", 0x04_7C_0002, "No such pass.")
held = Controller("held")
ENDS = (errors.LastWayIn, errors.NoCredentials, errors.UnknownStrategy, NoPass, NoWord)


@hookimpl
async def ostiary_reauthenticate(store, kuid, credentials):
    if credentials.get("word") != "please":
        raise NoWord


async def of(store, kuid):
    mine = select(badges.c.badge).where(badges.c.kuid == kuid).order_by(badges.c.badge)
    async with store.read() as db:
        found = list((await db.execute(mine)).scalars())
    since = 1_700_000_000_000
    if "nonsense" in found:
        return [{"strategy": "pass"}]
    return [
        {"strategy": "pass", "number": one, "attributes": {"badge": f"Pass {one}"}, "createdAt": since}
        for one in found
    ] + [{"strategy": "another", "number": "9", "attributes": {}}]


async def drop(store, directory, kuid, strategy, number, call, force):
    numbers = [one["number"] for one in await of(store, kuid) if one["strategy"] == strategy]
    if number not in numbers:
        raise NoPass
    if len(numbers) == 1:
        await directory.remove_credentials(strategy, kuid, call, force=force)
    else:
        async with store.begin() as db:
            await db.execute(delete(badges).where(badges.c.badge == number))
    return {"acknowledged": True}


@held.action(signed_in=True)
async def mine(store, call):
    """List one's own passes."""
    return {"passes": await of(store, call.kuid)}


@held.action(signed_in=True, raises=ENDS)
async def give_up(
    store, directory, call, strategy: str, number: str, force: bool = False, body: dict | None = None
):
    """Give up one of one's own passes."""
    await ostiary_reauthenticate(store, call.kuid, body or {})
    return await drop(store, directory, call.kuid, strategy, number, call, force)


@held.action()
async def theirs(store, id: str):
    """List the passes of a user."""
    return {"passes": await of(store, id)}


@held.action(raises=ENDS)
async def take(store, directory, call, id: str, strategy: str, number: str, force: bool = False):
    """Take a pass off a user."""
    return await drop(store, directory, id, strategy, number, call, force)


@hookimpl
def ostiary_controllers():
    return [held]
'''

numbers = itertools.count(1)


def several() -> Package:
    """Return a plugin whose users hold several passes, and prove who they are by a word."""
    made = passes()
    source = made.source.replace("keeps_last=True,", DECLARED) + HELD
    return replace(made, source=source)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with such passes, whose users look after their own account."""
    folder = tmp_path_factory.mktemp("site")
    with (
        installed(tmp_path_factory.mktemp("toys"), several()),
        running(folder, plugins__allow=["local", "pass"]) as made,
    ):
        made.administer()
        (about,) = [
            one for one in made.api.call("auth:describeStrategies").result if one["name"] == "pass"
        ]
        held = about["each"]["mine"]["controller"]
        granted = {"auth": ["*"], held: ["mine", "giveUp"]}
        made.role("owner", **granted)
        made.role("looker", auth=["*"], **{held: ["mine"]})
        yield made


def person(site: Site, held: int, profile: str = "owner") -> str:
    """Make somebody who signs in by their kuid, and holds some passes: of ann ``ann-1``, ``ann-2``."""
    kuid = f"person-{next(numbers)}"
    credentials: dict[str, Any] = {"local": site.credentials(kuid)}
    body = {"content": {"profileIds": [profile]}, "credentials": credentials}
    site.call("security:createUser", body, _id=kuid)
    for one in range(1, held + 1):
        badge = {"badge": f"{kuid}-{one}"}
        site.call("security:createCredentials", badge, strategy="pass", _id=kuid)
    return kuid


def visiting(site: Site, kuid: str) -> Visitor:
    return Visitor(site.url).sign_in("local", **site.credentials(kuid))


def passes_of(site: Site, kuid: str) -> list[str]:
    seen = site.call("security:hasCredentials", strategy="pass", _id=kuid)
    if not seen:
        return []
    held: list[str] = site.call("security:getCredentials", strategy="pass", _id=kuid)["badges"]
    return held


def page_of(number: str) -> str:
    return f"{ONE}?{urlencode({'one.number': number})}"


def test_each_is_listed_with_a_link_to_give_it_up(site: Site) -> None:
    kuid = person(site, 2)
    with visiting(site, kuid) as visitor:
        visitor.open(WAYS)
        links = {
            str(one["href"]): one.get("aria-label") for one in visitor.soup.select("main li a")
        }
        assert links == {page_of(f"{kuid}-{one}"): f"Remove Pass {kuid}-{one}" for one in (1, 2)}
        assert visitor.text.count("2023-11-14") == 2
        # All at once goes, too.
        assert "Remove all" in visitor.one(f"a[href='{WAYS}/pass/remove']").text


def test_a_strategy_that_lists_them_wrongly_spoils_no_page(site: Site) -> None:
    kuid = person(site, 1)
    site.call("security:createCredentials", {"badge": "nonsense"}, strategy="pass", _id=kuid)
    with visiting(site, kuid) as visitor:
        assert visitor.open(WAYS).status == 200
        assert "This does not work at the moment." in visitor.text
        assert kuid in visitor.text


def test_one_of_them_is_given_up_and_the_others_stay(site: Site) -> None:
    kuid = person(site, 2)
    with visiting(site, kuid) as visitor:
        visitor.open(page_of(f"{kuid}-2"))
        assert f"Pass {kuid}-2" in visitor.text
        assert f"Pass {kuid}-1" not in visitor.text
        visitor.send(ONE, **{"proof.is.word": "now"})
        assert visitor.status == 400
        assert "Say the word." in visitor.text
        assert passes_of(site, kuid) == [f"{kuid}-1", f"{kuid}-2"]
        visitor.send(ONE, **PROOF)
        assert "Removed: it lets nobody in any more." in visitor.text
        assert passes_of(site, kuid) == [f"{kuid}-1"]
        # One is left: it is removed as what there is only one of.
        assert visitor.soup.select("main li a[href*=remove-one]") == []
        assert visitor.open(page_of(f"{kuid}-2")).status == 404


def test_the_last_is_not_given_up_by_accident(site: Site) -> None:
    kuid = person(site, 2)
    with visiting(site, kuid) as visitor:
        away = f"{WAYS}/local/remove"
        visitor.open(away).send(away, **{"proof.is.currentPassword": PASSWORD})
        assert "last way" not in visitor.open(page_of(f"{kuid}-1")).text
        visitor.send(ONE, **PROOF)
        visitor.open(page_of(f"{kuid}-2"))
        assert "This is your last way to sign in." in visitor.text
        visitor.send(ONE, **PROOF)
        assert visitor.faulty == ["confirm.last"]
        assert passes_of(site, kuid) == [f"{kuid}-2"]
        visitor.send(ONE, **PROOF, **{"confirm.last": "yes"})
        assert passes_of(site, kuid) == []


def test_nobody_gives_up_what_is_another_s(site: Site) -> None:
    ann, bob = person(site, 2), person(site, 2)
    with visiting(site, ann) as visitor:
        assert visitor.open(page_of(f"{bob}-1")).status == 404
        visitor.open(page_of(f"{ann}-1"))
        assert visitor.send(ONE, **PROOF, **{"one.number": f"{bob}-1"}).status == 404
        assert passes_of(site, bob) == [f"{bob}-1", f"{bob}-2"]


def test_who_may_only_look_sees_each(site: Site) -> None:
    kuid = person(site, 2, profile="looker")
    with visiting(site, kuid) as visitor:
        visitor.open(WAYS)
        assert f"Pass {kuid}-2" in visitor.text
        assert visitor.soup.select("main li a") == []
        assert visitor.open(page_of(f"{kuid}-1")).status == 403


def test_what_each_shows_is_text(site: Site) -> None:
    kuid = person(site, 1)
    site.call("security:createCredentials", {"badge": SCRIPT}, strategy="pass", _id=kuid)
    with visiting(site, kuid) as visitor:
        visitor.open(WAYS)
        assert f"Pass {SCRIPT}" in visitor.text
        visitor.open(page_of(SCRIPT))
        assert visitor.soup.select("main img") == []
        visitor.send(ONE, **PROOF)
        assert passes_of(site, kuid) == [f"{kuid}-1"]


def test_the_console_takes_one_of_them_away(site: Site) -> None:
    kuid = person(site, 2)
    site.call("security:deleteCredentials", strategy="local", _id=kuid)
    there = f"/-/console/users/{kuid}"
    take = f"{there}/credentials/pass/take"
    with visiting(site, "root") as visitor:
        visitor.open(there)
        links = [str(one["href"]) for one in visitor.soup.select("main li a")]
        assert links == [f"{take}?one.number={kuid}-{one}" for one in (1, 2)]
        visitor.open(links[0]).send(take)
        assert visitor.path.startswith(there)
        assert passes_of(site, kuid) == [f"{kuid}-2"]
        assert visitor.open(links[0]).status == 404
        visitor.open(links[1])
        assert "This is the last way in of this user" in visitor.text
        visitor.send(take)
        assert visitor.status == 422
        assert passes_of(site, kuid) == [f"{kuid}-2"]
        visitor.send(take, last="yes")
        assert passes_of(site, kuid) == []


def test_one_of_several_on_a_screen(screen: Screen, site: Site) -> None:
    kuid = person(site, 2)
    page = screen.sign_in("local", username=kuid, password=PASSWORD)
    screen.open(WAYS)
    screen.look("account-several")
    page.get_by_role("link", name=f"Remove Pass {kuid}-1").click()
    page.get_by_label("The word").fill("now")
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("alert").wait_for()
    screen.look("account-remove-one")
    page.get_by_label("The word").fill("please")
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Removed: ").wait_for()
    assert passes_of(site, kuid) == [f"{kuid}-2"]
