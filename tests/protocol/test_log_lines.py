"""Tests of the log lines of sign-ins, links and refused requests: their fields, and what they show of people."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from webtest import TestApp

from linkauth.identities import address_hash, name_hash
from linkauth.login.admission import Busy
from linkauth.logs import JSONFormatter
from linkauth.services import services_of
from linkauth.storage import LinkAdmin, LinkFilter
from linkauth.views import errors
from linkauth.web.log_rate_limit import LogRateLimit
from tests.alexa import Alexa, https
from tests.protocol.flow import Skill

SECRET = "only for tests, 32 characters or more"
PHONE, AMAZON = "198.51.100.23", "203.0.113.9"
RIGHT = "lovelace-1815"


class Lines(logging.Handler):
    """The lines of the log as JSONFormatter writes them, as dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JSONFormatter())
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))

    def of(self, message: str) -> dict[str, Any]:
        """Returns the only line with this message, without its time, logger and level."""
        (line,) = [line for line in self.lines if line["message"] == message]
        return {name: value for name, value in line.items() if name not in ("time", "logger", "message")}


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, logger = Lines(), logging.getLogger("linkauth")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def make(make_app: Callable[..., Any]) -> Callable[..., Alexa]:
    def alexa(**settings: str) -> Alexa:
        app = https(make_app(trusted_proxies="127.0.0.1", throttle__account_failures="3", **settings))
        app.extra_environ |= {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"}
        app.extra_environ |= {"HTTP_X_FORWARDED_FOR": PHONE, "HTTP_X_REQUEST_ID": "id-of-the-proxy"}
        return Alexa(app)

    return alexa


def hashed(name: str = "ada", address: str = PHONE) -> dict[str, str]:
    today = datetime.now(UTC).date()
    return {"name": name_hash(name, SECRET, today), "address": address_hash(address, SECRET, today)}


def test_a_made_link_and_a_refused_and_a_throttled_sign_in_name_everything(
    make: Callable[..., Alexa], lines: Lines
) -> None:
    alexa = make()
    common = {"client": "alexa", "request": "id-of-the-proxy", **hashed()}
    alexa.link("ADA")
    made = lines.of("link made")
    assert made == {"level": "info", **common, "backend": "staff", "grant": "implicit"}
    alexa.submit("ada@example.com", RIGHT, status=303)
    # the name as typed differs from the stored one
    assert lines.lines[-1]["name"] == made["name"]
    assert lines.lines[-1]["typed"] == hashed("ada@example.com")["name"]
    alexa.submit("Ada", "wrong", status=403)
    refused = {**common, "backend": "staff"}
    assert lines.of("sign-in refused") == {"level": "info", **refused, "reason": "wrong password"}
    for _ in range(3):
        response = alexa.submit("ada", "wrong", status="*")
    throttled = lines.of("sign-in throttled")
    assert throttled.pop("retry_after") == int(response.headers["Retry-After"])
    reason = "too many failures of the name"
    assert throttled == {"level": "warning", **common, "reason": reason, "path": "/authorize"}
    lines.lines.clear()
    alexa.submit("nobody", "wrong", status=403)
    unknown = {**common, **hashed("nobody"), "backend": "staff", "reason": "no backend knows the name"}
    assert lines.of("sign-in refused") == {"level": "info", **unknown}
    lines.lines.clear()
    alexa.submit("konrad", "zuse-1910", status=403)
    assert lines.of("sign-in refused") == {"level": "info", **refused, **hashed("konrad"), "reason": "disabled"}
    alexa.submit("x" * 300, "wrong", status=403)
    assert "too long" in lines.lines[-1]["reason"]
    assert "name" not in lines.lines[-1]
    # people came by another name of the server than public_url
    alexa.app.post(alexa.url, {"username": "ada"}, headers={"Origin": "https://other.example.com"}, status=400)
    refused_form = lines.of("form refused")
    assert (refused_form["origin"], refused_form["path"]) == ("https://other.example.com", "/authorize")
    assert refused_form["reason"] == "it was not sent from a page of linkauth.public_url"


@pytest.mark.parametrize("policy", ["full", "none"])
def test_the_policy_decides_about_names_and_addresses(make: Callable[..., Alexa], lines: Lines, policy: str) -> None:
    alexa = make(log_identities=policy)
    alexa.link()
    alexa.submit("Ada", "wrong", status=403)
    token = {"grant_type": "authorization_code", "code": "x"}
    alexa.token(token, "home", "wrong")
    found = [lines.of(message) for message in ("link made", "sign-in refused", "POST /token refused")]
    names, addresses = [line.get("name") for line in found], [line.get("address") for line in found]
    if policy == "full":
        assert (names, addresses) == (["ada", "Ada", None], [PHONE] * 3)
    else:
        assert (names, addresses) == ([None] * 3, [None] * 3)
    assert all("hash:" not in json.dumps(line) for line in lines.lines)


def test_only_a_trusted_proxy_gives_the_id_of_a_request(make: Callable[..., Alexa], lines: Lines) -> None:
    alexa = make()
    for received in ("x" * 65, "two words", "", "é"):
        alexa.app.extra_environ["HTTP_X_REQUEST_ID"] = received
        alexa.submit("ada", "wrong", status="*")
    alexa.app.extra_environ |= {"REMOTE_ADDR": PHONE, "HTTP_X_REQUEST_ID": "forged", "wsgi.url_scheme": "https"}
    alexa.submit("ada", "wrong", status="*")
    ids = [line["request"] for line in lines.lines]
    assert len(set(ids)) == len(ids) == 5
    assert all(len(each) == 16 and int(each, 16) for each in ids)


def token_request(app: TestApp, form: dict[str, str], **changes: str) -> Any:
    form = {"client_id": "home", "client_secret": "the-home-clients-secret", **form, **changes}
    return app.post("/token", form, status="*")


def test_a_refused_token_request_names_the_client_and_the_field_to_correct(
    make: Callable[..., Alexa], lines: Lines
) -> None:
    app = make().app
    app.extra_environ["HTTP_X_FORWARDED_FOR"] = AMAZON
    skill = Skill(app)
    tokens = skill.redeem(skill.code()).json
    code = skill.code(scope="order_car")
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    redeem = {"grant_type": "authorization_code", "code": code}
    cases: list[tuple[dict[str, str], str, str, str]] = [
        ({**redeem, "client_secret": "wrong"}, "home", "warning", "Your Secret must be the client's secret"),
        ({**redeem, "client_id": "hme"}, "", "warning", "client_id 'hme' is not one of"),
        ({**redeem, "client_id": "the-home-clients-secret"}, "", "warning", "client_id the secret of home is not one"),
        ({**redeem, "client_secret": ""}, "home", "warning", "the request has no client_secret"),
        ({**redeem, "client_id": "single", "client_secret": "x"}, "single", "warning", "leave Your Secret empty"),
        ({"grant_type": "password"}, "home", "warning", "'password'"),
        (
            {**redeem, "client_id": "alexa", "client_secret": "the alexa client's secret"},
            "alexa",
            "warning",
            "implicit",
        ),
        ({**redeem, "code": "unknown"}, "home", "info", "the code is unknown"),
        (
            {**redeem, "redirect_uri": "https://x.example/cb"},
            "home",
            "info",
            "redirect_uri is 'https://x.example/cb', and",
        ),
        (
            {**redeem, "client_id": "overlap", "client_secret": "the-overlapping-clients-secret"},
            *("overlap", "info", "the code was issued to the client home"),
        ),
        ({**refresh, "scope": "order_car admin"}, "home", "warning", "scope is 'order_car admin', and the link has"),
        ({**refresh, "refresh_token": "unknown"}, "home", "info", "the refresh token is unknown"),
    ]
    for form, client, level, reason in cases:
        lines.lines.clear()
        response = token_request(app, form)
        line = lines.of("POST /token refused")
        assert reason in line["reason"], line
        assert (line.get("client", ""), line["level"]) == (client, level), line
        assert (line["error"], line["request"]) == (response.json["error"], "id-of-the-proxy")
        assert line["address"] == hashed(address=AMAZON)["address"]
        assert reason not in response.text
    assert "the-home-clients-secret" not in json.dumps(lines.lines)


def test_a_throttled_client_and_a_failed_storage_are_logged_with_their_cause(
    make: Callable[..., Alexa], lines: Lines
) -> None:
    alexa = make(throttle__client_failures="1")
    form = {"grant_type": "authorization_code", "code": "x"}
    assert [alexa.token(form, "home", "wrong").status_int for _ in range(2)] == [401, 429]
    throttled = lines.of("client throttled")
    assert (throttled["client"], throttled["level"], throttled["path"]) == ("home", "warning", "/token")
    assert throttled["reason"] == "too many failures of the client"
    with services_of(alexa.app.app.registry).engine.begin() as connection:
        connection.execute(text("ALTER TABLE links RENAME TO lost"))
    alexa.submit("ada", RIGHT, status=503)
    failed = lines.of("storage failed")
    assert (failed["client"], failed["level"], failed["name"]) == ("alexa", "error", hashed()["name"])
    assert failed["reason"] == "OperationalError: no such table: links"


def test_a_full_queue_is_logged(make: Callable[..., Alexa], lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    alexa = make()
    page = alexa.open()

    def refuse(_address: str) -> Any:
        raise Busy("too many sign-ins are waiting", 3)

    monkeypatch.setattr(services_of(alexa.app.app.registry).admission, "enter", refuse)
    monkeypatch.setattr(errors, "_busy_lines", LogRateLimit())
    for _ in range(10):
        alexa.submit("ada", RIGHT, page, status=503)
    reasons = [line["reason"] for line in lines.lines if line["message"] == "sign-in refused"]
    # a crowd writes only a few lines
    assert reasons == ["too many sign-ins are waiting (linkauth.sign_in_wait)"] * 5


def test_a_code_used_twice_is_logged_with_the_link_that_it_ends(make: Callable[..., Alexa], lines: Lines) -> None:
    app = make().app
    skill = Skill(app)
    code = skill.code()
    skill.redeem(code)
    made, redeemed = lines.of("link made"), lines.of("code redeemed")
    assert (made["client"], made["backend"], made["grant"]) == ("home", "staff", "authorization_code")
    assert (redeemed["client"], redeemed["name"]) == ("home", hashed()["name"])
    skill.redeem(code)
    ended = lines.of("link ended")
    expected = {
        "client": "home",
        "backend": "staff",
        "grant": "authorization_code",
        "reason": "code used twice",
        "level": "warning",
    }
    assert ended["name"] == hashed()["name"]
    assert {name: ended[name] for name in expected} == expected
    assert lines.of("POST /token refused")["reason"] == "the code was used twice, so its link has ended"
    admin = LinkAdmin(services_of(app.app.registry).engine)
    (row,) = admin.links(LinkFilter(active_only=False))
    assert row["id"] == ended["link"]


def test_links_that_are_revoked_or_ended_by_an_operator_are_logged(make: Callable[..., Alexa], lines: Lines) -> None:
    alexa = make()
    token = alexa.link()["access_token"]
    alexa.app.post("/revoke", {"token": token})
    assert lines.of("link ended")["reason"] == "revoked by its token"
    # the second time nothing ends
    alexa.app.post("/revoke", {"token": token})
    assert lines.of("link ended")
    lines.lines.clear()
    alexa.link()
    admin = LinkAdmin(services_of(alexa.app.app.registry).engine)
    assert admin.end(LinkFilter(person="ada"), "left the company", 2_000_000_000) == 1
    ended = lines.of("link ended")
    assert (ended["reason"], ended["client"], ended["name"]) == ("left the company", "alexa", hashed()["name"])


def test_a_refused_scope_is_logged_with_its_value(make: Callable[..., Alexa], lines: Lines) -> None:
    alexa = make()
    alexa.parameters["scope"] = "order_car fly"
    alexa.open(status=303)
    line = lines.of("authorization refused")
    expected = "scope 'fly' is not registered for the client, only order_car basic_profile: correct Scope"
    assert line["reason"].startswith(expected)
    assert (line["level"], line["client"], line["error"]) == ("warning", "alexa", "invalid_scope")
    assert "state" not in json.dumps(lines.lines)


def test_the_message_has_the_fields_for_other_formatters(
    make: Callable[..., Alexa], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    make().submit("ada", "wrong", status=403)
    (message,) = [each.getMessage() for each in caplog.records if "sign-in refused" in each.getMessage()]
    fields = f'backend=staff reason="wrong password" client=alexa request=id-of-the-proxy address={hashed()["address"]}'
    assert message == f"sign-in refused: {fields} name={hashed()['name']}"
