"""Tests of the default theme: the contract of themes, its size, parameters and texts."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from linkauth.config.plugins import load
from linkauth.testing import ThemeContract
from linkauth.testing.theme import TEXTS
from linkauth.themes.theme import Theme, open_theme
from linkauth_theme_default import LOGO_LIMIT, Parameters


class TestDefaultTheme(ThemeContract):
    name = "default"

    def test_theme_has_english_and_german(self, theme: Theme) -> None:
        assert {"de", "en"} <= set(theme.languages)
        assert "Anmelden und verknüpfen" in self.login(theme, "de")
        assert "Sign in and link" in self.login(theme, "en")

    def test_first_view_needs_at_most_14_kb_in_4_requests(self, theme: Theme) -> None:
        html = self.login(theme)
        names = [name for name in theme.static if f"/{name}" in html]
        weight = sum(len(gzip.compress(body)) for body in [html.encode(), *(theme.static[n].body for n in names)])
        assert weight <= 14_000
        assert 1 + len(names) <= 4

    @pytest.mark.parametrize(
        ("language", "seconds", "text"),
        [
            ("en", 1, "wait 1\u00a0second,"),
            ("en", 40, "wait 40\u00a0seconds,"),
            ("en", 60, "about 1\u00a0minute,"),
            ("en", 61, "about 2\u00a0minutes,"),
            ("en", 5400, "about 90\u00a0minutes,"),
            ("en", 5401, "about 2\u00a0hours,"),
            ("en", 86_400, "about 24\u00a0hours,"),
            ("de", 1, "warten Sie 1\u00a0Sekunde "),
            ("de", 91, "etwa 2\u00a0Minuten "),
            ("de", 36_000_000, "etwa 10.000\u00a0Stunden "),
        ],
    )
    def test_wait_time_is_written_in_suitable_unit(self, theme: Theme, language: str, seconds: int, text: str) -> None:
        assert text in self.login(theme, language, error="throttled", retry_after=seconds)

    def test_page_explains_skill_without_scopes(self, theme: Theme) -> None:
        assert "Ride Hailer will be told which Example Rides account is yours." in self.login(theme, scopes=())

    def test_scope_without_text_is_shown_by_name(self, theme: Theme) -> None:
        assert "<li><bdi>scope_without_a_text</bdi></li>" in self.login(theme)


class TestDefaultThemeWithEveryParameter(ThemeContract):
    name = "default"

    @pytest.fixture
    def theme(self, tmp_path: Path) -> Theme:
        logo = tmp_path / "Our Logo.PNG"
        logo.write_bytes(b"\x89PNG\r\n\x1a\n, only the signature matters")
        parameters = Parameters(
            accent="#ffcc00",
            logo=str(logo),
            username_label={"": "Staff number", "de": "Personalnummer"},
            background="#113355",
            username_hint={"": "It stands on your badge."},
            username_example={"": "a.smith or CORP\\asmith"},
            recovery_url={"": "https://password.example.com/"},
            sign_up_url={"": "https://join.example.com/"},
            support_url={"": "https://help.example.com/", "de": "https://help.example.com/de"},
            support_text={"": "Service desk: 030 1234-0", "de": "IT-Service: 030 1234-0"},
            privacy_url={"": "https://example.com/privacy"},
            terms_url={"": "https://example.com/terms"},
        )
        assert not list(parameters.faults())
        return open_theme("default", load("themes", "default"), parameters, TEXTS, "/static/default/")

    def test_parameters_are_on_page(self, theme: Theme) -> None:
        english, german = self.login(theme), self.login(theme, "de")
        assert "Staff number" in english
        assert "Personalnummer" in german
        assert "<p><bdi>It stands on your badge.</bdi></p>" in german
        # a separate line
        assert "<p>For example: <bdi>a.smith or CORP\\asmith</bdi></p>" in english
        assert 'href="https://help.example.com/de"' in german
        assert 'href="https://password.example.com/"' in english
        assert 'href="https://join.example.com/"' in english
        assert 'aria-describedby="hint which"' in english
        (css,) = [file.body.decode() for file in theme.static.values() if re.fullmatch(r"page\..*\.css", file.name)]
        assert "--accent: #ffcc00;" in css
        assert "--page: #113355;" in css
        assert "--on-accent: #000000;" in css
        (logo,) = [file for file in theme.static.values() if file.name.startswith("logo.")]
        assert logo.content_type == "image/png"

    def test_support_contact_is_shown_for_refusals_that_need_it(self, theme: Theme) -> None:
        for error in ("locked", "disabled", "account_expired", "logon_restricted", "second_factor", "not_entitled"):
            assert "IT-Service: 030 1234-0" in self.login(theme, "de", error=error)
        for error in ("wrong_password", "throttled", "stale", "unavailable"):
            assert "Service desk" not in self.login(theme, error=error)

    def test_expired_password_page_links_to_recovery_url(self, theme: Theme) -> None:
        assert self.login(theme, error="password_expired").count('href="https://password.example.com/"') == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("accent", "red"),
        ("accent", "#12345"),
        ("accent", "#1d4f91;} body{display:none"),
        ("logo", "logo.exe"),
        ("logo", "/nowhere/logo.svg"),
        ("background", "#fff"),
        ("support_url", {"": "javascript:alert(1)"}),
        ("recovery_url", {"": "http://example.com"}),
        ("sign_up_url", {"": "https://example.com/a b"}),
        ("privacy_url", {"": "http://example.com"}),
        ("terms_url", {"": "https://example.com", "de": "//example.com"}),
    ],
)
def test_invalid_parameter_is_reported(key: str, value: object) -> None:
    assert [name for name, _ in Parameters(**{key: value}).faults()] == [key]  # type: ignore[arg-type]


DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'


@pytest.mark.parametrize(
    "content",
    [
        DRAWING.format("<script>alert(1)</script>"),
        DRAWING.format('<rect onclick="alert(1)"/>'),
        DRAWING.format('<a href="javascript:alert(1)"><rect/></a>'),
        DRAWING.format('<image xlink:href="https://elsewhere.example.com/a.png"/>'),
        DRAWING.format('<rect fill="url( &quot;//elsewhere.example.com/a.svg#p&quot;)"/>'),
        DRAWING.format("<style>@import url(https://elsewhere.example.com/a.css);</style>"),
        DRAWING.format("<style><a/>rect { fill: URL('https://elsewhere.example.com/a.svg#p') }</style>"),
        '<?xml-stylesheet href="https://elsewhere.example.com/a.css"?>' + DRAWING.format("<rect/>"),
        DRAWING.format("<foreignObject/>"),
        DRAWING.format("<rect>"),
        "not a drawing",
        DRAWING.format("<!--" + "x" * LOGO_LIMIT + "-->"),
    ],
)
def test_logo_with_active_or_external_content_is_refused(content: str, tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text(content, "utf-8")
    assert [name for name, _ in Parameters(logo=str(logo)).faults()] == ["logo"]
    valid = (
        '<defs><path id="p"/></defs><!-- a --><use xlink:href="#p" fill="url(&quot;#p&quot;)" style="fill: url( #p )"/>'
    )
    logo.write_text(DRAWING.format(valid), "utf-8")
    assert not list(Parameters(logo=str(logo)).faults())


@pytest.mark.parametrize(
    ("extension", "content"),
    [
        ("png", b"\x89PNG\r\n\x1a\n..."),
        ("jpg", b"\xff\xd8\xff..."),
        ("JPEG", b"\xff\xd8\xff..."),
        ("webp", b"RIFF\n\0\0\0WEBP..."),
    ],
)
def test_content_of_logo_must_match_its_extension(extension: str, content: bytes, tmp_path: Path) -> None:
    logo = tmp_path / f"logo.{extension}"
    logo.write_bytes(content)
    assert not list(Parameters(logo=str(logo)).faults())
    for other in (b"", b"<html>", content[1:], b"GIF89a"):
        logo.write_bytes(other)
        assert list(Parameters(logo=str(logo)).faults()) == [
            ("logo", "names a file whose content does not match its extension")
        ]


def test_japanese_headings_have_no_indent_and_keep_a_particle_with_its_bracket() -> None:
    theme = open_theme("default", load("themes", "default"), Parameters(), TEXTS, "/static/default/")
    for scopes in ((), ("order_car",)):
        html = ThemeContract.login(theme, "ja", scopes=scopes)
        assert '<h1 class="bracket">「Ride Hailer」\u2060を' in html
        assert '<h2 id="consent" class="bracket">「Ride Hailer」\u2060' in html
        # the title of the page has no invisible characters
        assert "<title>「Ride Hailer」を" in html
    assert "bracket" not in ThemeContract.login(theme, "de")


def test_script_is_small_and_has_no_text() -> None:
    script = Path(load("themes", "default").__file__).with_name("static") / "page.js"
    assert len(script.read_bytes()) < 2048
    # the texts are in the page, where they are translated
    assert re.findall(r"""["'`][A-Z]\w+ \w+""", script.read_text("utf-8")) == []


def test_package_contains_compiled_catalogs() -> None:
    package = Path(load("themes", "default").__file__).parent
    assert (package / "locale/de/LC_MESSAGES/linkauth.mo").is_file()
