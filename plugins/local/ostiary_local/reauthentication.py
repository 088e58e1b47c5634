"""The current password, asked for before users change or give up their own credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary import Call, Store
from ostiary import errors as core
from ostiary_local import accounts, errors, passwords, proofs
from ostiary_local.strategy import CURRENT, LocalStrategy


async def check(
    strategy: LocalStrategy, store: Store, kuid: str, body: Mapping[str, Any], call: Call
) -> None:
    """Refuse who does not know the current password of a user (OWASP ASVS 6.2.3, 7.5.1).

    It stands in the body. Old clients send it as the argument ``password``, beside a body in
    which ``password`` is the new one.

    :raises errors.MissingCurrentPassword: it is not given.
    :raises errors.WrongCurrentPassword: it is another, or the user has none.
    """
    if not strategy.settings.asks_current_password:
        return
    given = body.get(CURRENT.name)
    if given is None:
        given = call.args.get("password")
    if given is None or given == "":
        raise errors.MissingCurrentPassword
    if not isinstance(given, str):
        raise core.InvalidType(f"body.{CURRENT.name}", "string")
    if not await _proves(store, kuid, given):
        raise errors.WrongCurrentPassword


async def _proves(store: Store, kuid: str, password: str) -> bool:
    if passwords.impossible(password):
        return False
    return await proofs.proves(store, await accounts.of(store, kuid), password)
