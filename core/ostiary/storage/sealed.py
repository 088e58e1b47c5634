"""The type of a column that holds sealed secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import LargeBinary
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    Base = TypeDecorator[bytes]
else:
    Base = TypeDecorator


class Sealed(Base):
    """Bytes that a ``Sealer`` has sealed for this column, and opens for this column only.

    In the database it is a ``LargeBinary``, and so it stands in a revision. By the type the
    core finds what has to be sealed again after the master key was replaced.
    """

    impl = LargeBinary
    cache_ok = True
    sealed = True
