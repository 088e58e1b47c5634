from __future__ import annotations

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.settings import SettingsError, load
from ostiary.settings.colors import (
    BLACK,
    DARK,
    ENOUGH,
    LIGHT,
    WHITE,
    Color,
    contrast,
    least,
    lightened,
    on,
)

COLORS = st.builds(Color, *[st.integers(0, 255)] * 3)


def loaded(**colors: str) -> None:
    overrides = {f"pages.colors.{name}": value for name, value in colors.items()}
    load(config=None, environment={"HOME": "/"}, overrides=overrides)


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast(WHITE, BLACK) == pytest.approx(21)
    assert contrast(Color.read("#777777"), WHITE) == pytest.approx(4.48, abs=0.005)
    assert contrast(Color.read("#767676"), WHITE) == pytest.approx(4.54, abs=0.005)


@given(COLORS)
def test_what_stands_on_any_colour_can_be_read(color: Color) -> None:
    assert contrast(on(color), color) >= ENOUGH


@given(COLORS)
def test_any_colour_becomes_one_that_can_be_read_in_the_dark(color: Color) -> None:
    assert least(lightened(color), DARK) >= ENOUGH


def test_colours_that_cannot_be_read_stop_the_start() -> None:
    with pytest.raises(SettingsError, match=r"pages\.colors\.accent.* contrast of 1\.\d\d"):
        loaded(accent="#ffee00")
    with pytest.raises(SettingsError, match=r"pages\.colors\.accentDark.* contrast of 1\.\d\d"):
        loaded(accentDark="#202020")


@pytest.mark.parametrize("written", ["red", "#fff", "#2850a8;", "#2850a8}*{color:red"])
def test_a_colour_is_nothing_but_a_colour(written: str) -> None:
    with pytest.raises(SettingsError, match="wanted: a colour such as"):
        loaded(accent=written)


def test_what_is_behind_texts_is_what_the_stylesheet_says() -> None:
    sheet = (files("ostiary.pages") / "static" / "ostiary.css").read_text(encoding="utf-8")
    light, _, dark = sheet.partition("@media (prefers-color-scheme: dark)")
    for part, (paper, wash) in ((light, LIGHT), (dark, DARK)):
        assert f"--paper: {paper};" in part
        assert f"--wash: {wash};" in part
