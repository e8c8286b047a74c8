"""Tests of the mails of a theme: their three texts, and that a child theme can override each block."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from pyramid.exceptions import ConfigurationError

import linkauth_theme_default
from linkauth.config.plugins import load
from linkauth.login.challenges import CODE_SECONDS
from linkauth.testing.theme import TEXTS
from linkauth.themes.states import MAIL
from linkauth.themes.theme import Theme, open_theme
from tests.theme_package import ThemePackage

HOSTILE = '<b>"O\'Neil"</b> &amp;\n{{ 7 * 7 }}'
RIGHT_TO_LEFT_CODE = "\u2066KWQ7-M3XP\u2069"


@pytest.fixture(scope="module")
def theme() -> Theme:
    parameters = linkauth_theme_default.Parameters(
        support_text={"": "Service desk: 030 1234-0 & more"}, support_url={"": "https://help.example.com/?a=1&b=2"}
    )
    return open_theme("default", load("themes", "default"), parameters, TEXTS, "/static/default/")


def test_code_is_in_both_bodies_in_two_groups_and_not_in_the_subject(theme: Theme) -> None:
    for kind in ("recovery_code", "registration_code"):
        parts = theme.mail(kind, "en", "skill", (), "KWQ7M3XP", CODE_SECONDS // 60)
        assert "\n\nKWQ7-M3XP\n\n" in parts.text
        assert ">KWQ7-M3XP<" in parts.html
        assert "KWQ7" not in parts.subject
        assert "15\u00a0minutes" in parts.text
        assert "15\u00a0minutes" in parts.html
        assert "Ride Hailer" in parts.text


def test_plain_text_is_not_escaped_and_the_document_is(theme: Theme) -> None:
    parts = theme.mail("user_names", "en", "skill", ("O'Neil & <Sons>", "anna"))
    assert "\n- O'Neil & <Sons>\n- anna\n" in parts.text
    assert "O&#39;Neil &amp; &lt;Sons&gt;" in parts.html
    assert "Service desk: 030 1234-0 & more\nhttps://help.example.com/?a=1&b=2\n" in parts.text


def test_hostile_texts_stay_text() -> None:
    texts = {**TEXTS, "service_name": {"": HOSTILE}}
    parameters = linkauth_theme_default.Parameters()
    theme = open_theme("default", load("themes", "default"), parameters, texts, "/static/default/")
    parts = theme.mail("account_exists", "en", "hostile", (HOSTILE,))
    assert parts.subject == 'You already have an account with <b>"O\'Neil"</b> &amp; {{ 7 * 7 }}'
    assert "<b>" not in parts.html
    assert "{{ 7 * 7 }}" in parts.text


def test_code_is_isolated_from_right_to_left_text(theme: Theme) -> None:
    parts = theme.mail("recovery_code", "ar", "skill", (), "KWQ7M3XP", 15)
    assert f"\n{RIGHT_TO_LEFT_CODE}\n" in parts.text
    assert '<html lang="ar" dir="rtl">' in parts.html
    assert '<code dir="ltr" style="font: inherit">KWQ7-M3XP</code>' in parts.html


@pytest.mark.parametrize(("language", "expected"), [("de-AT", "de"), ("xx", "en"), ("", "en"), ("es-419", "es-MX")])
def test_mail_in_a_language_that_the_theme_no_longer_has_is_readable(
    theme: Theme, language: str, expected: str
) -> None:
    assert theme.mail("test", language) == theme.mail("test", expected)


def test_mail_of_a_client_that_no_longer_exists_is_readable(theme: Theme) -> None:
    assert "to link it with Example Rides" in theme.mail("recovery_code", "en", "gone", (), "KWQ7M3XP", 15).text


def test_code_page_states_the_time_for_which_codes_are_valid(theme: Theme) -> None:
    assert CODE_SECONDS == 15 * 60
    context = {"challenge": "c", "purpose": "recovery", "username": "a", "tries_left": 0}
    html = theme.render("code", "en", client_id="skill", form_token="t", error="", retry_after=0, **context)
    assert "The code is valid for 15\u00a0minutes." in html


def test_child_theme_overrides_one_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    text = '{% extends "parent/mail.jinja2" %}{% block subject %}Moin: {{ super() }}{% endblock %}'
    module = import_module(ThemePackage(tmp_path, {f"templates/{MAIL}": text}).package)
    theme = open_theme("made", module, module.Parameters(), TEXTS, "/static/made/")
    parts = theme.mail("test", "en")
    assert parts.subject == "Moin: Test email from Example Rides"
    assert parts.text.startswith("This is a test.")


@pytest.mark.parametrize("fault", ["{{ nobody_gave_this }}", "{{ 1 / 0 if kind == 'account_exists' else '' }}"])
def test_start_renders_every_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """A fault of a mail would otherwise be found only when somebody waits for it."""
    monkeypatch.syspath_prepend(tmp_path)
    text = '{% extends "parent/mail.jinja2" %}{% block text %}' + fault + "{% endblock %}"
    module = import_module(ThemePackage(tmp_path, {f"templates/{MAIL}": text}).package)
    with pytest.raises(ConfigurationError, match="made cannot render mail in en: "):
        open_theme("made", module, module.Parameters(), TEXTS, "/static/made/")
