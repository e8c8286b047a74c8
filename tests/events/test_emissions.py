"""Tests of the events that sign-ins, links, tokens and refused clients of a running application emit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest

from linkauth.events.sink import Record, Sink
from linkauth.events.types import Event
from linkauth.services import services_of
from tests.alexa import Alexa, https
from tests.protocol.flow import Skill


class Recorder(Sink):
    """Keeps all events of one test."""

    name: ClassVar[str] = "recorder"

    def __init__(self) -> None:
        self.records: list[Record] = []

    def takes(self, event: type[Event]) -> bool:
        return True

    def write(self, batch: Sequence[Record]) -> None:
        self.records += batch


@pytest.fixture(scope="module")
def recorded(make_app: Callable[..., Any]) -> Iterator[tuple[Alexa, Recorder]]:
    app = make_app(throttle__account_failures="2", trusted_proxies="127.0.0.1")
    recorder = Recorder()
    services_of(app.registry).events.add(recorder)
    web = https(app)
    web.extra_environ |= {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"}
    web.extra_environ |= {"HTTP_X_FORWARDED_FOR": "198.51.100.23", "HTTP_X_REQUEST_ID": "id-of-the-proxy"}
    return Alexa(web), recorder


def test_what_happens_is_emitted_with_the_request(recorded: tuple[Alexa, Recorder]) -> None:
    alexa, recorder = recorded
    skill = Skill(alexa.app)
    alexa.submit("ada", "wrong", status=403)
    token = alexa.link("ADA")["access_token"]
    alexa.introspect(token)
    alexa.introspect("no token")
    alexa.submit("nobody", "x", status=403)
    alexa.submit("", "x", status=403)
    for _ in range(2):
        alexa.submit("grace", "x", status=403)
    alexa.submit("grace", "x", status=429)
    code = skill.code()
    tokens = skill.redeem(code).json
    skill.refresh(tokens["refresh_token"])
    skill.refresh("no token")
    skill.redeem(code)
    skill.refresh(tokens["refresh_token"])
    alexa.token({"grant_type": "refresh_token", "refresh_token": "x"}, secret="wrong secret")
    services_of(alexa.app.app.registry).events.close()
    listed = [record for record in recorder.records if not record.event.counted_only]
    opened = [record for record in listed if record.event.name == "authorization.opened"]
    assert {record.context["attempt"] for record in opened} == {listed[1].context["attempt"]}
    listed = [record for record in listed if record not in opened]
    names = [record.event.name for record in listed]
    assert names == [
        *("sign_in.refused", "sign_in.succeeded", "link.created", "sign_in.refused", "sign_in.refused"),
        *("sign_in.refused", "sign_in.refused", "sign_in.throttled"),
        *("link.created", "code.exchanged", "token.refreshed", "token.refused", "link.ended", "token.refused"),
        *("token.refused", "client.refused"),
    ]
    fields = [{name: getattr(record.event, name) for name in record.event.__slots__} for record in listed]
    assert [each["reason"] for each in fields[:1]] == ["wrong_password"]
    assert [each["reason"] for each in fields[3:7]] == ["unknown_user", "invalid_input", *["wrong_password"] * 2]
    assert (fields[7]["of"], 0 < fields[7]["retry_after"] <= 900) == ("name", True)
    assert fields[8]["link"] == fields[9]["link"] == fields[10]["link"] == fields[12]["link"]
    assert fields[12]["reason"] == "code used twice"
    assert [each["error"] for each in fields[-2:]] == ["invalid_grant", "invalid_client"]
    requests = {record.context["request"] for record in listed[:8]}
    assert requests == {"id-of-the-proxy"}
    assert {record.context["client"] for record in listed[:8]} == {"alexa"}
    counted = [record.event for record in recorder.records if record.event.name == "token.introspected"]
    assert [(each.client, each.active) for each in counted] == [("alexa", True), ("", False)]  # type: ignore[attr-defined]
    called = [record.event for record in recorder.records if record.event.name == "backend.called"]
    assert {each.outcome for each in called} == {"answered"}  # type: ignore[attr-defined]
    shown = repr(recorder.records)
    for secret in (token, code, *tokens.values(), "lovelace-1815", "grace", "wrong secret"):
        assert str(secret) not in shown
