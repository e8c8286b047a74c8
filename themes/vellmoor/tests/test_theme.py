"""Tests that a child theme overrides a colour, a block, a message, a page, the logo and a parameter."""

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


def open_by_name(name: str, **parameters: object) -> Theme:
    module = load("themes", name)
    return open_theme(name, module, module.Parameters(**parameters), TEXTS, f"/static/{name}/")


@pytest.fixture(scope="module")
def parent() -> Theme:
    return open_by_name("default")


def css(theme: Theme) -> str:
    (file,) = (each for each in theme.static.values() if re.fullmatch(r"page\..*\.css", each.name))
    return file.body.decode()


class TestVellmoor(ThemeContract):
    name = "vellmoor"

    def test_colours_are_overridden_in_the_style_sheet(self, theme: Theme, parent: Theme) -> None:
        assert "--accent: #1f4d3f;" in css(theme)
        assert css(theme).startswith(re.split(r"--accent", css(parent))[0])
        # the last declaration applies
        assert re.findall(r"--card: (#\w+)", css(theme))[-2:] == ["#fffdf7", "#1a221e"]

    def test_header_block_is_overridden_and_form_is_inherited(self, theme: Theme, parent: Theme) -> None:
        assert '<p class="name">Example Rides</p>' in self.login(theme)
        assert '<p class="name">' not in self.login(parent)
        form = re.compile(r'<form method="post">.*<button type="submit" class="primary"', re.DOTALL)
        (child_form,), (parent_form,) = form.findall(self.login(theme)), form.findall(self.login(parent))
        assert child_form.replace("Customer number or e-mail address", "User name") == parent_form

    def test_two_messages_are_overridden_in_every_language(self, theme: Theme, parent: Theme) -> None:
        assert theme.languages == parent.languages
        assert "Customer number or e-mail address" in self.login(theme)
        assert "Kundennummer oder E-Mail-Adresse" in self.login(theme, "de")
        assert "お客様番号またはメールアドレス" in self.login(theme, "ja")
        overridden, inherited = (
            re.compile(r'<label for="username">.*|<h2>.*'),
            re.compile(r"<h1>.*|<p>.*|<strong.*|<button.*"),
        )
        for language in theme.languages:
            child_page, parent_page = (
                self.login(each, language, error="throttled", retry_after=60) for each in (theme, parent)
            )
            assert len(overridden.findall(child_page)) == 2
            assert not set(overridden.findall(child_page)) & set(overridden.findall(parent_page))
            assert inherited.findall(child_page) == inherited.findall(parent_page) != []

    def test_home_page_is_overridden(self, theme: Theme, parent: Theme) -> None:
        assert 'class="line"' in theme.render("home", "en")
        assert "Account linking for Alexa" in theme.render("home", "en")
        assert 'class="line"' not in parent.render("home", "en")

    def test_logo_is_overridden(self, theme: Theme, parent: Theme) -> None:
        (child_logo,), (parent_logo,) = (
            [f for f in t.static.values() if f.name.startswith("mark.")] for t in (theme, parent)
        )
        assert child_logo.body != parent_logo.body
        assert child_logo.name in self.login(theme)

    def test_parameter_is_added_to_inherited_ones(self) -> None:
        inherited = {each.name for each in fields(linkauth_theme_default.Parameters)}
        assert {each.name for each in fields(Parameters)} == inherited | {"motto"}
        motto = {"": "Slow trains, fast answers", "de": "Langsame Züge, schnelle Antworten"}
        theme = open_by_name("vellmoor", motto=motto, username_hint={"": "Seven digits"})
        assert motto[""] in self.login(theme)
        assert motto["de"] in self.login(theme, "de")
        assert "Seven digits" in self.login(theme)
        faults = list(Parameters(motto={"": "x" * 61}, accent="red").faults())
        assert [key for key, _ in faults] == ["accent", "motto"]
