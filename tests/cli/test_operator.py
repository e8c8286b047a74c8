"""Tests of the option --as, and of what commands record."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.cli import operator as operators
from tests.conftest import ROOT

CHANGES_NOTHING = {
    *(
        "backends compare",
        "backends list",
        "client show",
        "config show",
        "db status",
        "doctor",
        "explain",
        "keys list",
        "links list",
    ),
    *(
        "log hash",
        "mail show",
        "second-factor list",
        "second-factor show",
        "sign-ins",
        "simulate alexa",
        "throttle show",
        "why",
        "try",
    ),
    # a test mail leaves nothing behind
    "mail test",
    # these write files of developers
    *("catalogs", "plugin new", "theme check", "theme new", "theme preview"),
    # these run as long as the machine does; the links that `watch` ends have their own events
    *("serve", "watch"),
}
"""The commands without --as. Every other one changes something that is stored, or shows what is stored of a person."""


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yields each command with its path, such as "links end"."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, f"{path} {name}".strip())


def test_every_command_that_changes_something_has_the_option() -> None:
    found = dict(commands(main))
    with_option = {path for path, each in found.items() if any("--as" in option.opts for option in each.params)}
    assert set(found) - with_option == CHANGES_NOTHING


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    path = tmp_path / "linkauth.ini"
    path.write_text(text, "utf-8")
    return path


def upgrade(ini: Path, *options: str, environment: dict[str, str | None] | None = None) -> click.testing.Result:
    return CliRunner().invoke(main, ["db", "upgrade", str(ini), *options], env=environment)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.getMessage().startswith("admin.")]


def test_an_act_is_recorded_with_the_name_and_the_account(ini: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert upgrade(ini, "--as", " Carol Example ").exit_code == 0
        # nothing to do is no act
        assert upgrade(ini, "--as", "carol").exit_code == 0
    (message,) = messages(caplog)
    account = operators.system_account()
    assert message.startswith(f'admin.database_upgraded: operator="Carol Example" account={account} before=nothing')


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "carol\nadmin.links_ended: operator=mallory", "\x1b[31mcarol"])
def test_a_name_that_could_forge_or_hide_a_record_is_refused(ini: Path, name: str) -> None:
    result = upgrade(ini, "--as", name)
    assert result.exit_code == 2
    assert "must be 1 to 64 printable characters" in result.output


def test_the_default_is_the_account_before_sudo(
    ini: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators.os, "getuid", lambda: 0)
    with caplog.at_level(logging.INFO):
        assert upgrade(ini, environment={"SUDO_USER": "alice"}).exit_code == 0
    (message,) = messages(caplog)
    assert "operator=alice account=alice" in message


def test_only_root_may_say_who_used_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators.os, "getuid", lambda: 987_654)
    monkeypatch.setenv("SUDO_USER", "alice")
    monkeypatch.setenv("LOGNAME", "alice")
    # an account without a name, as in a container
    assert operators.system_account() == "987654"
