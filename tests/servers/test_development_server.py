"""Tests that development.ini starts with one command in an empty folder."""

from __future__ import annotations

from pathlib import Path

from tests.servers.development_server import DevelopmentServer


def test_development_ini_starts_in_an_empty_folder(tmp_path: Path) -> None:
    server = DevelopmentServer(tmp_path)
    try:
        server.start()
    finally:
        server.stop()
    assert (tmp_path / "var/linkauth.sqlite").is_file()
