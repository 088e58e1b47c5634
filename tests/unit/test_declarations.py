"""What a strategy declares of its fields: one description for all who draw them."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary import CredentialField, Each, Form, Strategy, errors
from ostiary.declarations import fault_of, fault_of_fields
from ostiary.openapi import document
from ostiary.openapi_logins import LOGIN, with_logins

PIN = CredentialField("pin", label="PIN", kind="password", secret=True, registration=False)
MINE = {"beside": ("pin",), "signed_in": True}
REFUSED = {errors.LoginRefused.id: "token"}


def test_a_name_alone_stands_for_a_text_that_is_no_secret() -> None:
    strategy = Strategy(name="badge", fields=("badgeNumber", PIN))
    assert strategy.field_names == ("badgeNumber", "pin")
    plain = strategy.described[0]
    assert (plain.kind, plain.secret, plain.title) == ("text", False, "Badge number")


def test_a_page_gets_all_it_needs_to_draw_a_strategy() -> None:
    strategy = Strategy(
        name="smart-card",
        fields=(PIN,),
        proof=("current",),
        factors=("possession", "knowledge"),
    )
    assert strategy.to_json() == {
        "name": "smart-card",
        "label": "Smart card",
        "fields": [
            {
                "name": "pin",
                "label": "PIN",
                "kind": "password",
                "secret": True,
                "required": True,
                "help": "",
                "login": True,
                "registration": False,
            }
        ],
        "proof": [
            {
                "name": "current",
                "label": "Current",
                "kind": "text",
                "secret": False,
                "required": True,
                "help": "",
            }
        ],
        "several": False,
        "each": None,
        "keepsLast": False,
        "factors": ["possession", "knowledge"],
        "phishingResistant": False,
        "redirects": False,
        "identifier": None,
        "forms": [],
    }


def test_a_page_gets_all_it_needs_to_draw_a_form() -> None:
    lost = Form(
        name="lost",
        action="pin:reset",
        label="I have lost my PIN",
        help="Choose another.",
        done="It is set.",
        fields=(PIN,),
        code="token",
        refusals={errors.LoginRefused.id: "resetToken"},
    )
    assert fault_of(Strategy(name="pin", fields=(PIN,), forms=(lost,))) is None
    assert lost.to_json() == {
        "name": "lost",
        "controller": "pin",
        "action": "reset",
        "label": "I have lost my PIN",
        "help": "Choose another.",
        "done": "It is set.",
        "fields": [PIN.to_json()],
        "code": "token",
        "refusals": {"plugin.strategy.missing_user": "resetToken"},
        "beside": [],
        "value": None,
        "signedIn": False,
    }


def test_a_page_is_told_beside_what_a_form_stands() -> None:
    verify = Form(
        name="verify",
        action="pin:ask",
        label="Verify",
        beside=("badge",),
        value="name",
        signed_in=True,
    )
    assert fault_of(Strategy(name="pin", fields=("badge",), forms=(verify,))) is None
    told = verify.to_json()
    assert (told["beside"], told["value"], told["signedIn"]) == (["badge"], "name", True)


def test_the_address_of_a_form_is_known_where_the_pages_are() -> None:
    strategy = Strategy(name="pin")
    pages_url = "https://auth.example.com/-/forms"
    assert strategy.page(pages_url, "lost") == "https://auth.example.com/-/forms/pin/lost"
    assert strategy.page(None, "lost") is None


@pytest.mark.parametrize(
    "declared, told",
    [
        ({"name": "Lost"}, "no Form with a name"),
        ({"label": ""}, "no label"),
        ({"fields": ("a-b",)}, "cannot name a field"),
        ({"code": "a-b"}, "cannot name a field"),
        ({"code": "pin", "fields": ("pin",)}, "no field that is filled in"),
        ({"refusals": {errors.LoginRefused.id: "token"}}, "without a code"),
        ({"refusals": {"plugin.pin.lsot": "token"}, "code": "token"}, "no error 'plugin.pin.lsot'"),
        ({"refusals": ("plugin.pin.lost",), "code": "token"}, "a mapping"),
        ({"beside": "pin"}, "a tuple of fields"),
        ({"beside": ("card",)}, "no field 'card'"),
        ({"signed_in": True}, "beside a name alone"),
        ({**MINE, "code": "token", "refusals": REFUSED}, "not signed in"),
        ({**MINE, "value": "a-b"}, "cannot name a field"),
        ({**MINE, "value": "pin", "fields": ("pin",)}, "nothing that is filled in"),
        ({**MINE, "value": "token", "code": "token"}, "nothing that is filled in"),
        ({"beside": ("pin",), "value": "name"}, "only who is signed in"),
    ],
)
def test_a_form_that_nobody_could_draw_is_refused(declared: Any, told: str) -> None:
    form = Form(**{"name": "lost", "action": "pin:reset", "label": "Lost", **declared})
    assert told in str(fault_of(Strategy(name="pin", fields=(PIN,), forms=(form,))))


EACH: dict[str, Any] = {
    "member": "pins",
    "named_by": ("number",),
    "mine": "pin:mine",
    "give_up": "pin:giveUp",
    "theirs": "pin:theirs",
    "take": "pin:take",
}


def test_a_page_is_told_how_each_of_several_is_given_up() -> None:
    strategy = Strategy(name="pin", several=True, each=Each(**EACH))
    assert fault_of(strategy) is None
    assert strategy.to_json()["each"] == {
        "member": "pins",
        "namedBy": [CredentialField("number").to_json()],
        "mine": {"controller": "pin", "action": "mine"},
        "giveUp": {"controller": "pin", "action": "giveUp"},
        "theirs": {"controller": "pin", "action": "theirs"},
        "take": {"controller": "pin", "action": "take"},
    }


@pytest.mark.parametrize(
    "each, several, told",
    [
        ({}, False, "never several"),
        ({"named_by": ()}, True, "something has to name one"),
        ({"named_by": ("force",)}, True, "not called 'force'"),
        ({"named_by": ("strategy",)}, True, "the server itself reads"),
        ({"named_by": "number"}, True, "a tuple"),
    ],
)
def test_each_that_no_page_could_name_is_refused(each: Any, several: bool, told: str) -> None:
    strategy = Strategy(name="pin", several=several, each=Each(**{**EACH, **each}))
    assert told in str(fault_of(strategy))
    odd: Any = "number"
    assert "no Each" in str(fault_of(Strategy(name="pin", several=True, each=odd)))


def test_what_is_no_form_is_refused_and_so_are_two_of_one_name() -> None:
    lost = Form(name="lost", action="pin:reset", label="Lost")
    odd: Any = ("lost",)
    assert "no Form" in str(fault_of(Strategy(name="pin", forms=odd)))
    assert "two forms" in str(fault_of(Strategy(name="pin", forms=(lost, lost))))


@pytest.mark.parametrize(
    "fields, told",
    [
        ("badge", "fields are a tuple"),
        (5, "fields are a tuple"),
        ((5,), "5 is no field"),
        (("a-b",), "cannot name a field"),
        (("",), "cannot name a field"),
        (("a", CredentialField("a")), "two fields"),
        (("challenge",), "the server itself reads"),
        (("state",), "the server itself reads"),
        (("returnTo",), "the server itself reads"),
        (("noRedirect",), "the server itself reads"),
        (("codeChallenge",), "the server itself reads"),
        (("loginCode",), "the server itself reads"),
        (("codeVerifier",), "the server itself reads"),
        (("strategy",), "the server itself reads"),
        ((CredentialField("a", kind="smell"),), "of no kind"),  # type: ignore[arg-type]
    ],
)
def test_fields_that_nobody_could_send_are_refused(fields: Any, told: str) -> None:
    assert told in str(fault_of_fields(fields))


@pytest.mark.parametrize(
    "declared, told",
    [
        ({"name": "Badge"}, "cannot name a strategy"),
        ({"identifier": "name"}, "none of its fields"),
        ({"factors": ("luck",)}, "no factor"),
        ({"proof": ("state",)}, "proof: the server itself reads"),
        ({"headers": ("X-Door",)}, "lower case"),
        ({"headers": ("cookie",)}, "shown to no strategy"),
        ({"headers": ("x-door",), "proxy_headers": ("x-door",)}, "asked for twice"),
        ({"proxy_headers": ("authorization",)}, "no header of a proxy"),
    ],
)
def test_a_strategy_that_contradicts_itself_is_refused(declared: Any, told: str) -> None:
    assert told in str(fault_of(Strategy(**{"name": "badge", "fields": ("badge",), **declared})))


def test_a_sound_strategy_is_accepted() -> None:
    wanted = ("authorization", "x-door")
    assert fault_of(Strategy(name="b", fields=("a", PIN), identifier="a", headers=wanted)) is None


def test_the_document_of_the_api_offers_the_fields_of_each_strategy() -> None:
    from ostiary.composition import make_registry

    bare = document(make_registry(), "1")
    email = CredentialField("mail", kind="email", required=False, help="Yours.")
    new = CredentialField("invitation", login=False)
    offered = with_logins(bare, [Strategy(name="badge", fields=(PIN, email, new))])
    post = offered["paths"][LOGIN]["post"]
    badge, answer = post["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert badge["properties"] == {
        "pin": {"title": "PIN", "type": "string", "format": "password", "writeOnly": True},
        "mail": {"title": "Mail", "type": "string", "format": "email", "description": "Yours."},
    }
    assert badge["required"] == ["pin"]
    assert answer["required"] == ["challenge"]
    assert "`badge`: `pin`, `mail`" in post["description"]
    assert "anyOf" not in str(bare["paths"][LOGIN])
