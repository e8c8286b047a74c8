"""Tests of `linkauth try`, which signs in once and shows what the backends see, and never the password."""

from __future__ import annotations

import base64
import getpass
import json
import logging
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.simulator import people
from tests.backends.outcomes import NEW, PASSWORD
from tests.conftest import ROOT

RIGHT = "lovelace-1815"
Ini = Callable[..., Path]


@pytest.fixture
def ini(tmp_path: Path, backend_plugins: Path) -> Ini:
    """`ini(**settings)` writes an ini file; None removes a key. Its people are those of the demo."""
    people.create(f"sqlite:///{tmp_path}/people.sqlite")

    def write(**changes: str | None) -> Path:
        text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
        for name, value in changes.items():
            key = f"linkauth.{name.replace('__', '.')}"
            text = re.sub(rf"^{re.escape(key)} = .*\n", "", text, flags=re.MULTILINE)
            text += f"{key} = {value}\n" if value is not None else ""
        path = tmp_path / "linkauth.ini"
        path.write_text(text, "utf-8")
        return path

    return write


def attempt(ini: Path, name: str, password: str, *options: str, variable: str = "TRY_PASSWORD") -> tuple[int, str]:
    """Runs the command with the password in a variable, and returns the exit code and the output."""
    arguments = ["try", str(ini), name, "--password-variable", variable, *options]
    result = CliRunner().invoke(main, arguments, env={"TRY_PASSWORD": password})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result.exit_code, result.output


def test_a_sign_in_that_succeeds_shows_each_step(ini: Ini, tmp_path: Path) -> None:
    code, output = attempt(ini(), "\u200eADA@example.com ", RIGHT)
    assert (code, output.splitlines()) == (
        0,
        [
            "staff: may own the name",
            "asked staff",
            "  looked up: 'ADA@example.com' in login, email of people",
            "  row: subject 1 and email = 'ada@example.com'",
            "  password: argon2",
            "  check: the password is correct",
            "  active: 1 (active)",
            "  outcome: the password is correct, and the account may sign in",
            "sign-in: staff would let the person in",
            "  subject: 1",
            "  username: ada",
            "  name: Ada Lovelace",
            "  email: ada@example.com",
            "  sub for clients: staff:1",
            "the person would see: the app again, with the skill linked",
            "linkauth has not counted this sign-in, and has made no link.",
        ],
    )
    # not even linkauth's own database was opened
    assert not (tmp_path / "linkauth.sqlite").exists()


def test_refusals_show_the_reason_and_the_words_of_the_page(ini: Ini) -> None:
    counted = "The user store may have counted it as a failed one."
    code, output = attempt(ini(), "konrad", "zuse-1910")
    assert code == 1
    assert "  active: 0 (not active)\n  outcome: disabled\n" in output
    assert "sign-in: staff would refuse it\nreason: disabled\n" in output
    assert "the person would see: Your account is deactivated / You cannot sign in with this account." in output
    assert counted in output
    code, output = attempt(ini(), "ada", "wrong one 17", "--language", "de")
    assert (code, counted in output) == (1, True)
    assert "  check: the password is wrong\n" in output
    # the state is read only after the password was right, as in a real sign-in
    assert "active:" not in output
    assert "the person would see: Name oder Passwort ist falsch / " in output
    code, output = attempt(ini(), "nobody", "wrong one 17")
    assert (code, "  row: none\n  outcome: no such account\n" in output) == (1, True)
    assert "sign-in: no backend knows the name, so it would be refused\n" in output
    code, output = attempt(ini(backend__staff__accepts="*@corp.example"), "ada", RIGHT)
    assert (code, "asked" in output) == (1, False)
    assert "staff: may not own the name (accepts *@corp.example)\n" in output
    assert "reason: no backend accepts the name\n" in output


def test_a_hash_that_cannot_be_used_is_the_reason_and_explain_predicts_it(ini: Ini, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "people.sqlite")) as database, database:
        database.execute("UPDATE people SET password_hash = ? WHERE login = 'ada'", (md5(RIGHT.encode()).hexdigest(),))
        database.execute("UPDATE people SET password_hash = '' WHERE login = 'grace'")
    problem = "is a hex_md5 hash, which schemes does not allow"
    code, output = attempt(ini(), "ada", RIGHT)
    assert code == 1
    assert f"  password: {problem}\n" in output
    assert f"reason: wrong password: the stored password {problem}\n" in output
    for name, shown in (("ada", problem), ("grace", "there is none")):
        result = CliRunner().invoke(main, ["explain", str(ini()), name])
        assert result.exit_code == 1
        assert f"  password: {shown}\n  would be refused: disabled\nsign-in: staff would refuse it" in result.output
        assert "right password" not in result.output


def test_the_exit_code_and_the_page_tell_each_outcome_of_a_plugin_that_reports_nothing(ini: Ini) -> None:
    path = ini(backends="outcomes changing", backend__outcomes__use="outcomes", backend__changing__use="changing")
    path.write_text(
        re.sub(r"^linkauth\.backend\.staff\..*\n", "", path.read_text("utf-8"), flags=re.MULTILINE), "utf-8"
    )
    unavailable = "the person would see: We cannot check your password right now / "
    cases = {
        "markup": (0, "sign-in: outcomes would let the person in"),
        "down": (3, "reason: BackendUnavailable: connection refused\n" + unavailable),
        "misconfigured": (4, "reason: BackendMisconfigured: our own account is locked\n" + unavailable),
        "crash": (3, "reason: violated its contract: it raised RuntimeError\n" + unavailable),
        "exit": (3, "reason: violated its contract: it raised SystemExit\n" + unavailable),
        "stuck": (
            1,
            "reason: locked, shown as a wrong password\nthe person would see: The name or the password is wrong",
        ),
        "locked": (1, "reason: locked\nthe person would see: Your account is locked / "),
        "expired-ada": (1, "sign-in: changing would let the person in after a change of the password\n"),
    }
    for name, (expected, words) in cases.items():
        code, output = attempt(path, name, PASSWORD)
        assert (code, words in output) == (expected, True), output
        assert "asked outcomes\n" in output
        assert PASSWORD not in output
    assert "the person would see: Choose a new password / Your password is correct, but it has expired." in output
    assert NEW not in output


def test_a_shadow_is_not_asked(ini: Ini) -> None:
    _, output = attempt(
        ini(backends="staff outcomes", backend__outcomes__use="outcomes", backend__outcomes__shadow="true"),
        "ada",
        RIGHT,
    )
    assert "outcomes (shadow): not asked, because a shadow decides nothing\n" in output
    assert output.count("\nasked ") == 1


class EchoingAPI(BaseHTTPRequestHandler):
    """A login API that repeats the password in its response, in a redirect and in its error code."""

    def do_POST(self) -> None:
        credentials = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, password = credentials["username"], credentials["password"]
        digest = md5(password.encode()).hexdigest()
        body: dict[str, Any] = {"ok": name == "ada", "id": 7, "name": f"is {password}", "code": password}
        body |= {
            "digest": digest,
            "b64": base64.b64encode(password.encode()).decode(),
            "mail": quote(password, safe=""),
        }
        raw = json.dumps(body).encode()
        self.send_response_only(302 if name == "moved" else 403 if name == "locked" else 200)
        self.send_header("Location", f"/second/{quote(password)}?p={quote(password)}")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_arguments: Any) -> None:
        """Writes no log."""


@pytest.fixture
def api(ini: Ini) -> Iterator[Path]:
    """The ini file for EchoingAPI."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), EchoingAPI)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    path = ini(backends="legacy")
    lines = [
        "use = http",
        f"url = http://127.0.0.1:{server.server_port}/login",
        "preset = json",
        "success = /ok = true",
    ]
    lines += ["locked = status:403", "subject = /id", "name = /name", "email = /mail", "error_code = /code"]
    text = re.sub(r"^linkauth\.backend\.staff\..*\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
    path.write_text(text + "".join(f"linkauth.backend.legacy.{line}\n" for line in lines), "utf-8")
    yield path
    server.shutdown()
    server.server_close()


def test_a_login_api_shows_the_rules_and_never_the_password_that_it_repeats(
    api: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    expected = {
        "ada": (0, ["rule locked: status:403: does not match", "rule success: /ok = true: matches, /ok = 'true'"]),
        "bob": (3, ["rule success: /ok = true: does not match, /ok = 'false'", "reason: BackendUnavailable: no rule"]),
        "locked": (1, ["rule locked: status:403: matches", "outcome of the rules: locked"]),
        "moved": (3, ["Location: 'http://127.0.0.1:"]),
    }
    for password in ("Hunter2-geheim/42 ü", "correcthorsebattery", "x9!k", "Refused99"):
        for name, (code, lines) in expected.items():
            found, output = attempt(api, name, password)
            assert found == code, output
            for line in lines:
                assert line in output
            encoded = (quote(password), quote(password, safe=""), base64.b64encode(password.encode()).decode())
            for secret in (password, *encoded, md5(password.encode()).hexdigest()):
                assert secret not in output + caplog.text, (password, secret, output)


def test_the_password_is_typed_without_echo_or_read_from_a_variable(ini: Ini, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(ini())
    prompts: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: prompts.append(prompt) or RIGHT)
    assert CliRunner().invoke(main, ["try", path, "ada"]).exit_code == 0
    assert prompts == ["Password of ada: "]
    monkeypatch.setenv("TRY_PASSWORD", RIGHT)
    assert CliRunner().invoke(main, ["try", path, "ada", "--password-variable", "TRY_PASSWORD"]).exit_code == 0
    # programs that this process starts do not get it
    assert "TRY_PASSWORD" not in os.environ


IN_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
"""A program that runs its arguments in a new terminal."""


def test_a_terminal_does_not_show_what_is_typed(ini: Ini) -> None:
    command = [sys.executable, "-c", "from linkauth.cli import main; main()", "try", str(ini()), "ada"]
    arguments = [sys.executable, "-c", IN_TERMINAL, *command]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as terminal:
        assert terminal.stdin
        assert terminal.stdout
        shown = b""
        # what is typed before the prompt is lost
        while b"Password of ada: " not in shown and (part := terminal.stdout.read(1024)):
            shown += part
        terminal.stdin.write(f"{RIGHT}\n".encode())
        while part := terminal.stdout.read(1024):
            shown += part
    assert terminal.returncode == 0
    assert b"would let the person in" in shown
    assert RIGHT.encode() not in shown


def test_wrong_usage_and_wrong_settings_have_their_own_exit_codes(ini: Ini, tmp_path: Path) -> None:
    cases = [
        (attempt(ini(), " ", RIGHT), 2, "NAME: must be 1 to 254 characters of text"),
        (attempt(ini(), "ada", ""), 2, "the password must be 1 to 1024 characters of text"),
        (attempt(ini(), "ada", "x" * 1025), 2, "the password must be 1 to 1024 characters of text"),
        (attempt(ini(), "ada", RIGHT, "--client", "nix"), 2, "--client: is none of linkauth.clients: alexa, "),
        (attempt(ini(), "ada", RIGHT, variable="MISSING"), 2, "the environment has no variable MISSING"),
        (attempt(tmp_path / "missing.ini", "ada", RIGHT), 4, "no such file"),
        (attempt(ini(backend__staff__table="nix"), "ada", RIGHT), 4, "staff is misconfigured"),
        (attempt(ini(backend__staff__tabel="x"), "ada", RIGHT), 4, "linkauth.backend.staff.tabel"),
    ]
    for (code, output), expected, words in cases:
        assert (code, words in output) == (expected, True), output
        assert RIGHT not in output
    result = CliRunner().invoke(main, ["try", str(ini()), "ada"], input=f"{RIGHT}\n")
    assert (result.exit_code, "use --password-variable" in result.output) == (2, True)
