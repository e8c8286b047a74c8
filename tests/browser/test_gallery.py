"""Tests of the gallery of `linkauth theme preview` in Chromium, and of the pages of the theme vellmoor in it."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from playwright.sync_api import Browser, BrowserContext, Page, expect
from waitress.server import create_server

from linkauth.cli import main
from linkauth.cli.resources import load_settings
from linkauth.theming.gallery import Gallery
from linkauth.theming.reloading import ThemeReloader
from tests.browser import page_checks
from tests.conftest import ROOT
from tests.theme_package import ThemePackage

LOGIN = '{% extends "parent/login.jinja2" %}{% block ending %}<p>Mind the gap.</p>{% endblock %}'
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThemePackage]:
    folder = tmp_path_factory.mktemp("gallery")
    sys.path.insert(0, str(folder))
    theme = ThemePackage(folder, {"templates/login.jinja2": LOGIN})
    theme.install("made-for-the-gallery")
    yield theme
    sys.path.remove(str(folder))


def write_ini(folder: Path, theme: str, extra_settings: str = "") -> Path:
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", "/nowhere")
    path = folder / f"{theme}.ini"
    path.write_text(f"{text}linkauth.theme = {theme}\n{extra_settings}", "utf-8")
    return path


@pytest.fixture(scope="module")
def serve(chromium_path: str) -> Iterator[Callable[[Path], str]]:
    """`serve(ini)` starts a preview server and returns its URL."""
    servers = []

    def start(ini: Path) -> str:
        server = create_server(
            Gallery(ThemeReloader(ini, lambda: load_settings(str(ini)))), host="127.0.0.1", port=0, threads=4
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.effective_port}/"

    yield start
    for server, thread in servers:
        server.close()
        thread.join(30)


@pytest.fixture(scope="module")
def gallery(serve: Callable[[Path], str], made: ThemePackage) -> str:
    return serve(write_ini(made.root.parent, "made-for-the-gallery"))


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield context.new_page()
    assert faults == []


def test_filters_select_pages_and_are_stored_in_the_url(page: Page, gallery: str) -> None:
    page.goto(gallery)
    expect(page.locator("#count")).to_have_text("4 pages")
    expect(page.locator("iframe")).to_have_count(4)
    for name in ("wrong_password", "German (de)", "320 px"):
        box = page.get_by_role("checkbox", name=name, exact=True)
        box.set_checked(not box.is_checked())
    expect(page.locator("#count")).to_have_text("8 pages")
    page.reload()
    expect(page.locator("#count")).to_have_text("8 pages")
    assert Axe().run(page, options={"iframes": False}).violations_count == 0
    page.get_by_role("checkbox", name="error", exact=True).check()
    for group in ("state", "language", "width", "text"):
        page.get_by_role("group", name=group).get_by_role("checkbox", name="all").check()
    expect(page.locator("#count")).to_contain_text("the first 300 of ")


def test_frames_have_the_selected_colour_scheme_and_text_size(page: Page, gallery: str) -> None:
    page.goto(f"{gallery}#page=login&state=fresh,locked&language=en&width=320&scheme=light,dark&text=100,200")
    expect(page.locator("iframe")).to_have_count(8)
    results = set()
    for frame in page.locator("iframe").all():
        frame.scroll_into_view_if_needed()
        inner = frame.element_handle().content_frame()
        assert inner
        inner.wait_for_load_state()
        size = inner.evaluate("getComputedStyle(document.documentElement).fontSize")
        results.add((sum(map(int, re.findall(r"\d+", inner.evaluate(BACKGROUND)))) > 380, size))
        # the frame has the height of its page
        expect(frame).to_have_attribute("height", re.compile(r"\d{3,}"))
    assert results == {(light, size) for light in (True, False) for size in ("16px", "32px")}
    # the error in a frame does not take the focus
    assert page.evaluate("document.activeElement === document.body")


def test_a_file_change_is_shown_without_a_click(page: Page, gallery: str, made: ThemePackage) -> None:
    page.goto(f"{gallery}#page=login&state=fresh&language=en&width=360&scheme=light&text=100")
    inner = page.frame_locator("iframe")
    expect(inner.get_by_text("Mind the gap.")).to_be_visible()
    made.write({"templates/login.jinja2": LOGIN.replace("gap", "step")})
    expect(inner.get_by_text("Mind the step.")).to_be_visible()
    made.write({"templates/login.jinja2": "{% if %}"})
    expect(page.get_by_role("alert")).to_contain_text("login.jinja2 line 1")
    made.write({"templates/login.jinja2": LOGIN})
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(inner.get_by_text("Mind the gap.")).to_be_visible()


def test_submitting_a_form_does_not_leave_the_page(page: Page, gallery: str) -> None:
    page.goto(f"{gallery}pages/made-for-the-gallery/en/login.fresh.light-100.html")
    page.fill("#username", "ada")
    page.fill("#password", "x")
    with page.expect_response(lambda response: response.request.method == "POST") as posted:
        page.click("button.primary")
    assert posted.value.status == 204
    expect(page.locator("#username")).to_have_value("ada")


def test_an_export_works_from_the_file_system(page: Page, made: ThemePackage, tmp_path: Path) -> None:
    ini = write_ini(made.root.parent, "made-for-the-gallery")
    result = CliRunner().invoke(main, ["theme", "preview", str(ini), "--export", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    page.goto(
        f"{(tmp_path / 'out/index.html').as_uri()}#page=login&state=fresh&language=de&width=360&scheme=dark&text=100"
    )
    inner = page.frame_locator("iframe")
    expect(inner.get_by_label("Passwort", exact=True)).to_be_visible()
    dark = inner.locator("body").evaluate(f"() => {BACKGROUND}")
    assert sum(map(int, re.findall(r"\d+", dark))) < 150
    inner.locator("#username").fill("ada")
    inner.locator("#password").fill("x")
    inner.locator("button.primary").click()
    expect(inner.locator("#username")).to_have_value("ada")


SHOWN = [
    *("login.fresh", "login.no_scopes", "login.wrong_password", "login.unavailable", "password.too_short.minimum"),
    *("error.wrong_redirect_uri", "error.unexpected", "home.fresh"),
]


@pytest.fixture(scope="module")
def vellmoor(serve: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    extra_settings = "linkauth.theme.vellmoor.motto = Slow trains, fast answers\n"
    extra_settings += "linkauth.theme.vellmoor.support_url = https://example.com/\n"
    return serve(write_ini(tmp_path_factory.mktemp("vellmoor"), "vellmoor", extra_settings))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ar-XB"])
def test_axe_finds_no_violation_in_vellmoor(page: Page, vellmoor: str, language: str, scheme: str) -> None:
    for name in SHOWN:
        page.goto(f"{vellmoor}pages/vellmoor/{language}/{name}.{scheme}-100.html")
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("size", ["100", "200"])
def test_vellmoor_fits_into_a_width_of_320_pixels(
    context: BrowserContext, page: Page, vellmoor: str, size: str
) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    for language in ("en-XA", "ar-XB", "de"):
        for name in SHOWN:
            page.goto(f"{vellmoor}pages/vellmoor/{language}/{name}.light-{size}.html")
            assert page.evaluate(page_checks.OVERFLOW_SCRIPT) == [], (language, name)
