"""The histogram: a place for every duration, and percentiles that are near enough."""

from __future__ import annotations

import random
from statistics import quantiles

import pytest

from ostiary.services.histogram import BOUNDS, percentile, place_of
from ostiary.storage.tables import PLACES


@pytest.mark.parametrize(
    "milliseconds, place",
    [
        (0, 0),
        (0.015, 0),
        (BOUNDS[0], 1),
        (0.9, 6),
        (1, 7),
        (BOUNDS[-1] - 1, PLACES - 2),
        (BOUNDS[-1], PLACES - 1),
        (1e9, PLACES - 1),
    ],
)
def test_every_duration_has_a_place_below_its_bound(milliseconds: float, place: int) -> None:
    assert place_of(milliseconds) == place


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile([0] * PLACES, 0.5) is None


@pytest.mark.parametrize("place", range(PLACES))
def test_what_lies_in_one_place_has_its_percentiles_there(place: int) -> None:
    counts = [0] * PLACES
    counts[place] = 3
    median, p95 = percentile(counts, 0.5), percentile(counts, 0.95)
    assert median is not None
    assert p95 is not None
    assert median < p95
    if place:
        assert BOUNDS[place - 1] <= median
    if place < PLACES - 1:
        assert p95 <= BOUNDS[place]


@pytest.mark.parametrize("spread", [0.3, 1.0, 2.0])
def test_percentiles_are_near_those_of_the_durations(spread: float) -> None:
    chance = random.Random(spread)
    durations = [chance.lognormvariate(1, spread) for _ in range(5000)]
    counts = [0] * PLACES
    for duration in durations:
        counts[place_of(duration)] += 1
    exact = quantiles(durations, n=100)
    for share in (0.5, 0.95):
        found = percentile(counts, share)
        assert found is not None
        assert 0.7 < found / exact[round(share * 100) - 1] < 1.4
