"""Filters as SQL: bound parameters only, the same rows on SQLite and PostgreSQL.

Plugins use ``condition`` on columns of their own; the core searches its own
documents with the same pieces.
"""

from __future__ import annotations

import operator
import re
import string
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Float,
    Integer,
    String,
    TypeDecorator,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from ostiary import errors
from ostiary.filters import (
    All,
    Between,
    Everything,
    Field,
    Filter,
    Ids,
    Leaf,
    Not,
    Nothing,
    OneOf,
    Prefix,
    Scalar,
    Some,
    Test,
    Wildcard,
    Words,
    are_texts,
    as_number,
    as_text,
)

Condition = ColumnElement[bool]

JOKERS = re.compile(r"[*?\\]")
PIECE = re.compile(r"\\.|.", re.DOTALL)
GLOB = {"*": "*", "?": "?", "\\*": "[*]", "\\?": "[?]", "[": "[[]", "\\[": "[[]"}
LIKE = {"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\", "\\%": r"\%", "\\_": r"\_"}
LIKE["\\\\"] = r"\\"
"""How the pieces of a pattern are written for each database, where not as they are."""

COMPARISONS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
FARTHEST = 1e308
LONGEST = 256
"""Characters of a column that are compared with a pattern: it costs their number times its own."""
LOWER = {ord(letter): letter.lower() for letter in string.ascii_uppercase}


def condition(filter: Filter, columns: Mapping[str, ColumnElement[Any]]) -> Condition:
    """Return a filter as a condition on columns of texts or integers, by the names clients use.

    :raises errors.UnsupportedSearch: it asks for something that is none of the columns.
    """

    def leaf(one: Leaf) -> Condition:
        match one:
            case Field(path, test) if path in columns:
                return passes(test, columns[path])
            case Ids(values) if "_id" in columns:
                return columns["_id"].in_(values)
        raise errors.UnsupportedSearch(getattr(one, "path", "ids"))

    return combined(filter, leaf)


def combined(filter: Filter, leaf: Callable[[Leaf], Condition]) -> Condition:
    """Return a filter as a condition, given what each leaf of it becomes; never NULL if they are not."""
    match filter:
        case All(filters):
            return and_(*(combined(one, leaf) for one in filters))
        case Some(filters, least):
            each = [combined(one, leaf) for one in filters]
            if least == 1:
                return or_(*each)
            return sum((case((one, 1), else_=0) for one in each), literal(0)) >= least
        case Not(inner):
            return not_(combined(inner, leaf))
        case Everything() | Nothing():
            return true() if isinstance(filter, Everything) else false()
        case _:
            return leaf(filter)


def passes(test: Test, column: ColumnElement[Any]) -> Condition:
    """Return whether a column of texts or integers passes a test; not, where it is NULL.

    Such a column is one word: where words are looked for, equality is asked for as well.
    """
    if isinstance(column.type, Integer):
        return and_(column.is_not(None), _integer_passes(test, column))
    return and_(column.is_not(None), _text_passes(test, column))


def within(
    bounds: Mapping[str, Scalar], value: ColumnElement[Any], kind: type[Float[Any] | String]
) -> Condition:
    """Return whether a value lies within bounds, all of which read as numbers or are texts."""
    return and_(
        true(),
        *(
            COMPARISONS[name](value, literal(_float(one) if kind is Float else as_text(one), kind))
            for name, one in bounds.items()
        ),
    )


def matches(text: ColumnElement[Any], test: Prefix | Wildcard) -> Condition:
    """Return whether a text begins with another, or matches a pattern."""
    pattern = test.pattern if isinstance(test, Wildcard) else _escaped(test.text) + "*"
    if test.ignore_case:
        return Matching(Folded(text), literal(pattern.translate(LOWER), Pattern()))
    return Matching(text, literal(pattern, Pattern()))


class Matching(FunctionElement[bool]):
    """Whether a text matches a pattern: its arguments are both."""

    type = Boolean()
    inherit_cache = True
    # Or SQLite is asked whether it is 1.
    _is_implicitly_boolean = True


class Folded(FunctionElement[str]):
    """A text with its ASCII letters in lower case, and no other letter changed."""

    type = String()
    inherit_cache = True


class Pattern(TypeDecorator[str]):
    """A pattern as it is bound: for GLOB on SQLite, for LIKE on PostgreSQL."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        """Write the pattern in the notation of the database."""
        notation = GLOB if dialect.name == "sqlite" else LIKE
        return "".join(notation.get(piece, piece[-1]) for piece in PIECE.findall(value))


@compiles(Matching, "sqlite")
def _with_glob(element: Matching, compiler: SQLCompiler, **options: Any) -> str:
    text, pattern = (compiler.process(one, **options) for one in element.clauses)
    return f"({text} GLOB {pattern})"


@compiles(Matching, "postgresql")
def _with_like(element: Matching, compiler: SQLCompiler, **options: Any) -> str:
    text, pattern = (compiler.process(one, **options) for one in element.clauses)
    return f"({text} LIKE {pattern})"


@compiles(Folded, "sqlite")
def _lower(element: Folded, compiler: SQLCompiler, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(Folded, "postgresql")
def _lower_in_c(element: Folded, compiler: SQLCompiler, **options: Any) -> str:
    return f'lower(({compiler.process(element.clauses, **options)}) COLLATE "C")'


def _float(bound: Scalar) -> float:
    """Return a bound as a number that any database can hold."""
    number = as_number(bound)
    assert number is not None
    return float(max(min(number, FARTHEST), -FARTHEST))


def _escaped(text: str) -> str:
    return JOKERS.sub(r"\\\g<0>", text)


def _integer_passes(test: Test, column: ColumnElement[Any]) -> Condition:
    match test:
        case OneOf(values):
            numbers = [int(text) for text in map(as_text, values) if _is_integer(text)]
            return column.in_(numbers)
        case Between():
            given = test.given()
            for name, bound in given.items():
                if as_number(bound) is None:
                    raise errors.UnsupportedSearch(f"range with a text as {name} of a number")
            return within(given, column, Float) if given else true()
        case _:
            return _text_passes(test, cast(column, String))


def _text_passes(test: Test, column: ColumnElement[Any]) -> Condition:
    match test:
        case OneOf(values):
            return column.in_([as_text(value) for value in values])
        case Between():
            given = test.given()
            return within(given, column, String) if are_texts(given.values()) else false()
        case Prefix():
            return matches(column, test)
        case Wildcard():
            return matches(func.substr(column, 1, LONGEST), test)
        case Words():
            return false()
        case _:
            return true()


def _is_integer(text: str) -> bool:
    """Tell whether a text is how an integer of 64 bits is written."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < len(str(2**63))):
        return False
    return str(int(text)) == text
