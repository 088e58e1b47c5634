"""The events, as authors of plugins have them."""

from __future__ import annotations

import ostiary
from ostiary.events import kinds


def test_every_event_is_there_for_plugins_to_match_on() -> None:
    missing = [name for name in kinds() if name not in ostiary.__all__]
    assert missing == []
    assert all(getattr(ostiary, name) is kind for name, kind in kinds().items())
