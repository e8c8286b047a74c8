"""What a child can override, each seam once: a colour, a block, a sentence, a page, the logo, a parameter."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

import linkauth_theme_default
from linkauth.config.plugins import load
from linkauth.testing import ThemeContract
from linkauth.testing.theme import TEXTS
from linkauth.themes.theme import Theme, open_theme
from linkauth_theme_vellmoor import Parameters


def opened(name: str, **parameters: object) -> Theme:
    module = load("themes", name)
    return open_theme(name, module, module.Parameters(**parameters), TEXTS, f"/static/{name}/")


@pytest.fixture(scope="module")
def parent() -> Theme:
    return opened("default")


def css(theme: Theme) -> str:
    (file,) = (each for each in theme.static.values() if each.name.endswith(".css"))
    return file.body.decode()


class TestVellmoor(ThemeContract):
    name = "vellmoor"

    def test_colours_are_its_own_and_come_in_the_one_style_sheet(self, theme: Theme, parent: Theme) -> None:
        assert "--accent: #1f4d3f;" in css(theme)
        assert css(theme).startswith(re.split(r"--accent", css(parent))[0])
        # the last one counts
        assert re.findall(r"--card: (#\w+)", css(theme))[-2:] == ["#fffdf7", "#1a221e"]

    def test_the_header_is_its_own_and_the_rest_of_the_page_the_parents(self, theme: Theme, parent: Theme) -> None:
        assert '<header class="band">' in self.login(theme)
        assert '<header class="band">' not in self.login(parent)
        form = re.compile(r'<form method="post">.*<button type="submit" class="primary"', re.DOTALL)
        (own,), (parents,) = form.findall(self.login(theme)), form.findall(self.login(parent))
        assert own.replace("Customer number or e-mail address", "User name") == parents

    def test_two_sentences_are_its_own_in_every_language_and_all_others_are_inherited(
        self, theme: Theme, parent: Theme
    ) -> None:
        assert theme.languages == parent.languages
        assert "Customer number or e-mail address" in self.login(theme)
        assert "Kundennummer oder E-Mail-Adresse" in self.login(theme, "de")
        assert "お客様番号またはメールアドレス" in self.login(theme, "ja")
        own, inherited = re.compile(r'<label for="username">.*|<h2>.*'), re.compile(r"<h1>.*|<p>.*|<strong.*|<button.*")
        for language in theme.languages:
            mine, parents = (self.login(each, language, error="throttled", retry_after=60) for each in (theme, parent))
            assert len(own.findall(mine)) == 2
            assert not set(own.findall(mine)) & set(own.findall(parents))
            assert inherited.findall(mine) == inherited.findall(parents) != []

    def test_one_page_is_its_own_as_a_whole(self, theme: Theme, parent: Theme) -> None:
        assert 'class="line"' in theme.render("home", "en")
        assert "Account linking for Alexa" in theme.render("home", "en")
        assert 'class="line"' not in parent.render("home", "en")

    def test_the_logo_is_its_own(self, theme: Theme, parent: Theme) -> None:
        (own,), (parents,) = ([f for f in t.static.values() if f.name.startswith("mark.")] for t in (theme, parent))
        assert own.body != parents.body
        assert own.name in self.login(theme)

    def test_a_parameter_is_its_own_beside_the_parents(self) -> None:
        inherited = {each.name for each in fields(linkauth_theme_default.Parameters)}
        assert {each.name for each in fields(Parameters)} == inherited | {"motto"}
        motto = {"": "Slow trains, fast answers", "de": "Langsame Züge, schnelle Antworten"}
        theme = opened("vellmoor", motto=motto, username_hint={"": "Seven digits"})
        assert motto[""] in self.login(theme)
        assert motto["de"] in self.login(theme, "de")
        assert "Seven digits" in self.login(theme)
        faults = list(Parameters(motto={"": "x" * 61}, accent="red").faults())
        assert [key for key, _ in faults] == ["accent", "motto"]
