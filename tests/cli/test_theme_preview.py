"""Tests of `linkauth theme preview`: it shows the pages of production, follows file changes, and accepts no post."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from pyramid.exceptions import ConfigurationError
from webtest import TestApp

from linkauth.cli.resources import load_settings
from linkauth.theming.development import open_development_theme
from linkauth.theming.gallery import Gallery
from linkauth.theming.reloading import ThemeReloader
from linkauth.web import headers
from tests.conftest import ROOT
from tests.theme_package import CATALOG, ThemePackage

LOGIN = (
    '{% extends "parent/login.jinja2" %}{% block ending %}<p>{% trans %}Mind the gap.{% endtrans %}</p>{% endblock %}'
)
CSS = '{% include "parent/static/page.css.jinja2" %} .one {}'
PO = "locale/de/LC_MESSAGES/linkauth.po"
FRESH, DARK = "login.fresh.light-100.html", "login.fresh.dark-200.html"


@pytest.fixture
def theme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ThemePackage:
    monkeypatch.syspath_prepend(tmp_path)
    made = ThemePackage(tmp_path, {"templates/login.jinja2": LOGIN, "static/page.css.jinja2": CSS})
    made.install("made")
    return made


@pytest.fixture
def ini(tmp_path: Path, theme: ThemePackage) -> Path:
    """An ini file with the theme `made`, and with unreachable backends and database."""
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", "/nowhere")
    path = tmp_path / "made.ini"
    path.write_text(text + "linkauth.theme = made\n", "utf-8")
    return path


@pytest.fixture
def reloader(ini: Path) -> ThemeReloader:
    return ThemeReloader(ini, lambda: load_settings(str(ini)))


@pytest.fixture
def gallery(reloader: ThemeReloader) -> TestApp:
    return TestApp(Gallery(reloader), extra_environ={"HTTP_HOST": "127.0.0.1:6544"})


def test_a_page_equals_that_of_production_except_that_it_can_be_framed(gallery: TestApp, ini: Path) -> None:
    theme = open_development_theme(load_settings(str(ini)), "made")
    response = gallery.get(f"/pages/made/de/{FRESH}")
    shown = re.sub(r"\.\./\.\./\.\./static/made/light-100/", "/static/made/", response.text)
    assert shown == theme.render("login", "de", **theme.states[0].context)
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    policy = headers.CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
    assert response.headers["Content-Security-Policy"] == policy
    other_headers = {
        name: value for name, value in headers.HEADERS if name not in ("X-Frame-Options", "Content-Security-Policy")
    }
    assert other_headers.items() <= dict(response.headers).items()


def test_every_page_and_every_file_that_it_references_exists(gallery: TestApp, reloader: ThemeReloader) -> None:
    theme = reloader.snapshot().themes["made"]
    assert {"en-XA", "ar-XB", "de", "en"} <= set(theme.languages)
    for state in theme.states:
        for language, variant in (("en", "light-100"), ("ar-XB", "dark-200")):
            response = gallery.get(f"/pages/made/{language}/{state.page}.{state.name}.{variant}.html")
            for path in set(re.findall(r'(?:src|href)="(?:\.\./){3}(static/[^"]+)"', response.text)):
                assert gallery.get(f"/{path}").status_int == 200


def test_a_button_to_another_page_of_linkauth_keeps_the_page(gallery: TestApp) -> None:
    page = gallery.get("/pages/made/en/login.recovery_and_registration.light-100.html")
    buttons = page.html.find_all("button", formaction=True)
    # the theme overrides the block with the other button
    assert [button["formaction"] for button in buttons] == ["/authorize/recover"]
    for address in ("/authorize/recover", "/authorize"):
        assert gallery.get(f"{address}?ui_locales=de").status_int == 204


def test_a_mail_is_shown_with_its_subject_and_its_plain_text(gallery: TestApp) -> None:
    for language, subject in (("en", "Your code for Example Rides"), ("de", "Ihr Code für Beispiel Fahrten")):
        response = gallery.get(f"/pages/made/{language}/mail.recovery_code.dark-200.html")
        assert response.text.count("KWQ7-M3XP") == 2
        assert response.html.find("pre").text.startswith(f"{subject}\n\n")
        assert "style-src 'unsafe-inline'" in response.headers["Content-Security-Policy"]
        assert "script-src" not in response.headers["Content-Security-Policy"]


def test_each_further_client_has_its_first_page(reloader: ThemeReloader) -> None:
    names = [state.name for state in reloader.snapshot().themes["made"].states if state.page == "login"]
    assert names[0] == "fresh"
    assert "fresh.home" in names
    # a client without a grant has no login page
    assert "fresh.skill-backend" not in names


def test_an_error_takes_the_focus_except_inside_the_gallery(gallery: TestApp) -> None:
    url = "/pages/made/en/login.locked.light-100.html"
    assert " autofocus>" in gallery.get(url).text
    assert " autofocus" not in gallery.get(url, headers={"Sec-Fetch-Dest": "iframe"}).text


def test_file_changes_are_visible_at_once(gallery: TestApp, theme: ThemePackage, ini: Path) -> None:
    stamps = [gallery.get("/version").json["version"]]

    def changed() -> bool:
        stamps.append(gallery.get("/version").json["version"])
        return stamps[-1] != stamps[-2]

    assert not changed()
    theme.write({"templates/login.jinja2": LOGIN.replace("gap", "step")})
    assert changed()
    assert "Mind the step." in gallery.get(f"/pages/made/en/{FRESH}").text
    theme.write({"static/page.css.jinja2": CSS.replace("one", "two")})
    assert changed()
    (css,) = re.findall(r"static/[^\"]+\.css", gallery.get(f"/pages/made/en/{DARK}").text)
    assert ".two {}" in gallery.get(f"/{css}").text
    # the catalog need not be compiled
    theme.write({PO: CATALOG + 'msgid "Mind the step."\nmsgstr "Vorsicht, Stufe."\n'})
    assert changed()
    assert "Vorsicht, Stufe." in gallery.get(f"/pages/made/de/{FRESH}").text
    ini.write_text(ini.read_text("utf-8").replace("service_name = Example Rides", "service_name = New Rides"), "utf-8")
    assert changed()
    assert "New Rides" in gallery.get(f"/pages/made/en/{FRESH}").text


def test_a_new_language_is_offered_in_the_gallery(gallery: TestApp, theme: ThemePackage) -> None:
    original_shape = gallery.get("/version").json["signature"]
    theme.write({"locale/cy/LC_MESSAGES/linkauth.po": CATALOG.replace("de", "cy") + 'msgid "Help"\nmsgstr "Cymorth"\n'})
    assert gallery.get("/version").json["signature"] != original_shape
    assert '"cy": "Welsh"' in gallery.get("/").text.replace("&#34;", '"')


def test_an_error_in_a_file_is_reported_and_the_last_valid_pages_stay(gallery: TestApp, theme: ThemePackage) -> None:
    gallery.get("/")
    theme.write({"templates/login.jinja2": "{% extends %}"})
    assert "made, login.jinja2 line 1" in gallery.get("/version").json["problem"]
    assert "Mind the gap." in gallery.get(f"/pages/made/en/{FRESH}").text
    theme.write({PO: 'msgid "half'})
    assert gallery.get("/version").json["problem"]
    (theme.root / PO).unlink()
    theme.write({"templates/login.jinja2": LOGIN.replace("Mind", "{{ nobody_gave_this }}")})
    response = gallery.get(f"/pages/made/en/{FRESH}", status=500)
    assert "nobody_gave_this" in response.text
    theme.write({"templates/login.jinja2": '{% extends "login.jinja2" %}'})
    assert "overrides is parent/login.jinja2" in gallery.get(f"/pages/made/en/{FRESH}", status=500).text
    theme.write({"templates/login.jinja2": LOGIN})
    assert gallery.get("/version").json["problem"] == ""
    assert "Mind the gap." in gallery.get(f"/pages/made/en/{FRESH}").text


def test_a_default_language_without_a_catalog_is_rejected_as_in_a_server(ini: Path) -> None:
    ini.write_text(ini.read_text("utf-8") + "linkauth.default_language = sv\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"default_language: is not a language of the theme made: ar"):
        open_development_theme(load_settings(str(ini)), "made")


def test_posting_a_form_has_no_effect(gallery: TestApp) -> None:
    response = gallery.post(f"/pages/made/en/{FRESH}", {"username": "ada", "password": "x"}, status=204)
    assert response.body == b""
    # except the language menu, which redirects to the page in that language
    chosen = gallery.get(f"/pages/made/en/{FRESH}?ui_locales=de", status=303)
    assert chosen.location.endswith(f"/pages/made/de/{FRESH}")


@pytest.mark.parametrize(
    "path",
    [
        "/pages/made/xx/login.fresh.light-100.html",
        "/pages/made/en/login.fresh.light-300.html",
        "/pages/none/en/login.fresh.light-100.html",
        "/static/made/light-100/none.css",
        "/static/made/none/page.css",
        "/gallery.jinja2",
        "/../made.ini",
    ],
)
def test_other_paths_return_404(gallery: TestApp, path: str) -> None:
    gallery.get(path, status=404)


def test_the_gallery_rejects_other_host_names(gallery: TestApp) -> None:
    gallery.get("/", headers={"Host": "evil.example"}, status=403)
    assert "default-src 'none'" in gallery.get("/").headers["Content-Security-Policy"]


def test_the_gallery_is_served_until_the_process_is_terminated(ini: Path, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("linkauth")), "theme", "preview", str(ini), "--port", "0"]
    environ = {"PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            output = server.stdout.readline()
            (url,) = re.findall(r"^(http://127\.0\.0\.1:\d+/) shows made; stop it with Ctrl\+C$", output)
            with urllib.request.urlopen(url, timeout=30) as response:
                assert b"Theme gallery" in response.read()
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
