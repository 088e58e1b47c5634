"""Whatever happens to accounts, in whatever order: a model in memory tells what comes of it.

A server of its own, with every policy that remembers something, is given random histories of
creating, signing up, signing in, changing, resetting, expiring, importing and deleting. The model
says how each step ends; after each, the data base holds what the model knows and nothing else,
and the sessions are good that should be. ``HISTORIES`` is how many there are, if not as many as
every day.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ostiary.settings import Settings
from ostiary.testing.wire import Outcome

from .histories.drawing import (
    CHANGED,
    CHANGES,
    CREATING,
    EMAILS,
    FEW,
    FIELDS,
    FLAGS,
    FORMER,
    HASHES,
    KUIDS,
    NAMES,
    NEW_FIELDS,
    NEW_KUIDS,
    OLDEST,
    PASSWORDS,
    PROOFS,
    SPELLINGS,
    WHICH,
    WORDS,
    Given,
    hashed,
    picked,
    step,
    steps,
)
from .histories.ground import MONTH, Ground
from .histories.model import REMEMBERED, WRONG, Account

HISTORIES = int(os.environ.get("HISTORIES", "24"))
STEPS = 30

LOCAL = "plugin.kuzzle-plugin-auth-passport-local."
SIGNED_OUT = "security.token.invalid"
RESETS = "kuzzle-plugin-auth-passport-local/password"
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


def told(outcome: Outcome) -> str:
    return outcome.error_id.removeprefix(LOCAL) if outcome.status >= 400 else ""


class Histories(Ground):
    """The steps, and how each of them ends."""

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

    @initialize(words=st.permutations(WORDS))
    def begin(self, words: list[str]) -> None:
        """Nothing happens to nobody: two are there, of whom one has had other passwords."""
        password, *later, _ = words
        self.create("k", ("ann", "a@x.example", password), "createRestrictedUser")
        self.create("l", ("bob", None, password), "createUser")
        self.try_login(f"ann{self.mark}", str, password)
        for word in later:
            self.change_oneself(0, ("password", word), "right")

    @step(kuid=KUIDS, given=FIELDS, action=CREATING)
    def create(self, kuid: str, given: Given, action: str) -> None:
        own, fields, kuid = action == "createRestrictedUser", self.fields(given), kuid + self.mark
        body = {
            "content": {} if own else {"profileIds": ["member"]},
            "credentials": {"local": fields},
        }
        jwt = None if own else self.site.jwt
        outcome = self.call(f"security:{action}", body, _id=kuid, jwt=jwt)
        assert told(outcome) == self.model.create(kuid, fields, own=own)

    @step(kuid=KUIDS, given=FIELDS)
    def give(self, kuid: str, given: Given) -> None:
        kuid, fields = kuid + self.mark, self.fields(given)
        args = {"_id": kuid, "strategy": "local"}
        outcome = self.call("security:createCredentials", fields, **args)
        assert told(outcome) == self.model.give(kuid, fields, own=False)

    @step(which=WHICH, given=FIELDS)
    def give_oneself(self, which: int, given: Given) -> None:
        jwt, fields = self.a_session(which), self.fields(given)
        outcome = self.call("auth:createMyCredentials", fields, jwt=jwt, strategy="local")
        kuid = self.model.sessions.get(jwt)
        wanted = self.model.give(kuid, fields, own=True) if kuid else SIGNED_OUT
        assert told(outcome) == wanted

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
        jwt = self.a_session(which)
        kuid = self.model.sessions.get(jwt, "")
        what, value = self.resolved(kuid, *change)
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

    def resolved(self, kuid: str, what: str, value: Any) -> tuple[str, Any]:
        if what != "password":
            return what, self.of(value)
        account = self.model.accounts.get(kuid)
        former = account.former if account else []
        return what, (former[-1:] or WORDS[:1])[0] if value == OLDEST else value

    def proof(self, jwt: str, proof: str | None) -> str | None:
        account = self.model.accounts.get(self.model.sessions.get(jwt, ""))
        return account.password if account and proof == "right" else proof

    def unproved(self, jwt: str, proof: str | None) -> str | None:
        """Return why a session may not change credentials; None if it may."""
        if jwt not in self.model.sessions:
            return SIGNED_OUT
        account = self.model.accounts.get(self.model.sessions[jwt])
        if account is None:
            return "ostiary.credentials.missing"
        if proof is None:
            return "missing_current_password"
        return None if proof == account.password else "wrong_current_password"

    @step(kuid=KUIDS, change=CHANGES)
    def change_another(self, kuid: str, change: tuple[str, Any]) -> None:
        kuid += self.mark
        what, value = self.resolved(kuid, *change)
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

    @step(which=WHICH, password=CHANGED)
    def reset(self, which: int, password: str) -> None:
        token, accounts = self.a_token(which), self.model.accounts.items()
        kuid = next((kuid for kuid, one in accounts if token in one.tokens), None)
        password = self.resolved(kuid or "", "password", password)[1]
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
        self.age(kuid + self.mark)
        if kuid + self.mark in self.model.accounts:
            self.model.accounts[kuid + self.mark].expired = True

    @step(
        kuid=NEW_KUIDS, given=NEW_FIELDS, how=HASHES, former=FORMER, old=st.booleans(), flags=FLAGS
    )
    def bring(
        self, kuid: str, given: Given, how: str, former: list[str], old: bool, flags: set[str]
    ) -> None:
        kuid, fields = kuid + self.mark, self.fields(given)
        password = fields.pop("password")
        line = {"kuid": kuid, "profileIds": ["member"], **fields, **hashed(how, password)}
        line["formerPasswords"] = [
            {**hashed("ldap", one), "archivedAt": 1000 - age} for age, one in enumerate(former)
        ]
        if old:
            line["passwordSetAt"] = time.time_ns() // 1_000_000 - MONTH
        account = Account(
            fields["username"],
            fields.get("email"),
            password,
            own=how != "plain",
            expired=old,
            imported=how != "plain",
            former=former,
        )
        ended = self.model.bring(kuid, account, join="--join" in flags)
        assert f"1 {ended}" in self.imported(line, *sorted(flags))

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
        self.agreed = False
        getattr(self, name)(**given)

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        self.the_store_holds_what_is_known()
        self.sessions_are_good_that_should_be()
        self.agreed = True

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

    def sessions_are_good_that_should_be(self) -> None:
        """PWD-09: a change of password ends the others, and who is deleted is signed out."""
        for jwt in (*self.model.sessions, *self.model.ended):
            seen = self.call("auth:checkToken", {"token": jwt}, jwt=None).result
            assert seen["valid"] == (jwt in self.model.sessions)

    def teardown(self) -> None:
        """Sign in everybody with every password, and delete them."""
        if not self.agreed:
            # What has failed is told, and not what comes of it.
            return
        for account in list(self.model.accounts.values()):
            passwords = {"fifth secret", *account.former, account.password}
            for password in sorted(passwords):
                self.try_login(account.username, str.upper, password)
        for kuid in ("k", "l", "m"):
            self.delete(kuid)
        self.all_is_as_the_model_says()


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
        written = site.http.call(
            "security:createOrReplaceRole", body, jwt=site.jwt, _id="anonymous"
        )
        assert written.status == 200
        yield site


def test_accounts_come_to_what_their_histories_make_of_them(remembering: Any) -> None:
    """PWD-08, PWD-09, PWD-10, AUTH-14."""

    class Here(Histories):
        site = remembering

    run_state_machine_as_test(
        Here,
        settings=hypothesis_settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            derandomize="HISTORIES" not in os.environ,
            database=None,
            print_blob=True,
            deadline=None,
        ),
    )
