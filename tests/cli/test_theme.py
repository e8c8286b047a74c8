"""Tests of `linkauth theme`: the new theme of `new`, the reports of `check`, and the export of `preview`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_explain_and_doctor import linkauth
from tests.conftest import ROOT
from tests.theme_package import ThemePackage

PROBE = """
import sys
from webob import Request
from linkauth.web.serving import load
app = load(sys.argv[1]).app
uri = "https://pitangui.amazon.com/spa/skill/account-linking-status.html?vendorId=M2PREVIEW"
path = f"/authorize?client_id=skill&response_type=token&scope=orders&state=s&redirect_uri={uri}"
page = Request.blank(path).get_response(app)
assert page.status_int == 200, page
assert "Your account, by voice" in page.text and "Link my account" in page.text
(css,) = __import__("re").findall(r'href="(/static/[^"]+css)"', page.text)
assert "--round: 4px" in Request.blank(css).get_response(app).text
print("shown")
"""


def run(*command: str | Path, cwd: Path, site: Path | None = None, expect: int = 0) -> str:
    """Runs a command with the packages in the folder `site`, checks its exit code, and returns its output."""
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"} | ({"PYTHONPATH": str(site)} if site else {})
    arguments = [str(part) for part in command]
    result = subprocess.run(arguments, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=180)
    assert result.returncode == expect, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_a_new_theme_works_without_changes(tmp_path: Path) -> None:
    folder = tmp_path / "linkauth-theme-acme-rail"
    output = linkauth("theme", "new", "acme-rail", "--into", tmp_path, expect=0)
    assert output[1:] == [
        f"  pip install --editable '{folder}[test]'",
        f"  linkauth theme preview {folder}/preview.ini",
    ]
    texts = "".join(path.read_text("utf-8") for path in folder.rglob("*") if path.is_file() and path.suffix != ".mo")
    assert not re.findall(r"\{\{\w+\}\}", texts)
    site = tmp_path / "site"
    quiet = ("-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps", "--no-build-isolation")
    run(sys.executable, *quiet, "--target", site, folder, cwd=tmp_path)
    # its tests are those of the contract and some others
    passed = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder, site=site)
    assert int(re.findall(r"(\d+) passed", passed)[0]) > 12
    # a server shows pages of the theme
    ini = folder / "preview.ini"
    ini.write_text(
        ini.read_text("utf-8").replace("linkauth.secret", "linkauth.database_upgrade = at_start\nlinkauth.secret")
    )
    ini.write_text(ini.read_text("utf-8").replace("http://127.0.0.1:6543", "http://localhost"))
    assert run(sys.executable, "-c", PROBE, ini, cwd=folder, site=site).endswith("shown\n")
    # preview.ini sets the parameters for operators, so that the author sees them
    parameters = re.findall(r"^linkauth\.theme\.acme-rail\.(\w+) = \S", ini.read_text("utf-8"), re.MULTILINE)
    assert {"tagline", "username_hint", "username_example", "recovery_url", "sign_up_url"} < set(parameters)
    assert {"support_url", "support_text", "privacy_url", "terms_url"} < set(parameters)
    # the check reports no problem, and the theme can be the parent of another theme
    command = Path(sys.executable).with_name("linkauth")
    assert "acme-rail: all checks passed" in run(
        command, "theme", "check", "--no-browser", ini, cwd=tmp_path, site=site
    )
    reported = run(command, "theme", "new", "grandchild", "--parent", "acme-rail", cwd=tmp_path, site=site)
    assert "created " in reported
    setup = (tmp_path / "linkauth-theme-grandchild/setup.py").read_text("utf-8")
    assert 'install_requires=["linkauth", "linkauth-theme-acme-rail"]' in setup
    run(sys.executable, *quiet, "--target", site, tmp_path / "linkauth-theme-grandchild", cwd=tmp_path)
    ini = tmp_path / "linkauth-theme-grandchild/preview.ini"
    assert "grandchild: all checks passed" in run(
        command, "theme", "check", "--no-browser", ini, cwd=tmp_path, site=site
    )
    # a second theme with the same name is rejected
    run(command, "theme", "new", "acme-rail", "--into", site, cwd=tmp_path, site=site, expect=1)


def test_a_new_theme_passes_the_linter(tmp_path: Path) -> None:
    linkauth("theme", "new", "a1", "--into", tmp_path, expect=0)
    ruff = Path(sys.executable).with_name("ruff")
    options = ("--isolated", "--no-cache", "--line-length", "120")
    folder = tmp_path / "linkauth-theme-a1"
    run(ruff, "check", *options, "--select", "E,F,W,I,B,UP,RUF,SIM,PT", ".", cwd=folder)
    run(ruff, "format", *options, "--check", ".", cwd=folder)


@pytest.mark.parametrize(
    ("arguments", "code", "output"),
    [
        (["acme", "--parent", "defualt"], 2, "is not one of the installed themes"),
        (["Acme"], 2, "lowercase letters, digits"),
        (["default"], 1, "a theme named default is already installed"),
        (["acme", "--into", "/nowhere"], 2, "does not exist"),
        (["taken"], 1, "already exists and was not changed"),
    ],
)
def test_new_rejects_invalid_arguments(tmp_path: Path, arguments: list[str], code: int, output: str) -> None:
    (tmp_path / "linkauth-theme-taken").mkdir()
    target_options = [] if "--into" in arguments else ["--into", str(tmp_path)]
    assert output in " ".join(linkauth("theme", "new", *arguments, *target_options, expect=code))
    assert list(tmp_path.rglob("*")) == [tmp_path / "linkauth-theme-taken"]


@pytest.fixture
def ini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ini file with unreachable backends and database, and the theme `made`, whose login page has two problems."""
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", "/nowhere")
    path = tmp_path / "made.ini"
    path.write_text(text + "linkauth.theme = made\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    block = '<p style="margin: 0">Mind the gap.</p>'
    login = f'{{% extends "parent/login.jinja2" %}}{{% block ending %}}{block}{{% endblock %}}'
    ThemePackage(tmp_path, {"templates/login.jinja2": login}).install("made")
    return path


def test_check_reports_problems_and_exits_with_1(ini: Path) -> None:
    *findings, view, domains, counts = linkauth("theme", "check", "--no-browser", ini, expect=1)
    assert [line[:9] for line in findings] == ["FAILED   ", "warning  "]
    assert "made, login: fresh, ar and " in findings[0]
    assert "<p> has inline styles, which the Content-Security-Policy blocks" in findings[0]
    assert "“Mind the gap.” is the same in every language" in findings[1]
    assert re.fullmatch(r"made: the first view is [\d,]+ bytes compressed, [\d,]+ raw, in \d files", view)
    assert domains == "made: Amazon's Domain List: nothing to enter"
    assert counts == "made: 1 failed, 1 warning(s)"


@pytest.mark.parametrize("browser", ["none", "broken"])
def test_check_reports_that_the_browser_checks_did_not_run(
    ini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: str
) -> None:
    """The exit code depends only on the other checks."""
    (login,) = ini.parent.rglob("login.jinja2")
    login.write_text(login.read_text("utf-8").replace(' style="margin: 0"', ""), "utf-8")
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    expected = "made: axe did not check the pages in a browser: install Chromium or Google Chrome"
    if browser == "broken":
        (programs / "google-chrome").write_text("#!/bin/sh\nexit 3\n")
        (programs / "google-chrome").chmod(0o755)
        expected = f"made: axe did not check the pages in a browser, because {programs}/google-chrome failed: "
    # in a separate process, because other tests may already use Playwright in this one
    command = Path(sys.executable).with_name("linkauth")
    lines = run(command, "theme", "check", ini, cwd=tmp_path, site=tmp_path).splitlines()
    assert [line for line in lines if line.startswith(expected)], lines
    assert lines[-1] == "made: 1 warning(s)"


def test_check_names_the_missing_extra(ini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "axe_playwright_python", None)
    output = linkauth("theme", "check", ini, "--format", "json", expect=1)
    reported = json.loads("\n".join(output))["made"]
    assert [finding["warning"] for finding in reported["findings"]] == [False, True]
    assert reported["domains"] == []
    assert reported["weight"]["compressed"] < 30_000
    (unchecked,) = reported["unchecked"]
    assert "in a browser: pip install 'linkauth[axe]'" in unchecked


def test_check_reports_a_theme_that_cannot_be_opened(ini: Path) -> None:
    (login,) = ini.parent.rglob("login.jinja2")
    login.write_text("{% if %}", "utf-8")
    assert (
        "cannot be opened: linkauth.theme: made, login.jinja2 line 1"
        in linkauth("theme", "check", "--no-browser", ini, expect=1)[0]
    )
    ini.write_text(ini.read_text("utf-8").replace("linkauth.theme = made", "linkauth.theme = mode"), "utf-8")
    assert "is not one of the installed themes" in linkauth("theme", "check", "--no-browser", ini, expect=1)[0]


def test_an_export_is_complete_and_needs_no_server(ini: Path, tmp_path: Path) -> None:
    folder = tmp_path / "for/marketing"
    (output,) = linkauth("theme", "preview", ini, "--export", folder, expect=0)
    pages = sorted(folder.glob("pages/made/*/*.html"))
    assert output == f"{len(pages)} pages; open {folder}/index.html"
    assert len(pages) > 300
    assert folder / "pages/made/de/login.wrong_password.dark-200.html" in pages
    assert not list(folder.glob("pages/made/en-XA"))
    for path in [*pages[::25], folder / "index.html"]:
        html = path.read_text("utf-8")
        assert not re.findall(r'(?:src|href)="/', html), path
        for name in re.findall(r'(?:src|href)="([^":#]+)"', html):
            assert (path.parent / name).is_file(), name
        # browsers use the first attribute `method`; "dialog" sends no request
        assert all(
            form.startswith('<form method="dialog"') for form in re.findall(r"<form[^>]*>", html) if path in pages
        )
    for css in folder.glob("static/made/*/*.css"):
        assert not re.findall(r"url\(/", css.read_text("utf-8"))
    assert linkauth("theme", "preview", ini, "--export", folder, expect=1) == [f"Error: {folder}: File exists"]
