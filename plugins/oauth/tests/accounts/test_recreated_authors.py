"""Invitations are a user's, and not those of a kuid."""

from __future__ import annotations

from typing import Any

from ..signing_in import House  # noqa: TID252
from .test_linking import FAILED, local_user, sign_in, subject, world

__all__ = ["subject", "world"]


def invited_by(house: House, jwt: str) -> str:
    made = house.send("POST", "/_/invitations/_create", {}, jwt=jwt)
    assert made.status == 200, made.body
    code: str = made.result["code"]
    return code


def as_root(house: House, verb: str, url: str, body: Any = None) -> None:
    done = house.send(verb, url, body, jwt=house.admin)
    assert done.status == 200, done.body


def test_who_is_created_with_the_kuid_of_somebody_deleted_has_invited_nobody(
    world: House,
    subject: str,
) -> None:
    """AZ-20"""
    kuid, jwt = local_user(world)
    code = invited_by(world, jwt)
    as_root(world, "DELETE", f"/users/{kuid}")
    body = {"content": {"profileIds": ["default"]}, "credentials": {}}
    as_root(world, "POST", f"/users/{kuid}/_create", body)
    refused = sign_in(world, "invited", invitation=code)
    assert (refused.status, refused.error_id) == (401, f"{FAILED}invalid_invitation")


def test_who_is_changed_has_still_invited_whom_they_have(
    world: House,
    subject: str,
) -> None:
    kuid, jwt = local_user(world)
    code = invited_by(world, jwt)
    as_root(world, "PUT", f"/users/{kuid}/_update", {"team": "Bonn"})
    as_root(world, "PUT", f"/users/{kuid}/_replace", {"profileIds": ["default"]})
    assert sign_in(world, "invited", invitation=code).status == 200
