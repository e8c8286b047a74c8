"""Tests that pages are readable with any configured colours (WCAG 2.2, success criteria 1.4.3 and 1.4.11)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkauth_theme_default import Parameters
from linkauth_theme_default.colours import black_or_white, contrast, luminance, readable

COLOURS = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06x}")
CARDS = {"light": "#ffffff", "dark": "#181c23"}


@given(accent=COLOURS, background=COLOURS)
@settings(deadline=None, max_examples=500)
def test_any_pair_of_colours_gives_sufficient_contrast(accent: str, background: str) -> None:
    parameters = Parameters(accent=accent, background=background)
    assert contrast(parameters.on_accent, accent) >= 4.5
    for name, card in CARDS.items():
        scheme = getattr(parameters, name)
        assert contrast(scheme.text_on_page, scheme.page) >= 4.5
        assert contrast(scheme.quiet_on_page, scheme.page) >= 4.5
        assert contrast(scheme.link_on_card, card) >= 4.5
        assert contrast(scheme.edge_on_card, card) >= 3
    assert parameters.light.page == background
    # the page stays dark in the dark scheme
    assert luminance(parameters.dark.page) < 0.03


@given(colour=COLOURS, ground=COLOURS)
@settings(deadline=None)
def test_readable_colour_is_unchanged(colour: str, ground: str) -> None:
    result = readable(colour, ground, 3)
    assert contrast(result, ground) >= 3
    assert (result == colour) == (contrast(colour, ground) >= 3)


def test_black_or_white_is_readable_on_every_grey() -> None:
    greys = [f"#{grey:02x}{grey:02x}{grey:02x}" for grey in range(256)]
    assert [grey for grey in greys if contrast(black_or_white(grey), grey) < 4.5] == []


def test_contrast_conforms_to_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_only_unreadable_colour_is_changed() -> None:
    blue = Parameters(accent="#1d4f91")
    assert blue.light.link_on_card == "#1d4f91"
    assert blue.dark.link_on_card != "#1d4f91"
    assert Parameters(accent="#ffcc00").dark.link_on_card == "#ffcc00"
