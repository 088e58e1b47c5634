"""Expressions of JavaScript (ECMA-262, 22.2.1 and Annex B) in the syntax of Python."""

from __future__ import annotations

import re

_LAST, _HIGH_HALF, _LOW_HALF = 0x10FFFF, 0xD800, 0xDC00
_END_OF_LINE = r"\n\r\u2028\u2029"
_DIGITS = ((0x30, 0x39),)
_WORDS = (*_DIGITS, (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_BLANKS = (
    *((0x9, 0xD), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)),
    *((0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
)
_SETS = {"d": _DIGITS, "w": _WORDS, "s": _BLANKS}
_NOT_ASCII = (0x130, 0x131, 0x17F, 0x212A)
"""Letters that Python, but not JavaScript, takes for i, k or s where case is ignored."""

_WORD = "[0-9A-Z_a-z]"
_EDGE = f"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))"
_NO_EDGE = f"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))"
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}

_OPENING = re.compile(r"\((?:\?(?:[:=!]|<[=!]|<(?P<name>[A-Za-z_$][\w$]*)>)|(?!\?))")
_REPEATED = re.compile(r"(?:[*+?]|\{(?P<least>\d+)(?:,(?P<most>\d*))?\})\??")
_CODE = re.compile(
    r"x(?P<x>[0-9A-Fa-f]{2})|u(?P<u>[0-9A-Fa-f]{4})|u\{(?P<wide>[0-9A-Fa-f]+)\}|c(?P<c>[A-Za-z])"
    r"|(?P<nul>0)(?![0-9])"
)
_WITH_LOW_HALF = re.compile(r"\\u(D[C-Fc-f][0-9A-Fa-f]{2})", re.IGNORECASE)
_PROPERTY = re.compile(r"[pP]\{\w+(?:=\w+)?\}")
_REFERENCE = re.compile(r"(?P<number>[1-9][0-9]*)|k<(?P<name>[A-Za-z_$][\w$]*)>")


class Unreadable(ValueError):
    """The text is no expression; the message says why."""


class Translation:
    """One expression on its way to the syntax of Python.

    :param flags: those of JavaScript.
    """

    def __init__(self, source: str, flags: str) -> None:
        self._source, self._at = source, 0
        self._unicode, self._lines, self._all = "u" in flags, "m" in flags, "s" in flags
        self._left_out = _NOT_ASCII if "i" in flags else ()
        # Whether what was read last can be repeated.
        self._repeatable = False

    def run(self) -> str:
        """Return what Python finds the same with.

        :raises Unreadable: JavaScript cannot read it, or nobody means what it reads.
        """
        parts = []
        while self._at < len(self._source):
            parts.append(self._next())
        return "".join(parts)

    def _next(self) -> str:
        sign = self._source[self._at]
        if repeated := _REPEATED.match(self._source, self._at):
            return self._repeat(repeated)
        if sign == "(":
            return self._open()
        self._at += 1
        self._repeatable = sign not in "^$|"
        match sign:
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case "^" | "$" | "." | "|" | ")":
                return self._sign(sign)
            case "{" | "}" | "]" if self._unicode:
                raise Unreadable(f"a {sign} has to be written as \\{sign}")
        return _literal(ord(sign))

    def _repeat(self, repeated: re.Match[str]) -> str:
        least, most = repeated["least"], repeated["most"]
        if not self._repeatable:
            raise Unreadable(f"there is nothing that {repeated[0]} could repeat")
        if most and int(most) < int(least):
            raise Unreadable(f"{repeated[0]} has its numbers in the wrong order")
        self._at, self._repeatable = repeated.end(), False
        return repeated[0]

    def _open(self) -> str:
        opening = _OPENING.match(self._source, self._at)
        if opening is None:
            raise Unreadable(f"JavaScript has no {self._source[self._at : self._at + 3]}")
        self._at, self._repeatable = opening.end(), False
        return f"(?P<{_name(opening['name'])}>" if opening["name"] else opening[0]

    def _sign(self, sign: str) -> str:
        if sign == ".":
            return "(?s:.)" if self._all else f"[^{_END_OF_LINE}]"
        if sign == "^":
            return rf"(?:\A|(?<=[{_END_OF_LINE}]))" if self._lines else r"\A"
        if sign != "$":
            return sign
        return rf"(?:\Z|(?=[{_END_OF_LINE}]))" if self._lines else r"\Z"

    def _escape(self) -> str:
        letter = self._source[self._at : self._at + 1]
        if letter in ("b", "B"):
            self._at, self._repeatable = self._at + 1, False
            return _EDGE if letter == "b" else _NO_EDGE
        if reference := _REFERENCE.match(self._source, self._at):
            self._at = reference.end()
            group = reference["number"] or _name(reference["name"])
            known = rf"\{group}" if reference["number"] else f"(?P={group})"
            # A group that took no part is found everywhere.
            return f"(?({group}){known}|)"
        one = self._set() or self._code()
        return f"[{one}]" if isinstance(one, str) else _literal(one)

    def _set(self) -> str | None:
        """Return the inside of a class for an escape that stands for many characters."""
        letter = self._source[self._at : self._at + 1]
        if ranges := _SETS.get(letter.lower()):
            self._at += 1
            ranges = ranges if letter.islower() else _all_but(ranges)
            return "".join(self._range(*one) for one in ranges)
        if (found := _PROPERTY.match(self._source, self._at)) is None:
            return None
        if not self._unicode:
            raise Unreadable(f"\\{found[0]} needs the flag u: /…/u")
        self._at = found.end()
        return f"\\{found[0]}"

    def _code(self) -> int:
        """Return the character that an escape stands for."""
        if coded := _CODE.match(self._source, self._at):
            return self._coded(coded)
        sign = self._source[self._at : self._at + 1]
        self._at += 1
        if sign in _CONTROLS:
            return _CONTROLS[sign]
        # JavaScript takes most of the others for the letter itself; who writes one means more.
        if not sign or sign.isalnum():
            raise Unreadable(f"\\{sign} is no escape of JavaScript")
        return ord(sign)

    def _coded(self, coded: re.Match[str]) -> int:
        self._at = coded.end()
        if coded["c"]:
            return ord(coded["c"]) % 32
        if coded["wide"] and not self._unicode:
            raise Unreadable(f"\\{coded[0]} needs the flag u: /…/u")
        code = int(coded["x"] or coded["u"] or coded["wide"] or "0", 16)
        low = _WITH_LOW_HALF.match(self._source, self._at)
        if low and _HIGH_HALF <= code < _LOW_HALF:
            self._at = low.end()
            code = 0x10000 + (code - _HIGH_HALF) * 0x400 + int(low[1], 16) - _LOW_HALF
        if code > _LAST:
            raise Unreadable(f"\\{coded[0]} is no character")
        return code

    def _class(self) -> str:
        negative = self._source.startswith("^", self._at)
        self._at += negative
        parts: list[str] = []
        while not self._source.startswith("]", self._at):
            parts.append(self._member())
        self._at += 1
        if not parts:
            return "(?s:.)" if negative else "(?!)"
        return f"[{'^' * negative}{''.join(parts)}]"

    def _member(self) -> str:
        first = self._member_end()
        after = self._source[self._at + 1 : self._at + 2]
        if not self._source.startswith("-", self._at) or after in ("]", ""):
            return _inside(first)
        self._at += 1
        last = self._member_end()
        if isinstance(first, int) and isinstance(last, int):
            if last < first:
                raise Unreadable("a range in a class has its ends in the wrong order")
            return self._range(first, last)
        if self._unicode:
            raise Unreadable("a range in a class ends with one character")
        return f"{_inside(first)}\\-{_inside(last)}"

    def _range(self, first: int, last: int) -> str:
        """Return a range; one of many letters does not stand for what their capitals are in ASCII."""
        parts = ""
        for left_out in self._left_out:
            if first <= left_out <= last:
                parts += _span(first, left_out - 1)
                first = left_out + 1
        return parts + _span(first, last)

    def _member_end(self) -> str | int:
        """Return what stands next in a class: a character, or the inside of a class."""
        sign = self._source[self._at : self._at + 1]
        if not sign:
            raise Unreadable("a class is not closed")
        self._at += 1
        if sign != "\\":
            return ord(sign)
        if self._source.startswith("b", self._at):
            self._at += 1
            return 8
        if self._source.startswith("-", self._at):
            self._at += 1
            return ord("-")
        return self._set() or self._code()


def _all_but(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    firsts = (0, *(last + 1 for _, last in ranges))
    lasts = (*(first - 1 for first, _ in ranges), _LAST)
    return tuple(zip(firsts, lasts, strict=True))


def _name(name: str) -> str:
    """Return a name that Python has too."""
    return name.replace("$", "__dollar__")


def _span(first: int, last: int) -> str:
    return f"{_literal(first)}-{_literal(last)}" if first <= last else ""


def _inside(member: str | int) -> str:
    return member if isinstance(member, str) else _literal(member)


def _literal(code: int) -> str:
    """Return a character as it is written in an expression, in a class and outside."""
    sign = chr(code)
    if sign.isalnum():
        return sign
    return f"\\{sign}" if "!" <= sign <= "~" else f"\\U{code:08x}"
