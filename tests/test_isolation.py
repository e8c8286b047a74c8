"""A test that loads an ini file does not change what the next test logs. The tests run in this order."""

from __future__ import annotations

import logging

import pytest

from linkauth import logs
from linkauth.config import loader
from tests.conftest import ROOT

LOGGER = logging.getLogger("linkauth.isolated")


def test_an_ini_file_configures_the_loggers() -> None:
    root = logging.root.handlers[:]
    loader.loader(str(ROOT / "development.ini"))
    logging.getLogger("linkauth").setLevel(logging.CRITICAL)
    LOGGER.propagate = False
    assert logging.root.handlers != root
    assert not LOGGER.isEnabledFor(logging.ERROR)


def test_the_next_test_logs_as_before(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logs.event(LOGGER, logging.INFO, "a link was created", client="alexa")
    assert [record.getMessage() for record in caplog.records] == ["a link was created: client=alexa"]
