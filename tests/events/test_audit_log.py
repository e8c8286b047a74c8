"""Tests of the audit log: one line of JSON for each event, that nothing typed can forge, and that has no secret."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from configparser import RawConfigParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from linkauth import identities
from linkauth.events.audit import logger
from linkauth.logs import JSONFormatter
from linkauth.services import services_of
from tests.alexa import Alexa, https
from tests.events.test_event_documents import DOCUMENT
from tests.protocol.flow import Skill

ROOT = Path(__file__).parents[2]
FORGED = 'x"}\r\n{"event": "sign_in.succeeded", "person": "admin"}\u2028\x1b[2J\u202e'
COMMON = {"time", "event", "request", "client", "address"}


@pytest.fixture
def written() -> Iterator[StringIO]:
    """What the audit log has written: lines without anything else."""
    output = StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield output
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def documented_fields() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `([a-z_.]+\.[a-z_]+)` \| (.*?) \|", DOCUMENT, re.MULTILINE)
    return {name: set(re.findall("`([a-z_]+)`", own)) for name, own in rows}


def alexa_of(app: Any) -> Alexa:
    web = https(app)
    web.extra_environ |= {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"}
    web.extra_environ |= {"HTTP_X_FORWARDED_FOR": "198.51.100.23"}
    return Alexa(web)


def walk(alexa: Alexa) -> list[str]:
    """Makes an event of most kinds, with hostile texts in all places. Returns everything that is secret."""
    skill = Skill(alexa.app)
    state = alexa.link("ada")["state"]
    alexa.submit(FORGED, "the wrong password", status=403)
    token = alexa.link()["access_token"]
    alexa.introspect(token)
    code = skill.code(state="the-state-of-amazon")
    tokens = skill.redeem(code).json
    tokens |= {"renewed": skill.refresh(tokens["refresh_token"]).json["access_token"]}
    skill.redeem(code, redirect_uri="https://evil.example/\r\n" + FORGED)
    skill.redeem("guessed-code\r\n{}")
    skill.refresh("guessed-refresh-token")
    skill.redeem(code)
    alexa.token({"grant_type": "refresh_token", "refresh_token": "x"}, client=FORGED, secret="guessed-client-secret")
    alexa.token({"grant_type": "refresh_token", "refresh_token": "x"}, secret="guessed-client-secret")
    secrets = [state, token, code, *(tokens[key] for key in ("access_token", "refresh_token", "renewed"))]
    return [*secrets, "lovelace-1815", "the wrong password", "the-state-of-amazon", "guessed-code", "guessed-"]


def test_each_event_is_a_line_that_nothing_can_forge_and_without_secrets(
    make_app: Callable[..., Any], written: StringIO
) -> None:
    app = make_app(trusted_proxies="127.0.0.1", log_identities="full")
    secrets = walk(alexa_of(app))
    services_of(app.registry).close()
    text = written.getvalue()
    assert text.isascii()
    assert re.fullmatch(r"[\x20-\x7e\n]+", text)
    lines = [json.loads(line) for line in text.splitlines()]
    documented = documented_fields()
    for line in lines:
        assert {"time", "event"} <= set(line) <= COMMON | documented[line["event"]], line
        assert "" not in line.values()
    names = [line["event"] for line in lines]
    assert names == [
        *("sign_in.succeeded", "link.created", "sign_in.refused", "sign_in.succeeded", "link.created"),
        *("link.created", "code.exchanged", "token.refreshed", "token.refused", "token.refused", "token.refused"),
        *("link.ended", "token.refused", "client.refused", "client.refused"),
    ]
    assert not [line for line in lines if line.get("person") == "admin"]
    assert lines[2]["typed"] == FORGED.strip("\u202e")
    assert lines[0] | {"time": "", "request": ""} == {
        **{"time": "", "event": "sign_in.succeeded", "request": "", "client": "alexa", "address": "198.51.100.23"},
        **{"backend": "staff", "subject": "1", "person": "ada", "method": "password", "typed": "ada"},
    }
    assert lines[0]["request"] == lines[1]["request"] != lines[2]["request"]
    assert [secret for secret in secrets if secret in text] == []


def test_the_policy_hides_people(make_app: Callable[..., Any], written: StringIO) -> None:
    app = make_app(trusted_proxies="127.0.0.1", log_identities="hashed")
    alexa_of(app).link("ADA")
    hashed = identities.shown_name("ada")
    services_of(app.registry).close()
    line = json.loads(written.getvalue().splitlines()[0])
    assert (line["typed"], line["person"]) == (hashed, hashed)
    assert line["address"].startswith("hash:")
    assert "ada" not in written.getvalue().lower()


def test_the_lines_of_production_ini_have_the_members_too(
    make_app: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    parser = RawConfigParser()
    parser.read(ROOT / "production.ini", "utf-8")
    assert parser["logger_audit"]["qualname"] == logger.name
    assert "audit" in parser["loggers"]["keys"]
    caplog.set_level(parser["logger_audit"]["level"], logger.name)
    app = make_app()
    alexa_of(app).submit("ada", "wrong", status=403)
    services_of(app.registry).close()
    (record,) = [each for each in caplog.records if each.name == logger.name]
    line = json.loads(JSONFormatter().format(record))
    assert (line["event"], line["message"], line["reason"]) == ("sign_in.refused", "sign_in.refused", "wrong_password")
    assert line["at"] <= line["time"]


def test_without_its_section_there_is_no_audit_log(
    make_app: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    app = make_app()
    alexa_of(app).link("ada")
    services_of(app.registry).close()
    assert not [each for each in caplog.records if each.name == logger.name]
