"""Whatever happens to accounts, in whatever order: a model in memory tells what comes of it.

A server of its own, with every policy that remembers something, is given random histories of
creating, signing up, signing in, changing, resetting, expiring, importing and deleting. The model
says how each step ends; after each, the data base holds what the model knows and nothing else,
and the sessions are good that should be. ``HISTORIES`` is how many there are, if not as many as
every day.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import io
import itertools
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ostiary import CommandError, workplaces
from ostiary.settings import Settings
from ostiary.testing.wire import Outcome
from ostiary_local.commands import commands

HISTORIES = int(os.environ.get("HISTORIES", "30"))
STEPS = 30

LOCAL = "plugin.kuzzle-plugin-auth-passport-local."
RESETS = "kuzzle-plugin-auth-passport-local/password"
WRONG = "plugin.strategy.missing_user"
MONTH = 31 * 86_400_000
REMEMBERED = 2
"""Former passwords that are kept: with the present one, those that may not be set again."""

TICKETS = 5
"""Reset tokens that an account has at most."""

POLICY = {
    "appliesTo": "*",
    "forbidReusedPasswordCount": REMEMBERED + 1,
    "expiresAfter": "30d",
    "mustChangePasswordIfSetByAdmin": True,
}
LENIENT = {
    "minLength": 1,
    "minStrength": 0,
    "blocklists": [],
    "requirePassword": True,
    "passwordPolicies": [POLICY],
}
TABLES = ("accounts", "identifiers", "former_passwords", "tickets", "outbox")

numbers = itertools.count(1)

F = TypeVar("F", bound=Callable[..., None])


@dataclass
class Account:
    """What one user signs in with."""

    username: str
    email: str | None
    password: str
    own: bool
    """Whether the user has set the password."""

    expired: bool = False
    imported: bool = False
    former: list[str] = field(default_factory=list)
    """The newest first."""

    tokens: list[str] = field(default_factory=list)
    """The newest last."""

    def names(self) -> set[str]:
        return {self.username} | ({self.email} if self.email else set())


@dataclass
class Model:
    """What the documentation says of accounts (docs/passwords.md, docs/names.md)."""

    users: set[str] = field(default_factory=set)
    accounts: dict[str, Account] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    """All reset tokens that there ever were."""

    def holder(self, name: str | None) -> str | None:
        return next((kuid for kuid, one in self.accounts.items() if name in one.names()), None)

    def taken(self, kuid: str, *names: str | None) -> bool:
        return any(name and self.holder(name) not in (None, kuid) for name in names)

    def missing(self, kuid: str) -> str:
        if kuid not in self.users:
            return "security.user.not_found"
        return "" if kuid in self.accounts else "ostiary.credentials.missing"

    def change(
        self, kuid: str, what: str, value: Any, *, own: bool, keep: str | None = None
    ) -> str:
        """Change one field, and return why not."""
        account = self.accounts[kuid]
        if what == "password":
            if value in (account.password, *account.former):
                return "reused_password"
            account.former = [account.password, *account.former][:REMEMBERED]
            account.password, account.own = value, own
            account.expired = account.imported = False
            self.end(kuid, keep)
        elif self.taken(kuid, value):
            return "username_taken"
        else:
            setattr(account, what, value)
        account.tokens = []
        return ""

    def login(self, account: Account | None, password: str) -> str:
        if account is None or password != account.password:
            return WRONG
        account.imported = False
        if account.expired:
            return "expired_password"
        return "" if account.own else "must_change_password"

    def issue(self, kuid: str, token: str) -> None:
        account = self.accounts[kuid]
        account.tokens = [*account.tokens, token][-TICKETS:]
        self.issued.append(token)

    def end(self, kuid: str, keep: str | None = None) -> None:
        gone = [jwt for jwt, one in self.sessions.items() if one == kuid and jwt != keep]
        self.ended += gone
        for jwt in gone:
            del self.sessions[jwt]

    def bring(self, kuid: str, account: Account, *, join: bool) -> str:
        """Import an account, and return how that ends."""
        holders = {self.holder(name) for name in account.names()} - {None}
        if kuid in self.accounts:
            holders.add(kuid)
        if holders:
            same = holders == {kuid} and self.holder(account.username) == kuid
            return "unchanged" if same else "refused"
        if kuid in self.users and not join:
            return "refused"
        self.users.add(kuid)
        self.accounts[kuid] = account
        return "made"


KUIDS = st.sampled_from(("k", "l", "k", "l", "m"))
NAMES = st.sampled_from(("ann", "bob", "cy"))
EMAILS = st.sampled_from((None, "a@x.example", "b@x.example"))
WORDS = ("first secret", "second secret", "third secret", "fourth secret")
PASSWORDS = st.sampled_from(WORDS)
PROOFS = st.sampled_from(("right", "right", "right", "right", None, *WORDS))
SPELLINGS = st.sampled_from((str, str.upper, str.title, "{} ".format))
CHANGES = st.one_of(
    st.tuples(st.just("password"), PASSWORDS),
    st.tuples(st.just("username"), NAMES),
    st.tuples(st.just("email"), EMAILS),
)
FEW, MANY = 6, 8
WHICH = st.integers(0, MANY)
HASHES = st.sampled_from(("plain", "ldap", "werkzeug"))


def hashed(how: str, password: str) -> dict[str, str]:
    """Return what a file has of a password: itself, or what another system made of it."""
    secret, salt = password.encode(), b"salt"
    if how == "plain":
        return {"password": password}
    if how == "ldap":
        digest = hashlib.sha1(secret + salt, usedforsecurity=False).digest()
        return {"hash": "{SSHA}" + base64.b64encode(digest + salt).decode()}
    return {"hash": f"pbkdf2:sha256:9$salt${hashlib.pbkdf2_hmac('sha256', secret, salt, 9).hex()}"}


def picked(good: Sequence[str], gone: Sequence[str], which: int) -> str:
    """Return mostly something good, else what was so last, or what never was."""
    if good and which < FEW:
        return good[which % len(good)]
    return (gone[-1:] or ["of nobody"])[0] if which < MANY else "of nobody"


def told(outcome: Outcome) -> str:
    return outcome.error_id.removeprefix(LOCAL) if outcome.status >= 400 else ""


steps: list[st.SearchStrategy[tuple[str, dict[str, Any]]]] = []


def step(**given: st.SearchStrategy[Any]) -> Callable[[F], F]:
    """Have a method be a step of histories; all of them are as likely.

    Of rules, Hypothesis leaves out so many in each history that few ever meet.
    """

    def note(method: F) -> F:
        steps.append(st.tuples(st.just(method.__name__), st.fixed_dictionaries(given)))
        return method

    return note


class Histories(RuleBasedStateMachine):
    """One history on the server of all of them; nobody and no name of another one is in it."""

    def __init__(self, site: Any) -> None:
        super().__init__()
        self.site, self.model, self.mark = site, Model(), f"-{next(numbers)}"

    def call(self, name: str, body: Any = None, **args: Any) -> Outcome:
        args.setdefault("jwt", self.site.jwt)
        outcome: Outcome = self.site.http.call(name, body, **args)
        return outcome

    def of(self, text: str | None) -> str | None:
        return text and self.mark[1:] + text if text and "@" in text else text and text + self.mark

    def fields(self, name: str, email: str | None, password: str) -> dict[str, Any]:
        given = {"username": self.of(name), "password": password}
        return given | ({"email": self.of(email)} if email else {})

    def signed_in(self, outcome: Outcome, kuid: str) -> None:
        assert outcome.result["_id"] == kuid
        self.model.sessions[outcome.result["jwt"]] = kuid

    def a_session(self, which: int) -> str:
        """Return the token of one that is open, or was until just now."""
        for account in list(self.model.accounts.values()):
            if not self.model.sessions and which < FEW:
                self.try_login(account.username, str, account.password)
        return picked(list(self.model.sessions), self.model.ended, which)

    def a_token(self, which: int) -> str:
        """Return a reset token that is good, or was until just now."""
        for kuid in self.model.accounts:
            if not any(one.tokens for one in self.model.accounts.values()) and which < FEW:
                self.ask_token(kuid.removesuffix(self.mark))
        good = [token for one in self.model.accounts.values() for token in one.tokens]
        spent = [token for token in self.model.issued if token not in good]
        return picked(good, spent, which)

    def add(self, kuid: str, fields: dict[str, Any], *, own: bool) -> None:
        self.model.users.add(kuid)
        name, email, password = fields["username"], fields.get("email"), fields["password"]
        self.model.accounts[kuid] = Account(name, email, password, own=own)

    @initialize(password=PASSWORDS)
    def begin(self, password: str) -> None:
        """Nothing happens to nobody: two are there, of whom one is signed in."""
        self.create("k", "ann", "a@x.example", password, "createRestrictedUser")
        self.create("l", "bob", None, password, "createUser")
        self.try_login(f"ann{self.mark}", str, password)

    @step(
        kuid=KUIDS,
        name=NAMES,
        email=EMAILS,
        password=PASSWORDS,
        action=st.sampled_from(("createUser", "createRestrictedUser")),
    )
    def create(self, kuid: str, name: str, email: str | None, password: str, action: str) -> None:
        own, fields = action == "createRestrictedUser", self.fields(name, email, password)
        kuid += self.mark
        content = {} if own else {"profileIds": ["member"]}
        body = {"content": content, "credentials": {"local": fields}}
        outcome = self.call(
            f"security:{action}", body, _id=kuid, jwt=None if own else self.site.jwt
        )
        if kuid in self.model.users:
            assert told(outcome) == "security.user.already_exists"
        elif self.model.taken(kuid, fields["username"], fields.get("email")):
            assert told(outcome) == "username_taken"
        else:
            assert told(outcome) == ""
            self.add(kuid, fields, own=own)

    @step(kuid=KUIDS, name=NAMES, email=EMAILS, password=PASSWORDS)
    def give(self, kuid: str, name: str, email: str | None, password: str) -> None:
        kuid, fields = kuid + self.mark, self.fields(name, email, password)
        args = {"_id": kuid, "strategy": "local"}
        outcome = self.call("security:createCredentials", fields, **args)
        self.given(outcome, kuid, fields, own=False)

    @step(which=WHICH, name=NAMES, email=EMAILS, password=PASSWORDS)
    def give_oneself(self, which: int, name: str, email: str | None, password: str) -> None:
        jwt, fields = self.a_session(which), self.fields(name, email, password)
        outcome = self.call("auth:createMyCredentials", fields, jwt=jwt, strategy="local")
        if jwt in self.model.sessions:
            self.given(outcome, self.model.sessions[jwt], fields, own=True)
        else:
            assert told(outcome) == "security.token.invalid"

    def given(self, outcome: Outcome, kuid: str, fields: dict[str, Any], *, own: bool) -> None:
        if kuid not in self.model.users:
            assert told(outcome) == "security.user.not_found"
        elif kuid in self.model.accounts:
            assert told(outcome) == "ostiary.credentials.exist"
        elif self.model.taken(kuid, fields["username"], fields.get("email")):
            assert told(outcome) == "username_taken"
        else:
            assert told(outcome) == ""
            self.add(kuid, fields, own=own)

    @step(
        name=st.one_of(NAMES, EMAILS.filter(bool)),
        spelling=SPELLINGS,
        password=PASSWORDS,
    )
    def log_in(self, name: str, spelling: Callable[[str], str], password: str) -> None:
        self.try_login(str(self.of(name)), spelling, password)

    @step(kuid=KUIDS, spelling=SPELLINGS)
    def log_in_rightly(self, kuid: str, spelling: Callable[[str], str]) -> None:
        account = self.model.accounts.get(kuid + self.mark)
        if account is not None:
            self.try_login(max(account.names()), spelling, account.password)

    def try_login(self, name: str, spelling: Callable[[str], str], password: str) -> None:
        kuid = self.model.holder(name)
        account = self.model.accounts.get(kuid or "")
        fields = {"username": spelling(name), "password": password}
        outcome = self.call("auth:login", fields, strategy="local", jwt=None)
        assert told(outcome) == self.model.login(account, password)
        if outcome.status == 200:
            self.signed_in(outcome, str(kuid))
        elif kuid is not None and told(outcome) != WRONG:
            self.model.issue(kuid, outcome.error["resetToken"])
        else:
            assert "resetToken" not in outcome.error

    @step(which=WHICH, change=CHANGES, proof=PROOFS)
    def change_oneself(self, which: int, change: tuple[str, Any], proof: str | None) -> None:
        what, value = change[0], change[1] if change[0] == "password" else self.of(change[1])
        jwt = self.a_session(which)
        kuid = self.model.sessions.get(jwt, "")
        proof = self.proof(jwt, proof)
        body = {what: value} | ({"currentPassword": proof} if proof else {})
        outcome = self.call("auth:updateMyCredentials", body, jwt=jwt, strategy="local")
        if (refusal := self.unproved(jwt, proof)) is None:
            refusal = self.model.change(kuid, what, value, own=True, keep=jwt)
        assert told(outcome) == refusal

    @step(which=WHICH, proof=PROOFS)
    def give_up(self, which: int, proof: str | None) -> None:
        jwt = self.a_session(which)
        proof = self.proof(jwt, proof)
        body = {"currentPassword": proof} if proof else {}
        outcome = self.call("auth:deleteMyCredentials", body, jwt=jwt, strategy="local")
        refusal = self.unproved(jwt, proof)
        assert told(outcome) == (refusal or "")
        if refusal is None:
            kuid = self.model.sessions[jwt]
            del self.model.accounts[kuid]
            self.model.end(kuid, keep=jwt)

    def proof(self, jwt: str, proof: str | None) -> str | None:
        account = self.model.accounts.get(self.model.sessions.get(jwt, ""))
        return account.password if account and proof == "right" else proof

    def unproved(self, jwt: str, proof: str | None) -> str | None:
        """Return why a session may not change credentials; None if it may."""
        if jwt not in self.model.sessions:
            return "security.token.invalid"
        account = self.model.accounts.get(self.model.sessions[jwt])
        if account is None:
            return "ostiary.credentials.missing"
        if proof is None:
            return "missing_current_password"
        return None if proof == account.password else "wrong_current_password"

    @step(kuid=KUIDS, change=CHANGES)
    def change_another(self, kuid: str, change: tuple[str, Any]) -> None:
        what, value = change[0], change[1] if change[0] == "password" else self.of(change[1])
        kuid += self.mark
        args = {"_id": kuid, "strategy": "local"}
        outcome = self.call("security:updateCredentials", {what: value}, **args)
        refusal = self.model.missing(kuid) or self.model.change(kuid, what, value, own=False)
        assert told(outcome) == refusal

    @step(kuid=KUIDS)
    def ask_token(self, kuid: str) -> None:
        kuid += self.mark
        outcome = self.call(f"{RESETS}:getResetPasswordToken", _id=kuid)
        if kuid in self.model.accounts:
            self.model.issue(kuid, outcome.result["resetToken"])
        else:
            assert told(outcome) == "nothing_to_reset"

    @step(which=WHICH, password=PASSWORDS)
    def reset(self, which: int, password: str) -> None:
        token, accounts = self.a_token(which), self.model.accounts.items()
        kuid = next((kuid for kuid, one in accounts if token in one.tokens), None)
        body = {"password": password, "token": token}
        outcome = self.call(f"{RESETS}:reset", body, jwt=None)
        if kuid is None:
            assert told(outcome) == "invalid_token"
            return
        assert told(outcome) == self.model.change(kuid, "password", password, own=True)
        if outcome.status == 200:
            self.signed_in(outcome, kuid)

    @step(kuid=KUIDS)
    def expire(self, kuid: str) -> None:
        """Let a password grow old, and what is bound to the instant at which it was set."""
        kuid += self.mark
        older = "UPDATE accounts SET password_set_at = password_set_at - ? WHERE kuid = ?"
        bound = "UPDATE tickets SET bound = CAST(bound - ? AS TEXT) WHERE kuid = ?"
        with closing(sqlite3.connect(self.site.settings.data.dir / "local.db")) as db, db:
            for statement in (older, bound):
                db.execute(statement, (MONTH, kuid))
        if kuid in self.model.accounts:
            self.model.accounts[kuid].expired = True

    @step(
        kuid=st.sampled_from(("m", "m", "m", "l", "k")),
        name=st.sampled_from(("cy", "cy", "cy", "bob", "ann")),
        email=EMAILS,
        password=PASSWORDS,
        how=HASHES,
        former=st.lists(PASSWORDS, max_size=REMEMBERED),
        old=st.booleans(),
        flags=st.sets(st.sampled_from(("--wrap", "--join"))),
    )
    def bring(
        self,
        kuid: str,
        name: str,
        email: str | None,
        password: str,
        how: str,
        former: list[str],
        old: bool,
        flags: set[str],
    ) -> None:
        kuid += self.mark
        line = {"kuid": kuid, "username": self.of(name), "profileIds": ["member"]}
        line |= hashed(how, password) | ({"email": self.of(email)} if email else {})
        line["formerPasswords"] = [
            {**hashed("ldap", one), "archivedAt": 1000 - age} for age, one in enumerate(former)
        ]
        if old:
            line["passwordSetAt"] = time.time_ns() // 1_000_000 - MONTH
        account = Account(
            line["username"],
            line.get("email"),
            password,
            own=how != "plain",
            expired=old,
            imported=how != "plain",
            former=former,
        )
        ended = self.model.bring(kuid, account, join="--join" in flags)
        assert f"1 {ended}" in self.imported(line, *sorted(flags))

    def imported(self, line: dict[str, Any], *flags: str) -> str:
        """Run ``ostiary local import``, while the server runs, and return what it tells."""
        command = next(one for one in commands() if one.name == "import")
        parser, out = argparse.ArgumentParser(), io.StringIO()
        command.arguments(parser)
        file = self.site.settings.data.dir / "accounts.jsonl"
        file.write_text(json.dumps(line), encoding="utf-8")
        options = parser.parse_args([str(file), *flags])
        with redirect_stdout(out), suppress(CommandError):
            asyncio.run(workplaces.run(self.site.settings, "local", command, options))
        return out.getvalue()

    @step(kuid=KUIDS)
    def take_away(self, kuid: str) -> None:
        kuid += self.mark
        outcome = self.call("security:deleteCredentials", _id=kuid, strategy="local")
        assert (told(outcome) == "") == (kuid in self.model.accounts)
        if self.model.accounts.pop(kuid, None):
            self.model.end(kuid)

    @step(kuid=KUIDS)
    def delete(self, kuid: str) -> None:
        kuid += self.mark
        outcome = self.call("security:deleteUser", _id=kuid)
        assert told(outcome) == ("" if kuid in self.model.users else "security.user.not_found")
        self.model.users.discard(kuid)
        self.model.accounts.pop(kuid, None)
        self.model.end(kuid)

    @rule(step=st.deferred(lambda: st.one_of(steps)))
    def take(self, step: tuple[str, dict[str, Any]]) -> None:
        name, given = step
        getattr(self, name)(**given)

    @invariant()
    def the_store_holds_what_is_known(self) -> None:
        """PWD-10: and nothing of who is gone."""
        found = self.stored()
        accounts = self.model.accounts
        assert {row["kuid"]: row["imported"] is not None for row in found["accounts"]} == {
            kuid: one.imported for kuid, one in accounts.items()
        }
        assert sorted((row["kuid"], row["value"]) for row in found["identifiers"]) == sorted(
            (kuid, name) for kuid, one in accounts.items() for name in one.names()
        )
        assert sorted(row["kuid"] for row in found["former_passwords"]) == sorted(
            kuid for kuid, one in accounts.items() for _ in one.former
        )
        assert sorted((row["kuid"], row["fingerprint"]) for row in found["tickets"]) == sorted(
            (kuid, hashlib.sha256(token.encode()).digest())
            for kuid, one in accounts.items()
            for token in one.tokens
        )
        assert found["outbox"] == []

    @invariant()
    def sessions_are_good_that_should_be(self) -> None:
        """PWD-09: a change of password ends the others, and who is deleted is signed out."""
        for jwt in (*self.model.sessions, *self.model.ended):
            seen = self.call("auth:checkToken", {"token": jwt}, jwt=None).result
            assert seen["valid"] == (jwt in self.model.sessions)

    def stored(self) -> dict[str, list[sqlite3.Row]]:
        with closing(sqlite3.connect(self.site.settings.data.dir / "local.db")) as db:
            db.row_factory = sqlite3.Row
            whose = (f"%{self.mark}",)
            return {
                table: db.execute(f"SELECT * FROM {table} WHERE kuid LIKE ?", whose).fetchall()
                for table in TABLES
            }

    def teardown(self) -> None:
        """Sign in everybody with every password, and delete them."""
        for account in list(self.model.accounts.values()):
            passwords = {"fifth secret", *account.former, account.password}
            for password in sorted(passwords):
                self.try_login(account.username, str.upper, password)
        for kuid in ("k", "l", "m"):
            self.delete(kuid)
        self.the_store_holds_what_is_known()
        self.sessions_are_good_that_should_be()


@pytest.fixture(scope="module")
def remembering(
    settings: Callable[..., Settings],
    new_site: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A server where anybody may sign up, and set a password with a token."""
    made = settings(
        tmp_path_factory.mktemp("histories"),
        **{"plugins__<name>": {"local": LENIENT}, "security__restrictedProfileIds": ["member"]},
    )
    with new_site(made) as site:
        own = {"security": {"actions": {"createRestrictedUser": True}}}
        own |= {RESETS: {"actions": {"reset": True}}}
        own |= {"auth": {"actions": {"login": True, "checkToken": True}}}
        body = {"controllers": own}
        site.http.call("security:createOrReplaceRole", body, jwt=site.jwt, _id="anonymous").result
        yield site


def test_accounts_come_to_what_their_histories_make_of_them(remembering: Any) -> None:
    """PWD-08, PWD-09, PWD-10, AUTH-14."""
    run_state_machine_as_test(
        lambda: Histories(remembering),
        settings=hypothesis_settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            derandomize="HISTORIES" not in os.environ,
            database=None,
            print_blob=True,
            deadline=None,
        ),
    )
