"""Lighthouse, as a phone: 100 for accessibility and for best practices."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.browser.conftest import ARGUMENTS
from tests.browser.languages import THOROUGH
from tests.browser.states import STATES, path
from tests.servers.development_server import DevelopmentServer

CATEGORIES = ("accessibility", "best-practices")


def judge(lighthouse: list[str], chromium: str, url: str, folder: Path) -> list[str]:
    """What costs points on the page at `url`; Lighthouse takes a mobile phone unless it is told otherwise."""
    report = folder / "report.json"
    flags = " ".join(("--headless", *ARGUMENTS))
    options = [f"--only-categories={','.join(CATEGORIES)}", "--output=json", f"--output-path={report}"]
    options += [f"--chrome-flags={flags}", "--no-enable-error-reporting", "--quiet"]
    subprocess.run([*lighthouse, url, *options], env={**os.environ, "CHROME_PATH": chromium}, check=True, timeout=180)
    found = json.loads(report.read_text("utf-8"))
    assert found["configSettings"]["formFactor"] == "mobile"
    assert found["finalDisplayedUrl"] == url
    assert set(found["categories"]) == set(CATEGORIES)
    audits = {
        audit["id"]: found["audits"][audit["id"]]
        for each in found["categories"].values()
        for audit in each["auditRefs"]
    }
    lost = [f"{name}: {audit['title']}" for name, audit in audits.items() if audit["score"] not in (None, 1)]
    return lost + [f"{name} is {each['score']}" for name, each in found["categories"].items() if each["score"] != 1]


@pytest.mark.parametrize("language", [tag for tag in ("ar", "en") if tag in THOROUGH])
def test_the_login_page_has_every_point(
    lighthouse: list[str], chromium_path: str, served: DevelopmentServer, tmp_path: Path, language: str
) -> None:
    uri = f"{served.url}/simulator/pitangui/spa/skill/account-linking-status.html?vendorId=M2SIMULATOR"
    requested = f"client_id=ride-hailer&response_type=token&redirect_uri={uri}&state=S&ui_locales={language}"
    assert judge(lighthouse, chromium_path, f"{served.url}/authorize?{requested}", tmp_path) == []


@pytest.mark.parametrize(("page", "error"), [("login", "wrong_password"), ("password", "too_short.minimum")])
def test_a_page_with_an_error_has_every_point(
    lighthouse: list[str], chromium_path: str, stated: DevelopmentServer, tmp_path: Path, page: str, error: str
) -> None:
    (state,) = [each for each in STATES if (each.page, each.name) == (page, error)]
    assert judge(lighthouse, chromium_path, stated.url + path(state, "de"), tmp_path) == []
