"""Each fault in the logging sections is answered by a sentence that names the section and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkauth.config.loader import StartError, loader
from linkauth.config.log_sections import log_section_problems
from tests.conftest import ROOT

FAULTS = [
    ("[handlers]\nkeys = console", "[handlers]\nkeys = consol", "[handlers] keys: names 'consol', but there is no"),
    ("[handlers]\nkeys = console", "[handlers]\nkey = console", "[handlers] keys: is missing: copy"),
    ("[handlers]\nkeys = console\n", "", "has no section [handlers]: copy the logging sections of production.ini"),
    ("keys = root, linkauth", "keys = linkauth", "[loggers] keys: does not contain root: add it"),
    ("level = INFO", "level = info", "[logger_linkauth] level: is none of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ("qualname = linkauth\n", "", "[logger_linkauth] qualname: is missing: the name of the logger"),
    ("level = WARNING\nhandlers = console", "level = WARNING", "[logger_root] handlers: is missing: leave it empty"),
    (
        "level = WARNING\nhandlers = console",
        "level = WARNING\nhandlers = x",
        "[logger_root] handlers: names 'x', which",
    ),
    ("class = StreamHandler\n", "", "[handler_console] class: is missing"),
    (
        "formatter = json",
        "formatter = plain",
        "[handler_console] formatter: names 'plain', which is not in the keys of",
    ),
    ("logs.JSONFormatter", "logs.JsonFormatter", "[formatter_json] class: names 'linkauth.logs.JsonFormatter', which"),
    ("logs.JSONFormatter", "log.JSONFormatter", "[formatter_json] class: names 'linkauth.log.JSONFormatter', which"),
]


def test_each_fault_names_its_section_and_key(tmp_path: Path) -> None:
    text = (ROOT / "production.ini").read_text("utf-8")
    ini = tmp_path / "linkauth.ini"
    ini.write_text(text, "utf-8")
    assert list(log_section_problems(str(ini))) == []
    for old, new, expected in FAULTS:
        assert old in text
        ini.write_text(text.replace(old, new), "utf-8")
        with pytest.raises(StartError) as caught:
            loader(str(ini))
        assert str(caught.value).startswith(f"{ini}: {expected}"), str(caught.value)


def test_what_logging_accepts_is_not_refused(tmp_path: Path) -> None:
    ini = tmp_path / "linkauth.ini"
    text = (ROOT / "development.ini").read_text("utf-8")
    ini.write_text(text.replace("level = INFO", "level = %(level)s"), "utf-8")
    assert list(log_section_problems(str(ini))) == []
    ini.write_text("[app:main]\nuse = egg:linkauth\n", "utf-8")
    assert list(log_section_problems(str(ini))) == []
