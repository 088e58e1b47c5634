"""What strangers can do is declared, so that pages draw it: as far as mail is configured."""

from __future__ import annotations

from typing import Any

import pytest

import ostiary_local
from ostiary_local import errors
from ostiary_local.strategy import LocalStrategy

PAGES = "https://auth.example.com/-/forms"
MAIL = {"host": "127.0.0.1", "security": "none", "from": "no-reply@example.com"}
OURS = {"resetUrl": "https://app.example.com/reset", "verifyUrl": "https://app.example.com/verify"}


def strategy(**settings: Any) -> LocalStrategy:
    (found,) = ostiary_local.ostiary_strategies({"dev": True, **settings})
    assert isinstance(found, LocalStrategy)
    return found


def names(found: LocalStrategy) -> list[str]:
    return [form.name for form in found.forms]


@pytest.mark.parametrize(
    "settings, offered",
    [
        ({}, False),
        ({"mail": MAIL}, False),
        ({"pagesUrl": PAGES}, False),
        ({"mail": MAIL, "pagesUrl": PAGES}, True),
        ({"mail": {**MAIL, **OURS}}, True),
    ],
    ids=str,
)
def test_a_mail_can_be_asked_for_where_one_could_lead_somewhere(
    settings: dict[str, Any], offered: bool
) -> None:
    found = names(strategy(**settings))
    assert ("forgotten-password" in found) == offered
    assert {"new-password", "verify-address"} < {*found, "more"}


def test_a_login_that_is_refused_for_its_password_goes_on_with_a_new_one() -> None:
    form = next(one for one in strategy().forms if one.name == "new-password")
    assert form.refusals == {
        errors.MustChangePassword.id: "resetToken",
        errors.ExpiredPassword.id: "resetToken",
    }


def test_mail_leads_to_the_server_s_own_pages_unless_there_are_others() -> None:
    found = strategy(mail=MAIL, pagesUrl=PAGES)
    assert found.reset_page == f"{PAGES}/local/new-password"
    assert found.verify_page == f"{PAGES}/local/verify-address"
    found = strategy(mail={**MAIL, **OURS}, pagesUrl=PAGES)
    assert (found.reset_page, found.verify_page) == tuple(OURS.values())
    assert strategy(mail=MAIL).reset_page is None
