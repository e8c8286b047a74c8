"""Tests that a theme can be checked without the secrets of the servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from tests.conftest import ROOT


def test_theme_check_needs_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secrets in production.ini are in files and environment variables that a theme author does not have."""
    for name in ("STAFF_DATABASE", "RIDE_HAILER_SECRET"):
        monkeypatch.delenv(name, raising=False)
    text = (ROOT / "production.ini").read_text("utf-8").partition("[loggers]")[0]
    text = text.replace("/run/secrets/", f"{tmp_path}/none/")
    ini = tmp_path / "linkauth.ini"
    ini.write_text(text, "utf-8")
    result = CliRunner().invoke(main, ["theme", "check", "--no-browser", str(ini)])
    assert result.exit_code == 0, result.output
    # other settings must be right, and other commands need the secrets
    refused = CliRunner().invoke(main, ["backends", "list", str(ini)])
    assert "linkauth.secret: names the file" in refused.output
    ini.write_text(text.replace("linkauth.public_url", "linkauth.publik_url"), "utf-8")
    refused = CliRunner().invoke(main, ["theme", "check", "--no-browser", str(ini)])
    assert "linkauth.publik_url: is not a known key" in refused.output
