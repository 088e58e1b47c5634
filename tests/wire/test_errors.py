"""The errors that the core and the local strategy declare are those of the contract."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import ostiary_local.errors
import ostiary_oauth.errors
from ostiary.errors import CATALOGUE

FACTS: dict[str, dict[str, int]] = json.loads(
    (Path(__file__).parent / "data" / "errors.json").read_text(encoding="utf-8")
)
OTHER_STATUS = {
    "api.assert.unsupported_protocol": (400, "INP-19: who asks over HTTP is at fault"),
    "security.token.verification_error": (400, "contract 13: two tokens are the client's fault"),
    "security.user.no_profile": (400, "contract 13: no profile is the client's fault"),
}
"""Errors whose status differs on purpose, with the reason."""

LOCAL = f"plugin.{ostiary_local.errors.WIRE_NAME}."
OAUTH = f"plugin.{ostiary_oauth.errors.WIRE_NAME}."
OURS = ("ostiary.", LOCAL, OAUTH)
"""Errors that Kuzzle has no id for (decision 9, contract 13)."""

DOMAINS = {
    "core": 0,
    "services": 1,
    "api": 2,
    "network": 3,
    "plugin": 4,
    "validation": 5,
    "security": 7,
    "ostiary": 0x20,
}


@pytest.mark.parametrize("id", [id for id in CATALOGUE if id in FACTS])
def test_id_code_status_and_values_are_those_of_the_contract(id: str) -> None:
    error, facts = CATALOGUE[id], FACTS[id]
    assert error.code == facts["code"]
    assert error.status == OTHER_STATUS.get(id, (facts["status"],))[0]
    named = re.findall(r"\{(\d)\}", error.message)
    assert set(named) <= {str(place) for place in range(facts["slots"])}


def test_every_error_is_in_the_contract_or_ours() -> None:
    assert [id for id in CATALOGUE if id not in FACTS and not id.startswith(OURS)] == []


@pytest.mark.parametrize("id", OTHER_STATUS)
def test_a_status_listed_as_different_is_different(id: str) -> None:
    assert FACTS[id]["status"] != CATALOGUE[id].status


@pytest.mark.parametrize("id", CATALOGUE)
def test_the_domain_of_a_code_is_the_domain_of_the_id(id: str) -> None:
    assert CATALOGUE[id].code >> 24 == DOMAINS[id.partition(".")[0]]


def test_an_error_of_ours_takes_no_code_of_kuzzle() -> None:
    taken = {facts["code"] for id, facts in FACTS.items()}
    own = [error.code for id, error in CATALOGUE.items() if id not in FACTS]
    assert taken.isdisjoint(own)
    assert len(set(own)) == len(own)
