"""Plots: where figures stand in them, and what is drawn where there are none."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from ostiary.pages.plots import (
    HEIGHT,
    LEAST,
    WIDTH,
    Linear,
    Logarithmic,
    Scale,
    Value,
    across,
    bars,
    line,
)


@pytest.mark.parametrize(
    "values, top",
    [([], 1), ([0, 0], 1), ([1], 1), ([2], 2), ([3, 1], 5), ([7], 10), ([11], 20), ([50_001], 1e5)],
)
def test_counts_have_a_round_number_at_the_top(values: list[int], top: float) -> None:
    scale = Linear.of(values)
    assert scale.ticks() == (top, 0)
    assert (scale.place(top), scale.place(0)) == (0, HEIGHT)


@pytest.mark.parametrize(
    "values, ticks",
    [
        ([], (10, 1)),
        ([None], (10, 1)),
        ([3.0], (10, 1)),
        ([10.0], (100, 10)),
        ([0.02, None, 40.0], (100, 10, 1, 0.1, 0.01)),
    ],
)
def test_durations_have_powers_of_ten_beside_them(
    values: list[Value], ticks: tuple[float, ...]
) -> None:
    scale = Logarithmic.of(values)
    assert scale.ticks() == pytest.approx(ticks)
    assert all(0 <= scale.place(value) <= HEIGHT for value in values if value)


@pytest.mark.parametrize("scale", [Linear(20), Logarithmic(-2, 3)])
def test_ticks_stand_in_even_distances_from_the_top_to_the_bottom(scale: Scale) -> None:
    places = [scale.place(tick) for tick in scale.ticks()]
    assert (places[0], places[-1]) == pytest.approx((0, HEIGHT))
    distances = [later - earlier for earlier, later in pairwise(places)]
    assert distances == pytest.approx([HEIGHT / len(distances)] * len(distances))
    lines = re.findall(r"M0 ([\d.]+)H30", across(3, scale))
    assert [float(place) for place in lines] == pytest.approx(places)


def test_a_bar_stands_in_its_step_and_is_as_high_as_its_number() -> None:
    path = bars([0, 5, 10], Linear(10))
    assert path == f"M11 {HEIGHT}V50H19V{HEIGHT}z" + f"M21 {HEIGHT}V0H29V{HEIGHT}z"


def test_the_smallest_number_can_be_seen() -> None:
    assert f"V{HEIGHT - LEAST:g}H" in bars([1], Linear(1_000_000))


def test_a_line_is_broken_where_nothing_is_known() -> None:
    path = line([None, 1.0, 10.0, None, 1.0], Logarithmic(0, 1))
    assert path == f"M{WIDTH} {HEIGHT}h{WIDTH}V0h{WIDTH}M{4 * WIDTH} {HEIGHT}h{WIDTH}"


def test_of_nothing_nothing_is_drawn() -> None:
    assert bars([0, 0], Linear(1)) == line([None], Logarithmic(0, 1)) == ""
