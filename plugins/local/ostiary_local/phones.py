"""Telephone numbers as names: any way to write one, and E.164, which all of them share."""

from __future__ import annotations

from ostiary import mark
from ostiary_local import errors

LONGEST = 64
"""Characters of a number as somebody writes it; 15 of them are digits (ITU-T E.164)."""

FEWEST_DIGITS = 5


def fit(phone: object, region: str | None) -> str:
    """Return a number that may be taken, as E.164 writes it.

    :raises errors.InvalidPhone: it may not, and the error says why.
    """
    if not isinstance(phone, str):
        raise errors.InvalidPhone(mark("must be a text"))
    number = key(phone, region)
    if number is None:
        with_country = mark("is none that can be called with its country, as in +44 20 7946 0958")
        raise errors.InvalidPhone(mark("is none that can be called") if region else with_country)
    return number


def key(text: str, region: str | None) -> str | None:
    """Return a number as E.164 writes it, or None if the text is no number.

    :param region: whose numbers may be written without their country: ISO 3166-1, two letters.
    """
    if not _may_be_one(text, region):
        return None
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def regions() -> frozenset[str]:
    """Return the regions whose numbers are known."""
    import phonenumbers

    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def _may_be_one(text: str, region: str | None) -> bool:
    """Sort out most names without the library, which is not loaded for them."""
    if len(text) > LONGEST or not (region or "+" in text):
        return False
    return sum(map(str.isdecimal, text)) >= FEWEST_DIGITS and not any(map(str.isalpha, text))
