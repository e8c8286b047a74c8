"""Tests that a theme written by an earlier `linkauth theme new`, before pyramid_jinja2, is still rendered."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from linkauth.testing.theme import TEXTS
from linkauth.themes.states import State, page_states
from linkauth.themes.theme import DEFAULTS, Theme, open_theme

FOLDER = Path(__file__).parent / "earlier_theme"


@pytest.fixture
def theme() -> Iterator[Theme]:
    sys.path.insert(0, str(FOLDER))
    module = import_module("linkauth_theme_meadow")
    yield open_theme("meadow", module, module.Parameters(), TEXTS, "/static/meadow/")
    sys.path.remove(str(FOLDER))


def test_earlier_theme_renders_every_state_in_every_language(theme: Theme) -> None:
    states = page_states("skill", ("order_car", "scope_without_a_text"))
    assert len(theme.languages) > 8
    for language in theme.languages:
        for state in states:
            html = theme.render(state.page, language, **state.context)
            assert f'<html lang="{language}"' in html, (state, language)
            assert "/static/meadow/page." in html


def test_earlier_theme_adds_its_css_to_inherited_css(theme: Theme) -> None:
    (css,) = [file.body.decode("utf-8") for name, file in theme.static.items() if re.fullmatch(r"page\..*\.css", name)]
    own = (FOLDER / "linkauth_theme_meadow/static/page.css.jinja2").read_text("utf-8").rsplit("%}", 1)[1].strip()
    assert css.rstrip().endswith(own)
    assert len(css) > 10 * len(own)


def test_page_renders_without_variables_that_are_newer_than_its_view(theme: Theme) -> None:
    """A view of an earlier plugin, or a test of an earlier theme, does not give them."""
    fresh: dict[str, State] = {}
    for state in page_states("skill", ("order_car",)):
        fresh.setdefault(state.page, state)
    for language in theme.languages:
        for state in fresh.values():
            earlier = {name: value for name, value in state.context.items() if name not in DEFAULTS}
            html = theme.render(state.page, language, **earlier)
            assert html == theme.render(state.page, language, **state.context)
            # every form is posted to the URL of the page
            assert " action=" not in html
            assert "providers." not in html
