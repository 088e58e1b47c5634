"""Passwords of roles come from the master key, and PostgreSQL gets what checks them."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from ostiary.keys import MasterKey
from ostiary.storage import StorageError, roles


def test_a_verifier_signs_as_in_the_example_of_rfc_7677() -> None:
    salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
    nonce = "rOprNGfwEbeRWgbNEkqO"
    both = f"{nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    spoken = f"n=user,r={nonce},r={both},s={salt},i=4096,c=biws,r={both}".encode()
    verifier = roles.verifier("pencil", base64.b64decode(salt))
    kind, settings, keys = verifier.split("$")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    assert (kind, settings) == ("SCRAM-SHA-256", f"4096:{salt}")
    signature = hmac.digest(server, spoken, "sha256")
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    mask = hmac.digest(stored, spoken, "sha256")
    client = bytes(one ^ other for one, other in zip(proof, mask, strict=True))
    assert hashlib.sha256(client).digest() == stored


def test_each_role_has_a_password_of_its_own(master: MasterKey) -> None:
    passwords = roles.Passwords(master)
    assert passwords.of("ostiary_core") == roles.Passwords(master).of("ostiary_core")
    assert passwords.of("ostiary_core") != passwords.of("ostiary_local")
    assert len(passwords.of("ostiary_core")) == 43


def test_a_configured_password_is_used_and_not_shown(master: MasterKey) -> None:
    passwords = roles.Passwords(master, {"ostiary_core": "from the operator"})
    assert passwords.of("ostiary_core") == "from the operator"
    assert repr(passwords) == "<Passwords>"


@pytest.mark.parametrize("password", ["", "mot de passe é", "two\nlines"])
def test_a_password_that_has_several_forms_is_refused(master: MasterKey, password: str) -> None:
    with pytest.raises(StorageError, match="ostiary_core"):
        roles.Passwords(master, {"ostiary_core": password})
