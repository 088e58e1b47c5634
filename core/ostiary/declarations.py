"""What a plugin may declare, checked alike when the server starts and while it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from ostiary.errors import CATALOGUE
from ostiary.fields import CredentialField, Each, Form, Kind, described
from ostiary.strategies import Factor, Strategy

STRATEGY_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
FORM_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")

RESERVED = {
    *("action", "body", "challenge", "codeChallenge", "codeVerifier", "controller", "cookieAuth"),
    *("expiresIn", "formToken", "jwt", "kuid", "lang", "leadBack", "loginCode", "noRedirect"),
    *("requestId", "returnTo", "state", "strategy", "volatile"),
}
"""What the server itself reads where the fields of a strategy may stand."""

WITHHELD = {"cookie", "x-ostiary-setup"}
"""Headers that no strategy is given."""

AUTHORIZATION = "authorization"
FORCE = "force"


def fault_of(strategy: Any) -> str | None:
    """Say what is wrong with a strategy, or None."""
    if not isinstance(strategy, Strategy):
        return f"{strategy!r} is no Strategy"
    if not _named(strategy.name, STRATEGY_NAME):
        return f"{strategy.name!r} cannot name a strategy"
    found = next(_faults(strategy), None)
    return found and f"strategy {strategy.name}: {found}"


def name_of(strategy: object) -> str:
    """Return what to call something that should be a strategy."""
    return str(getattr(strategy, "name", type(strategy).__name__))[:63]


def fault_of_fields(fields: Any) -> str | None:
    """Say what is wrong with the fields of a strategy, or of a challenge; or None."""
    if isinstance(fields, str) or not isinstance(fields, Iterable):
        return "fields are a tuple"
    return next(_faults_of_fields(tuple(fields)), None)


def _faults_of_fields(fields: tuple[Any, ...]) -> Iterator[str]:
    if odd := [one for one in fields if not isinstance(one, CredentialField | str)]:
        yield f"{odd[0]!r} is no field"
    seen = set[str]()
    for field in described(fields):
        name = field.name
        if not _named(name, FIELD_NAME):
            yield f"{name!r} cannot name a field"
        if name in RESERVED:
            yield f"the server itself reads {name!r}; it cannot name a field"
        if name in seen:
            yield f"two fields are named {name!r}"
        if field.kind not in get_args(Kind):
            yield f"field {name!r} is of no kind {field.kind!r}"
        seen.add(name)


def _faults(strategy: Strategy) -> Iterator[str]:
    if fault := fault_of_fields(strategy.fields):
        yield fault
    if fault := fault_of_fields(strategy.proof):
        yield f"proof: {fault}"
    if strategy.identifier is not None and strategy.identifier not in strategy.field_names:
        yield f"the identifier {strategy.identifier!r} is none of its fields"
    if odd := [one for one in strategy.factors if one not in get_args(Factor)]:
        yield f"{odd[0]!r} is no factor"
    headers = (*strategy.headers, *strategy.proxy_headers)
    for name in headers:
        if not _named(name, HEADER_NAME):
            yield f"{name!r} cannot name a header; it is written in lower case"
        elif name in WITHHELD:
            yield f"header {name!r} is shown to no strategy"
        elif headers.count(name) > 1:
            yield f"header {name!r} is asked for twice"
    if AUTHORIZATION in strategy.proxy_headers:
        yield f"header {AUTHORIZATION!r} is no header of a proxy"
    yield from _faults_of_each(strategy)
    yield from _faults_of_forms(strategy)


def _faults_of_each(strategy: Strategy) -> Iterator[str]:
    each: Any = strategy.each
    if each is None:
        return
    if not isinstance(each, Each):
        yield f"each: {each!r} is no Each"
    elif not strategy.several:
        yield "each: there are never several"
    elif fault := fault_of_fields(each.named_by):
        yield f"each: {fault}"
    elif not each.named_by or FORCE in [one.name for one in described(each.named_by)]:
        yield "each: something has to name one, and it is not called 'force'"


def _faults_of_forms(strategy: Strategy) -> Iterator[str]:
    seen = set[str]()
    forms: Iterable[Any] = strategy.forms
    for form in forms:
        if not isinstance(form, Form) or not _named(form.name, FORM_NAME):
            yield f"{form!r} is no Form with a name such as new-password"
        elif form.name in seen:
            yield f"two forms are named {form.name!r}"
        elif fault := next(_faults_of_form(form, strategy.field_names), None):
            yield f"form {form.name!r}: {fault}"
        else:
            seen.add(form.name)


def _faults_of_form(form: Form, kinds: tuple[str, ...]) -> Iterator[str]:
    label: Any = form.label
    refusals: Any = form.refusals
    if fault := fault_of_fields(form.fields):
        yield fault
    if not isinstance(label, str) or not label:
        yield "it has no label"
    if form.code is not None and not _named(form.code, FIELD_NAME):
        yield f"{form.code!r} cannot name a field"
    if form.code in [one.name for one in described(form.fields)]:
        yield f"the code {form.code!r} is no field that is filled in"
    if not isinstance(refusals, Mapping):
        yield "refusals are a mapping"
    elif refusals and form.code is None:
        yield "without a code no refused login goes on with it"
    elif unknown := [id for id in refusals if id not in CATALOGUE]:
        yield f"there is no error {unknown[0]!r}"
    yield from _faults_of_place(form, kinds)


def _faults_of_place(form: Form, kinds: tuple[str, ...]) -> Iterator[str]:
    """Yield what is wrong with where a form stands in my account.

    :param kinds: the fields of the strategy.
    """
    beside: Any = form.beside
    if isinstance(beside, str) or not isinstance(beside, Iterable):
        yield "what it stands beside is a tuple of fields"
    elif unknown := [one for one in beside if one not in kinds]:
        yield f"there is no field {unknown[0]!r} that it could stand beside"
    if form.signed_in and not form.beside:
        yield "who is signed in is offered it beside a name alone"
    if form.signed_in and form.refusals:
        yield "who is refused a login is not signed in"
    if form.value is None:
        return
    if not _named(form.value, FIELD_NAME):
        yield f"{form.value!r} cannot name a field"
    if form.value in (form.code, *(one.name for one in described(form.fields))):
        yield f"{form.value!r} takes a name, and nothing that is filled in"
    if not form.signed_in:
        yield "only who is signed in sends a name of theirs"


def _named(name: Any, pattern: re.Pattern[str]) -> bool:
    return isinstance(name, str) and pattern.fullmatch(name) is not None
