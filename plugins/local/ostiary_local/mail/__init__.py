"""Mail to users: what it says, to whom it goes, and how it is kept until it is delivered."""

from __future__ import annotations
