"""What all tests of the plugin share: a provider on loopback, and who signs in there."""

from __future__ import annotations

from .besieged import second, siege, standing
from .visiting import loopback, site, visitor

__all__ = ["loopback", "second", "siege", "site", "standing", "visitor"]
