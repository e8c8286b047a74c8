"""The commands that show names in full write nothing to the configured log, whose policy may be another one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.identities import shown_name
from linkauth.simulator import people
from tests.conftest import ROOT

LOGGING = """
[loggers]
keys = root, linkauth
[handlers]
keys = file
[formatters]
keys =
[logger_root]
level = INFO
handlers = file
[logger_linkauth]
level = INFO
handlers = file
qualname = linkauth
propagate = 0
[handler_file]
class = FileHandler
args = ({path!r},)
"""


def test_names_in_full_go_to_the_terminal_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from linkauth_sql import SQLBackend

    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    path, log = tmp_path / "linkauth.ini", tmp_path / "linkauth.log"
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    path.write_text(text.replace("linkauth.theme", "linkauth.log_identities = none\nlinkauth.theme", 1), "utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.write(LOGGING.format(path=str(log)))

    def logging_names(method: Any) -> Any:
        def call(*arguments: Any) -> Any:
            for name in ("linkauth.login", "linkauth_sql"):
                logging.getLogger(name).warning("the name %s", shown_name("konrad\n"))
            return method(*arguments)

        return call

    for method in ("find", "check", "authenticate"):
        monkeypatch.setattr(SQLBackend, method, logging_names(getattr(SQLBackend, method)))
    monkeypatch.setenv("TRY_PASSWORD", "not the password")
    commands = [["explain", "NAME"], ["doctor", "--offline"], ["try", "NAME", "--password-variable", "TRY_PASSWORD"]]
    for command, *options in commands:
        arguments = [command, str(path), *(option.replace("NAME", "konrad") for option in options)]
        result = CliRunner().invoke(main, arguments)
        assert result.output.count("the name konrad") == 2, result.output
        assert log.read_text("utf-8") == "", command
    # the context has ended
    logging.getLogger("linkauth.login").warning("after it")
    assert log.read_text("utf-8") == "after it\n"
