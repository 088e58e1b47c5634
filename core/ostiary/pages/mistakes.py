"""What somebody has typed, and cannot be used."""

from __future__ import annotations


class Mistaken(Exception):
    """What stands in a form cannot be sent, or not be read.

    :ivar text: why, in English, marked for translation; ``values`` fill it.
    :ivar field: where it stands; empty where that is no matter.
    """

    status = 400

    def __init__(self, text: str, *values: object, field: str = "") -> None:
        super().__init__(text)
        self.text, self.values, self.field = text, values, field
