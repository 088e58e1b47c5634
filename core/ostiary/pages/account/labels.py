"""What strategies are called on pages that name them."""

from __future__ import annotations

from ostiary.pages.visit import Visit


async def labels(visit: Visit) -> dict[str, str]:
    """Return the labels of the strategies that are installed, by their names."""
    return {one["name"]: one["label"] for one in await visit.strategies()}
