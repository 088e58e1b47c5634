"""Further steps of a login: what a strategy asks, drawn from the fields that it describes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ostiary.pages.credentials import read_fields
from ostiary.pages.onward import Onward
from ostiary.pages.visit import Visit
from ostiary.request import Answer

CHALLENGE, KINDS = "step.challenge", "step.kind."
"""Hidden fields of the answer: its handle, and what each of the others is of."""

SENTENCES = ("message", "text", "question")
"""The members of a question that people are told, if they are texts."""


def asked(visit: Visit, where: Onward, strategy: str, result: Mapping[str, Any]) -> Answer:
    """Show what a strategy asks.

    :param result: the answer of ``auth:login`` (202).
    """
    question = result["question"]
    sentences = [question[one] for one in SENTENCES if isinstance(question.get(one), str)]
    return visit.page(
        "step.html",
        where=where,
        strategy=strategy,
        challenge=result["challenge"],
        fields=result["fields"],
        sentence=sentences[0] if sentences else None,
        told=[] if sentences else [(name, _text(one)) for name, one in question.items()],
    )


def read_answer(visit: Visit) -> dict[str, Any]:
    """Return what was answered, as ``auth:login`` takes it."""
    names = [one.removeprefix(KINDS) for one in visit.form if one.startswith(KINDS)]
    fields = [{"name": one, "kind": visit.form.text(KINDS + one)} for one in names]
    given = read_fields(visit.form, fields)
    return {**given, "challenge": visit.form.text(CHALLENGE)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
