"""What every form is made of."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag

from ostiary.fields import CredentialField, Kind
from ostiary.pages.rendering import environment

MACROS: Any = environment("en", ()).get_template("macros.html").module


def drawn(field: CredentialField, value: str) -> Tag:
    """Return what is typed into, with what somebody has typed before."""
    described: dict[str, Any] = field.to_json()
    html = MACROS.field(described, "form", value=value)
    found = BeautifulSoup(html, "html.parser").select_one("input, textarea")
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["text", "email", "tel", "number", "url"])
def test_what_was_typed_comes_back(kind: Kind) -> None:
    assert drawn(CredentialField("one", kind=kind), "typed")["value"] == "typed"


@pytest.mark.parametrize(
    "field",
    [
        CredentialField("one", secret=True),
        CredentialField("one", kind="password", secret=True),
        CredentialField("one", kind="password"),
        CredentialField("one", kind="one-time-code"),
        CredentialField("one", kind="json", secret=True),
    ],
)
def test_what_is_secret_does_not(field: CredentialField) -> None:
    """A password is secret, whether its strategy has thought of saying so or not."""
    assert "typed" not in str(drawn(field, "typed"))


@pytest.mark.parametrize(
    "start, leads", [(0, [2]), (1, [0, 3]), (2, [0, 4]), (3, [1]), (4, [2]), (9, [7])]
)
def test_a_list_that_is_counted_leads_to_the_pages_beside(start: int, leads: list[int]) -> None:
    html = MACROS.counted("/list?from=", start, 2, 5)
    links = [one["href"] for one in BeautifulSoup(html, "html.parser").select("a")]
    assert links == [f"/list?from={one}" for one in leads]


@pytest.mark.parametrize("count, told", [(None, False), (1, False), (7, True), ("7", False)])
def test_an_entry_of_the_audit_log_says_how_often(count: object, *, told: bool) -> None:
    template = environment("en", ()).get_template("console/audit_rows.html")
    entry = {
        **dict.fromkeys(("author", "about", "strategy", "address", "protocol", "agent")),
        "request": None,
        "account": None,
        "reason": "wrong password",
        "at": 0,
        "event": "SignInRefused",
        "details": {"count": count},
    }
    rows: Any = template.make_module({"names": {}})
    html = rows.rows([{"_id": "1", "_source": entry}])
    text = BeautifulSoup(html, "html.parser").select_one("th")
    assert text is not None
    assert ("7 times within a minute" in text.get_text()) is told
