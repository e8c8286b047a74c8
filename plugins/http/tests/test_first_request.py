"""Tests of the declared first request, of digests of the password, and of JSON in a field of a form."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from linkauth.backends import BackendUnavailable, UnknownUser, WrongPassword, name_forms
from linkauth_http import HTTPBackend

from .api import API, ReceivedRequest, Reply
from .protocols import JSON
from .test_requests import TYPED

Make = Callable[..., HTTPBackend]
CLIENT = "https://linkauth.example.com/"
FLOW = {
    "prefetch_url": "/auth/login_flow",
    "prefetch_method": "POST",
    "prefetch_body_template": '{"client_id": {client_id}, "handler": ["homeassistant", null], "redirect_uri": "/"}',
    "prefetch_value": {"flow_id": "/flow_id"},
    "client_id": CLIENT,
    "body_template": '{"client_id": {client_id}, "username": {username}, "password": {password}}',
    "success": "/type = create_entry and /result",
    "wrong_password": "/errors/base = invalid_auth",
    "second_factor": "/type = form and /step_id = mfa",
    "proven": ("second_factor",),
    "subject": "username",
}
"""The settings for Home Assistant, whose form of the second step is at a URL that contains the flow_id of the first."""


class HomeAssistant:
    """The login flow of Home Assistant. Its flow IDs need encoding, and each can be used once."""

    def __init__(self) -> None:
        self.flows: set[str] = set()

    def __call__(self, request: ReceivedRequest) -> Reply:
        body = json.loads(request.body)
        assert body["client_id"] == CLIENT
        if request.target == "/auth/login_flow":
            assert body["handler"] == ["homeassistant", None]
            flow_id = f"a/b?c%20{len(self.flows)}"
            self.flows.add(flow_id)
            return Reply(200, json.dumps({"type": "form", "flow_id": flow_id, "errors": {}, "step_id": "init"}), JSON)
        flow_id = request.target.removeprefix("/auth/login_flow/")
        assert re.fullmatch(r"a%2Fb%3Fc%2520\d", flow_id)
        self.flows.remove(unquote(flow_id))
        if body["password"] == "needs a factor":
            return Reply(200, json.dumps({"type": "form", "step_id": "mfa", "errors": {}}), JSON)
        if body["password"] != "right":
            return Reply(200, json.dumps({"type": "form", "step_id": "init", "errors": {"base": "invalid_auth"}}), JSON)
        return Reply(200, json.dumps({"type": "create_entry", "result": "ca11ab1e0c0de1234567890abcdef123"}), JSON)


def test_value_of_a_first_post_is_in_the_url_of_the_second(api: API, backend_on: Make) -> None:
    api.handler = HomeAssistant()
    backend = backend_on(f"{api.url}/auth/login_flow/{{flow_id}}", **FLOW)
    assert backend.authenticate("Ada", "right").subject == "ada"
    with pytest.raises(WrongPassword):
        backend.authenticate("ada", "wrong")
    with pytest.raises(Exception, match="second_factor"):
        backend.authenticate("ada", "needs a factor")
    assert [request.method for request in api.requests] == ["POST"] * 6
    assert not any(b"password" in request.body for request in api.requests[::2])
    assert next(iter(backend.check())).detail == "the first request returns flow_id"


def test_values_come_from_headers_cookies_and_documents(api: API, backend_on: Make) -> None:
    page = '<input type=hidden name=t value="from the page"><a href="/login?key=k1">'
    headers = (("X-Nonce", "n1"), ("Set-Cookie", "sid=s1; Path=/"))
    first = Reply(201, page, headers)
    api.handler = lambda request: first if request.method == "PUT" else Reply(200, '{"ok": true, "id": 7}', JSON)
    values = {"page": "html:[name=t]", "nonce": "header:X-Nonce", "sid": "cookie:sid", "key": r"regex:key=(\w+)"}
    settings = {
        "prefetch_url": "/start",
        "prefetch_method": "PUT",
        "prefetch_header": {"accept": "text/plain", "X-Key": "{client_secret}"},
        "client_secret": "s3cret of linkauth",
        "prefetch_value": values,
        "body_template": '{"u": {username}, "p": {password}, "t": {page}}',
        "header": {"X-Nonce": "{nonce}", "X-Session": "{sid}"},
    }
    backend_on(f"{api.url}/login/{{key}}?s={{sid}}", **settings).authenticate("ada", "x")
    one, two = api.requests
    assert (one.method, one.target, one.body, one.headers["X-Key"]) == ("PUT", "/start", b"", "s3cret of linkauth")
    assert [value for name, value in one.headers.items() if name.lower() == "accept"] == ["text/plain"]
    assert two.target == "/login/k1?s=s1"
    assert json.loads(two.body) == {"u": "ada", "p": "x", "t": "from the page"}
    assert (two.headers["X-Nonce"], two.headers["X-Session"], two.headers["Cookie"]) == ("n1", "s1", "sid=s1")


def test_password_is_not_sent_without_the_values_of_the_first_response(api: API, backend_on: Make) -> None:
    backend = backend_on(f"{api.url}/auth/login_flow/{{flow_id}}", **FLOW)
    for reply, problem in (
        (Reply(200, '{"flow_id": ""}', JSON), r"returned nothing that prefetch_value.flow_id selects: status 200"),
        (Reply(200, '{"flow_id": ["a", {}]', JSON), r"returned nothing that prefetch_value.flow_id selects"),
        (Reply(404, '{"flow_id": "x"}', JSON), "returned status 404"),
        (Reply(302, "", (("Location", "/auth?q=1"),)), f"returned status 302, .*, a redirect to '{api.url}/auth'"),
        (Reply(200, '{"flow_id": ".."}', JSON), "a value of the first response cannot be sent back"),
        (Reply(200, '{"flow_id": "\\ud800"}', JSON), "a value of the first response cannot be sent back"),
    ):
        api.handler = lambda request, reply=reply: reply  # type: ignore[misc]
        with pytest.raises(BackendUnavailable, match=problem):
            backend.authenticate("ada", "s3cret")
    assert not any(b"s3cret" in request.body for request in api.requests)


def test_digests_and_base64_of_any_password(api: API, backend_on: Make) -> None:
    api.handler = lambda request: Reply(200, '{"ok": true, "id": 7}', JSON)
    names = ("md5", "sha1", "sha256", "sha512")
    template = ", ".join(f'"{name}": {{password_{name}}}' for name in names)
    template = f'{{"u": {{username_base64}}, "p": {{password_base64}}, {template}}}'
    backend = backend_on(api.url, body_template=template)
    for text in TYPED:
        backend.authenticate(text, text)
        sent = json.loads(api.requests[-1].body)
        assert sent == {
            "u": base64.b64encode(name_forms(text)[0].encode()).decode(),
            "p": base64.b64encode(text.encode()).decode(),
            **{name: hashlib.new(name, text.encode()).hexdigest() for name in names},
        }
    for name, password, expected in (("\ud800", "x", UnknownUser), ("x", "\ud800", WrongPassword)):
        api.handler = lambda request: Reply(401)
        with pytest.raises(expected):
            backend.authenticate(name, password)


def suite_crm(request: ReceivedRequest) -> Reply:
    """The v4_1 REST API of SuiteCRM, which wants the MD5 of the password in JSON in a field of a form."""
    form: dict[str, Any] = parse_qs(request.body.decode("ascii"), strict_parsing=True)
    assert {name: form[name] for name in ("method", "input_type")} == {"method": ["login"], "input_type": ["JSON"]}
    user = json.loads(form["rest_data"][0])["user_auth"]
    if user["password"] != hashlib.md5(user["user_name"].encode()).hexdigest():
        error = {"name": "Invalid Login", "number": 10, "description": "Login attempt failed"}
        return Reply(200, json.dumps(error), JSON)
    values = {"user_id": {"name": "user_id", "value": "1"}, "user_name": {"value": user["user_name"]}}
    return Reply(200, json.dumps({"id": "kqj4m7vn5s1c1lt8vf6bqk1m95", "name_value_list": values}), JSON)


def test_json_in_a_field_of_a_form(api: API, backend_on: Make) -> None:
    api.handler = suite_crm
    backend = backend_on(
        f"{api.url}/service/v4_1/rest.php",
        preset=None,
        body_template="method=login&input_type=JSON&response_type=JSON",
        json_fields='rest_data={"user_auth": {"user_name": {username}, "password": {password_md5}}}',
        success="/id and /name_value_list/user_id/value",
        wrong_password="/number = 10",
        subject="/name_value_list/user_id/value",
        username="/name_value_list/user_name/value",
    )
    for text in TYPED:
        # names lose the format characters at their ends, and the password here is the name
        name = name_forms(text)[0]
        assert backend.authenticate(text, name).username == name
    with pytest.raises(WrongPassword):
        backend.authenticate("ada", "x")


def test_json_field_replaces_a_hidden_field(api: API, backend_on: Make) -> None:
    hidden = "<input type=hidden name=data value=theirs><input type=hidden name=t value=1>"
    page = f"<form>{hidden}<input type=password></form>"
    api.handler = lambda request: Reply(200, page if request.method == "GET" else '{"ok": true, "id": 7}')
    fields = "data=[{username}, {password}]\nMixedCase = 1"
    backend_on(api.url, preset=None, hidden_fields=True, json_fields=fields).authenticate("ada", "x")
    assert api.requests[-1].form == {"data": '["ada", "x"]', "t": "1", "MixedCase": "1"}
