"""The default theme keeps the contract, and is as small and as readable as it says."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from linkauth.plugins import load
from linkauth.testing import ThemeContract
from linkauth.testing.theme import TEXTS
from linkauth.themes import Theme, open_theme
from linkauth_theme_default import Parameters


class TestDefaultTheme(ThemeContract):
    name = "default"

    def test_it_speaks_english_and_german(self, theme: Theme) -> None:
        assert {"de", "en"} <= set(theme.languages)
        assert "Anmelden und verknüpfen" in self.login(theme, "de")
        assert "Sign in and link" in self.login(theme, "en")

    def test_the_first_view_is_14_kb_in_4_requests(self, theme: Theme) -> None:
        html = self.login(theme)
        names = [name for name in theme.static if f"/{name}" in html]
        weight = sum(len(gzip.compress(body)) for body in [html.encode(), *(theme.static[n].body for n in names)])
        assert weight <= 14_000
        assert 1 + len(names) <= 4

    def test_wait_times_are_in_words(self, theme: Theme) -> None:
        assert "1 second," in self.login(theme, error="throttled", retry_after=1)
        assert "40 seconds," in self.login(theme, error="throttled", retry_after=40)
        assert "2 minutes," in self.login(theme, error="throttled", retry_after=91)
        assert "2 Minuten" in self.login(theme, "de", error="throttled", retry_after=91)

    def test_a_skill_without_scopes_is_explained_too(self, theme: Theme) -> None:
        assert "Ride Hailer will know who you are at Example Rides." in self.login(theme, scopes=())

    def test_a_scope_without_a_text_shows_its_name(self, theme: Theme) -> None:
        assert "<li>scope_without_a_text</li>" in self.login(theme)


class TestDefaultThemeWithEveryParameter(ThemeContract):
    name = "default"

    @pytest.fixture
    def theme(self, tmp_path: Path) -> Theme:
        logo = tmp_path / "Our Logo.PNG"
        logo.write_bytes(b"\x89PNG, as far as this test looks")
        parameters = Parameters(
            accent="#ffcc00",
            logo=str(logo),
            username_label={"": "Staff number", "de": "Personalnummer"},
            username_hint={"": "Such as 4711 or a.smith@example.com"},
            help_url={"": "https://help.example.com/", "de": "https://help.example.com/de"},
            privacy_url={"": "https://example.com/privacy"},
            terms_url={"": "https://example.com/terms"},
        )
        assert not list(parameters.faults())
        return open_theme("default", load("themes", "default"), parameters, TEXTS, "/static/default/")

    def test_the_parameters_are_on_the_page(self, theme: Theme) -> None:
        english, german = self.login(theme), self.login(theme, "de")
        assert "Staff number" in english
        assert "Personalnummer" in german
        assert "Such as 4711" in german
        assert 'href="https://help.example.com/de"' in german
        assert 'aria-describedby="hint which"' in english
        (css,) = [file.body.decode() for file in theme.static.values() if file.name.endswith(".css")]
        assert "--accent: #ffcc00;" in css
        assert "--on-accent: #000000;" in css
        (logo,) = [file for file in theme.static.values() if file.name.startswith("logo.")]
        assert logo.content_type == "image/png"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("accent", "red"),
        ("accent", "#12345"),
        ("accent", "#1d4f91;} body{display:none"),
        ("logo", "logo.exe"),
        ("logo", "/nowhere/logo.svg"),
        ("help_url", {"": "javascript:alert(1)"}),
        ("privacy_url", {"": "http://example.com"}),
        ("terms_url", {"": "https://example.com", "de": "//example.com"}),
    ],
)
def test_a_wrong_parameter_is_named(key: str, value: object) -> None:
    assert [named for named, _ in Parameters(**{key: value}).faults()] == [key]  # type: ignore[arg-type]


@pytest.mark.parametrize("accent", ["#000000", "#1d4f91", "#767676", "#777777", "#808080", "#ffcc00", "#ffffff"])
def test_the_button_is_readable_on_every_accent(accent: str) -> None:
    def luminance(colour: str) -> float:
        return Parameters(accent=colour)._luminance

    pair = sorted((luminance(accent), luminance(Parameters(accent=accent).on_accent)))
    assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5


def test_the_package_ships_its_catalogs() -> None:
    package = Path(load("themes", "default").__file__).parent
    assert (package / "locale/de/LC_MESSAGES/linkauth.mo").is_file()
