"""Tests that systemd learns when a server serves, and that it stops."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from linkauth.web.service_manager import notify
from tests.servers.development_server import DevelopmentServer


def test_systemd_is_told_when_the_server_serves_and_when_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        server = DevelopmentServer(tmp_path)
        server.start()
        assert manager.recv(100) == b"READY=1"
        server.stop()
        assert manager.recv(100) == b"STOPPING=1"
    log = server.log.read_text("utf-8")
    assert log.index("warmed up") < log.index("linkauth serves")


def test_a_missing_manager_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    assert not caplog.messages
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")
    assert caplog.messages == ["systemd was not told READY=1: NOTIFY_SOCKET: No such file or directory"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0linkauth-test-notify")
        manager.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", "@linkauth-test-notify")
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"
