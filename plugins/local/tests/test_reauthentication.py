"""The current password, before users change or give up their own credentials."""

from __future__ import annotations

from typing import Any

import pytest

import ostiary_local
from ostiary import Call
from ostiary import errors as core
from ostiary_local.errors import MissingCurrentPassword, WrongCurrentPassword

from .conftest import Local

pytestmark = pytest.mark.anyio

PASSWORD = "e\u0301cluse"


@pytest.fixture
async def ann(local: Local) -> Local:
    asking = local.configured(requirePassword=True)
    await asking.create("ann", username="ann", password=PASSWORD)
    return asking


async def ask(local: Local, kuid: str = "ann", /, *, args: Any = None, **body: Any) -> None:
    await ostiary_local.ostiary_reauthenticate(
        strategy=local.strategy,
        store=local.store,
        kuid=kuid,
        credentials=body,
        call=Call(kuid=kuid, args=args or {}),
    )


async def test_who_knows_the_current_password_may_go_on(ann: Local) -> None:
    """PWD-08"""
    await ask(ann, currentPassword=PASSWORD, password="the new one")
    await ask(ann, currentPassword="\u00e9cluse")


async def test_old_clients_send_it_as_an_argument(ann: Local) -> None:
    """Contract, 9: beside a body whose ``password`` is the new one."""
    await ask(ann, args={"password": PASSWORD}, password="the new one")
    with pytest.raises(WrongCurrentPassword):
        await ask(ann, args={"password": PASSWORD}, currentPassword="wrong")


@pytest.mark.parametrize("body", [{}, {"password": PASSWORD}, {"currentPassword": ""}])
async def test_the_new_password_proves_nothing(ann: Local, body: dict[str, str]) -> None:
    with pytest.raises(MissingCurrentPassword) as refusal:
        await ask(ann, **body)
    assert refusal.value.status == 400


async def test_a_wrong_one_is_refused(ann: Local) -> None:
    """Contract, 9. PWD-02: one that is too long for any account is not even hashed."""
    for wrong in ("wrong", PASSWORD.upper(), f"{PASSWORD} ", "x" * 1_000_000, "\ud800"):
        with pytest.raises(WrongCurrentPassword) as refusal:
            await ask(ann, currentPassword=wrong)
        assert refusal.value.status == 403
        assert refusal.value.props == []


async def test_who_has_no_password_knows_none(ann: Local) -> None:
    with pytest.raises(WrongCurrentPassword):
        await ask(ann, "bob", currentPassword=PASSWORD)


@pytest.mark.parametrize("wrong", [1, True, [PASSWORD], {"a": PASSWORD}])
async def test_what_is_no_text_is_none(ann: Local, wrong: Any) -> None:
    """AUTH-12"""
    with pytest.raises(core.InvalidType):
        await ask(ann, currentPassword=wrong)


@pytest.mark.parametrize("settings", [{"dev": True}, {"dev": False, "requirePassword": False}])
async def test_it_is_not_asked_for_where_settings_say_so(
    ann: Local, settings: dict[str, Any]
) -> None:
    await ask(ann.configured(**settings))


async def test_it_is_asked_for_unless_settings_say_so(ann: Local) -> None:
    """PWD-08"""
    with pytest.raises(MissingCurrentPassword):
        await ask(ann.configured(dev=False))


async def test_it_is_no_field_of_the_credentials(ann: Local) -> None:
    seen = await ann.update("ann", username="anna", currentPassword=PASSWORD)
    assert seen == {"username": "anna"}
    assert PASSWORD not in str(ann.row("ann"))
    await ann.validate("ann", {"username": "a", "password": "b", "currentPassword": PASSWORD})
