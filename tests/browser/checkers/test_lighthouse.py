"""Tests that Lighthouse gives the pages a score of 100 for accessibility and best practices on a phone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.browser.conftest import ARGUMENTS
from tests.browser.languages import TEST_LANGUAGES
from tests.browser.states import STATES, path
from tests.servers.development_server import DevelopmentServer

CATEGORIES = ("accessibility", "best-practices")


def failed_audits(lighthouse: list[str], chromium: str, url: str, folder: Path) -> list[str]:
    """Returns the audits that the page at `url` fails. Lighthouse emulates a phone by default."""
    report = folder / "report.json"
    flags = " ".join(("--headless", *ARGUMENTS))
    options = [f"--only-categories={','.join(CATEGORIES)}", "--output=json", f"--output-path={report}"]
    options += [f"--chrome-flags={flags}", "--no-enable-error-reporting", "--quiet"]
    subprocess.run([*lighthouse, url, *options], env={**os.environ, "CHROME_PATH": chromium}, check=True, timeout=180)
    result = json.loads(report.read_text("utf-8"))
    assert result["configSettings"]["formFactor"] == "mobile"
    assert result["finalDisplayedUrl"] == url
    categories = result["categories"]
    assert set(categories) == set(CATEGORIES)
    audits = {
        audit["id"]: result["audits"][audit["id"]]
        for category in categories.values()
        for audit in category["auditRefs"]
    }
    failed = [f"{name}: {audit['title']}" for name, audit in audits.items() if audit["score"] not in (None, 1)]
    return failed + [
        f"{name} has a score of {category['score']}" for name, category in categories.items() if category["score"] != 1
    ]


@pytest.mark.parametrize("language", [tag for tag in ("ar", "en") if tag in TEST_LANGUAGES])
def test_the_login_page_has_the_full_score(
    lighthouse: list[str], chromium_path: str, demo_server: DevelopmentServer, tmp_path: Path, language: str
) -> None:
    uri = f"{demo_server.url}/simulator/pitangui/spa/skill/account-linking-status.html?vendorId=M2SIMULATOR"
    authorization_request = (
        f"client_id=ride-hailer&response_type=token&redirect_uri={uri}&state=S&ui_locales={language}"
    )
    assert (
        failed_audits(lighthouse, chromium_path, f"{demo_server.url}/authorize?{authorization_request}", tmp_path) == []
    )


@pytest.mark.parametrize(("page", "error"), [("login", "wrong_password"), ("password", "too_short.minimum")])
def test_a_page_with_an_error_has_the_full_score(
    lighthouse: list[str], chromium_path: str, state_server: DevelopmentServer, tmp_path: Path, page: str, error: str
) -> None:
    (state,) = [state for state in STATES if (state.page, state.name) == (page, error)]
    assert failed_audits(lighthouse, chromium_path, state_server.url + path(state, "de"), tmp_path) == []
