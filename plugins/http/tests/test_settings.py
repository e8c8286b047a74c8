"""Tests of the settings of the http backend."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from linkauth.testing import settings_of
from linkauth_http import HTTPBackend, HTTPSettings
from linkauth_http.presets import PRESETS
from linkauth_http.templates import ENCODED

URL = "https://api.example.com/login"
GOOD: dict[str, Any] = {"url": (URL,), "preset": "json", "success": "/ok = true", "subject": "/id"}
XML = "<l><n>{username}</n><p>{password}</p></l>"
FORM = {"preset": "html-form", "success": "location:/home", "subject": "username"}
FIRST = {
    "url": ("https://api.example.com/flow/{flow_id}",),
    "prefetch_url": "/flow",
    "prefetch_method": "POST",
    "prefetch_body_template": '{"client_id": "https://linkauth.example.com/"}',
    "prefetch_value": {"flow_id": "/flow_id"},
}
IN_FIELD = {"body": "form", "json_fields": 'rest_data={"user": {"name": {username}, "password": {password_md5}}}'}
GOOD_TEMPLATE = '{"a": {username}, "b": {password}}'
ENTRA = {"preset": "entra", "success": None, "subject": None, "client_id": "x"}
TOKEN = "username={username}&password={password}&t={csrf}"


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, set()),
        ({"url": ()}, {"url"}),
        ({"url": ("ftp://x",)}, {"url"}),
        ({"url": ("//x/login",)}, {"url"}),
        ({"url": ("https://",)}, {"url"}),
        ({"url": ("https://user:pw@x/",)}, {"url"}),
        ({"url": ("https://x/#a",)}, {"url"}),
        ({"url": ("https://x:99999/",)}, {"url"}),
        ({"url": ("https://[::1/",)}, {"url"}),
        ({"url": ("https://[2001:db8::1]:8443/x",)}, set()),
        ({"url": ("https://{username}.example.com/",)}, {"url"}),
        ({"url": ("https://x/?p={password}",)}, {"url"}),
        ({"url": ("https://x/?c={client_secret}",)}, {"url"}),
        ({"url": ("https://x/?c={csrf}",)}, {"url"}),
        *(({"url": (f"https://x/?p={{{name}}}",)}, {"url"}) for name in ENCODED if name.startswith("password")),
        ({"url": ("https://x/?u={username_base64}",)}, set()),
        ({"url": ("https://x/{user}",)}, {"url"}),
        ({"url": ("https://x/ä",)}, {"url"}),
        ({"url": ("https://x/{username}/?n={username}",)}, set()),
        ({"url": (URL, "https://two.example.com/")}, set()),
        ({"url": (URL, "http://two.example.com/")}, {"url"}),
        ({"url": ("http://api.example.com/",)}, {"url"}),
        ({"url": ("http://api.example.com/",), "allow_cleartext": True}, set()),
        ({"url": ("http://127.0.0.1:8080/",)}, set()),
        ({"url": ("http://localhost/", "http://[::1]/")}, set()),
        ({"url": ("http://localhost.example.com/",)}, {"url"}),
        ({"body_template": '{"a": "{username}", "b": {password}}'}, {"body_template"}),
        ({"body_template": '{"a": {username}}'}, {"body_template"}),
        ({"body_template": '{"a": {username}, "b": {password}'}, {"body_template"}),
        ({"body_template": "{{username}: {password}}"}, {"body_template"}),
        ({"body_template": '[{username}, {"x": [{password}], "y": 1}]'}, set()),
        ({"body": "form", "body_template": "a={username}&b={password}"}, set()),
        ({"body": "form", "body_template": "a=x-{username}&b={password}"}, {"body_template"}),
        ({"body": "form", "body_template": "{username}&{password}"}, {"body_template"}),
        ({"body": "xml", "body_template": XML}, set()),
        ({"body": "xml", "body_template": '<?xml version="1.0" encoding="utf-8"?>' + XML}, set()),
        ({"body": "xml", "body_template": "<l n='{username}' p=\"{password}\"/>"}, set()),
        ({"body": "xml", "body_template": XML.replace("{password}", "<![CDATA[{password}]]>")}, {"body_template"}),
        ({"body": "xml", "body_template": XML.replace("{password}", "<!--{password}-->x")}, {"body_template"}),
        ({"body": "xml", "body_template": XML + "x"}, {"body_template"}),
        ({"body": "xml"}, {"body_template"}),
        ({"body": "basic"}, set()),
        ({"body": "basic", "body_template": "x"}, {"body_template"}),
        ({"body": "none"}, {"header"}),
        ({"body": "none", "header": {"X-N": "{username}", "X-P": "{password}"}}, set()),
        ({"body": "basic", "header": {"authorization": "x"}}, {"header.Authorization"}),
        ({"header": {"Authorization": "Bearer x"}}, set()),
        ({"method": "GET"}, {"method"}),
        ({"method": "PUT"}, set()),
        ({"header": {"X Key": "x"}}, {"header.X Key"}),
        ({"header": {"Content-Length": "5"}}, {"header.Content-Length"}),
        ({"header": {"host": "x"}}, {"header.host"}),
        ({"header": {"X-Key": "a\nb"}}, {"header.X-Key"}),
        ({"header": {"X-Key": "ä"}}, {"header.X-Key"}),
        ({"header": {"X-Name": "{passwort}"}}, {"header.X-Name"}),
        ({"header": {"X-Name": "{Username} {username}"}}, {"header.X-Name"}),
        ({"header": {"X-Id": "{0d3c1e9a-7b1f-4d5e-9a53-2f6f3a1f7c11}", "X-Json": '{"a": {}}'}}, set()),
        ({"body": "form", "body_template": "a={username}&b={password}&c={user_id}"}, {"body_template"}),
        ({"body": "form", "body_template": "a={username}&b={password}&c=%7Buser_id%7D"}, set()),
        ({"body": "xml", "body_template": XML.replace("</l>", "<c>{clientid}</c></l>")}, {"body_template"}),
        ({"body_template": '{"a": {username}, "b": {password}, "c": {clientid}}'}, {"body_template"}),
        ({"body_template": '{"a": {username}, "b": {password}, "c": "{clientid}"}'}, set()),
        ({"success": None}, {"success"}),
        ({"success": "status:200"}, {"success"}),
        ({"success": "not /error"}, {"success"}),
        ({"success": "not form:"}, {"success"}),
        ({"success": "form:"}, {"success"}),
        ({"success": "/ok\nstatus:200 and not /error"}, {"success"}),
        ({"success": "status:200 and /ok"}, set()),
        ({"success": "/ok = *"}, {"success"}),
        ({"success": "/id and /ok = **"}, set()),
        ({"success": "/id\nheader:Content-Type = *"}, {"success"}),
        ({"success": "regex:x*"}, {"success"}),
        ({"success": "regex:(?!.*error)"}, {"success"}),
        ({"success": "regex:$"}, {"success"}),
        ({"locked": "/locked = *\nregex:x*"}, set()),
        ({"body": "basic", "success": "status:200"}, set()),
        ({"body": "basic", "success": "status:200 204 and not form:"}, set()),
        ({"body": "basic", "success": "not form:"}, {"success"}),
        ({"body": "basic", "success": "not status:401"}, {"success"}),
        ({"body": "basic", "success": "status:200 302"}, {"success"}),
        ({"body": "basic", "success": "status:302 and location:/home"}, set()),
        ({"body": "basic", "success": "status:200\nnot form:"}, {"success"}),
        ({"success": "ok"}, {"success"}),
        ({"success": "status:abc and /ok"}, {"success"}),
        ({"success": "/a~2b"}, {"success"}),
        ({"success": "regex:("}, {"success"}),
        ({"success": "xpath:.//["}, {"success"}),
        ({"success": "header:"}, {"success"}),
        ({"success": "location:*"}, {"success"}),
        ({"success": "jwt:/id_token"}, {"success"}),
        # text that looks like a rule and never matches
        ({"locked": "/status=locked"}, {"locked"}),
        ({"locked": "/status == locked"}, {"locked"}),
        ({"locked": "/status ="}, {"locked"}),
        ({"locked": "/status = = locked"}, {"locked"}),
        ({"locked": "/status locked"}, {"locked"}),
        ({"locked": "/ok AND /status = locked"}, {"locked"}),
        ({"locked": "/ok and/status = locked"}, {"locked"}),
        ({"locked": '/status = "locked"'}, {"locked"}),
        ({"locked": "jwt:/t /status = 'locked'"}, {"locked"}),
        ({"locked": 'xpath:.//state = "locked"'}, {"locked"}),
        ({"locked": "jwt:/t /status=locked"}, {"locked"}),
        ({"locked": "header:X-State="}, {"locked"}),
        ({"locked": "header:X-State = "}, {"locked"}),
        ({"locked": "header:X-State=locked"}, {"locked"}),
        ({"locked": "header:X State = locked"}, {"locked"}),
        ({"locked": "cookie:state=locked"}, {"locked"}),
        ({"locked": "form: locked"}, {"locked"}),
        ({"locked": "regex:a and form: b"}, {"locked"}),
        ({"locked": "xpath:.//a[@b='c'] = d = e"}, {"locked"}),
        ({"locked": "xpath:.//a[@b='c'] = x*\nheader:ETag = \"x\"\nregex:a = b and c"}, set()),
        ({"email": "/mail=*"}, {"email"}),
        ({"email": "/e mail"}, set()),
        ({"name": "header:X Name"}, {"name"}),
        ({"wrong_password": "status:429"}, {"wrong_password"}),
        ({"wrong_password": "status:500"}, set()),
        ({"unknown_user": "status:503 and /x"}, {"unknown_user"}),
        ({"locked": "nonsense"}, {"locked"}),
        ({"misconfigured": "status:401"}, set()),
        ({"subject": None}, {"subject"}),
        ({"subject": "typed"}, {"subject"}),
        ({"subject": "username"}, set()),
        ({"subject": "status:200"}, {"subject"}),
        ({"email": "username"}, {"email"}),
        ({"claims": {"dept": "/dept", "bad": "dept"}}, {"claims.bad"}),
        ({"statuses": ("none",)}, set()),
        ({"statuses": ("401:wrong_password", "409:locked")}, set()),
        ({"statuses": ("200:success",)}, {"statuses"}),
        ({"statuses": ("401:success",)}, {"statuses"}),
        ({"statuses": ("429:wrong_password",)}, {"statuses"}),
        ({"statuses": ("500:wrong_password",)}, {"statuses"}),
        ({"proven": ("locked", "must_change")}, set()),
        ({"proven": ("wrong_password",)}, {"proven"}),
        ({"client_key": "x"}, {"client_key"}),
        ({"url": ("http://localhost/",), "client_certificate": "x"}, {"client_certificate"}),
        ({"url": ("http://localhost/",), "tls_ca_file": "x"}, {"tls_ca_file"}),
        (
            {"url": ("http://localhost/",), "client_certificate": "x", "client_key": "x"},
            {"client_certificate", "client_key"},
        ),
        ({"connect_timeout": 0}, {"connect_timeout"}),
        ({"total_timeout": 61}, {"total_timeout"}),
        ({"retry_down_after": -1}, {"retry_down_after"}),
        ({"failures_until_down": 0}, {"failures_until_down"}),
        ({"connections": 0}, {"connections"}),
        ({"answer_limit": 10_000_000}, {"answer_limit"}),
        (FORM, set()),
        ({**FORM, "prefetch_url": "/start"}, set()),
        ({**FORM, "prefetch_url": "https://api.example.com/start"}, set()),
        ({**FORM, "prefetch_url": "https://elsewhere.example.com/start"}, {"prefetch_url"}),
        ({**FORM, "prefetch_url": "//elsewhere.example.com/"}, {"prefetch_url"}),
        ({**FORM, "prefetch_url": "https://api.example.com/", "url": (URL, "https://two.example/")}, {"prefetch_url"}),
        ({**FORM, "prefetch_url": "/{username}"}, {"prefetch_url"}),
        ({**FORM, "url": ("https://api.example.com/l/{username}",)}, {"prefetch_url"}),
        ({**FORM, "url": ("https://api.example.com/l/{username}",), "prefetch_url": "/start"}, set()),
        ({"check_url": "/health"}, set()),
        ({"check_url": "http://api.example.com/health"}, {"check_url"}),
        ({**FORM, "prefetch_value": {"t": "html:input[name=t]"}}, {"prefetch_value.t"}),
        ({**FORM, "body_template": TOKEN}, {"body_template"}),
        ({**FORM, "body_template": TOKEN, "prefetch_value": {"csrf": "html:input[name=t]"}}, set()),
        ({**FORM, "body_template": TOKEN, "prefetch_value": {"csrf": "html:div > input"}}, {"prefetch_value.csrf"}),
        ({**FORM, "body_template": TOKEN, "prefetch_value": {"csrf": "regex:("}}, {"prefetch_value.csrf"}),
        ({**FORM, "prefetch_value": {"username": "/x"}}, {"prefetch_value.username"}),
        ({**FORM, "prefetch_value": {"a-b": "/x"}}, {"prefetch_value.a-b"}),
        ({**FORM, "body_template": TOKEN + "&x={flowId}", "prefetch_value": {"csrf": "/x"}}, {"body_template"}),
        ({**IN_FIELD, "json_fields": '{"a": {username}, "b": {password}}'}, {"json_fields"}),
        (FIRST, set()),
        ({**FIRST, "prefetch_url": None}, {"prefetch_url"}),
        ({**FIRST, "prefetch_url": "/flow/{flow_id}"}, {"prefetch_url"}),
        ({**FIRST, "prefetch_method": "GET"}, {"prefetch_body_template"}),
        ({**FIRST, "prefetch_body_template": "{"}, {"prefetch_body_template"}),
        ({**FIRST, "prefetch_body_template": '{"a": {username}}'}, {"prefetch_body_template"}),
        ({**FIRST, "prefetch_body_template": '{"a": {password}}'}, {"prefetch_body_template"}),
        ({**FIRST, "prefetch_body_template": '{"a": {password_md5}}'}, {"prefetch_body_template"}),
        ({**FIRST, "prefetch_body_template": '{"a": {flow_id}}'}, {"prefetch_body_template"}),
        ({**FIRST, "prefetch_body_template": '{"a": {client_id}}'}, {"client_id"}),
        ({**FIRST, "prefetch_body": "form", "prefetch_body_template": "a={b}"}, {"prefetch_body_template"}),
        ({**FIRST, "prefetch_header": {"X-Key": "{client_secret}"}}, set()),
        ({**FIRST, "prefetch_header": {"X-Key": "{username}"}}, {"prefetch_header.X-Key"}),
        ({**FIRST, "prefetch_header": {"X-Key": "{key}"}}, {"prefetch_header.X-Key"}),
        ({**FIRST, "prefetch_header": {"Host": "x"}}, {"prefetch_header.Host"}),
        ({"prefetch_method": "POST", "prefetch_header": {"X": "y"}}, {"prefetch_method", "prefetch_header.X"}),
        ({"body_template": '{"a": {username_base64}, "b": {password_md5}}'}, set()),
        (IN_FIELD, set()),
        ({**IN_FIELD, "body_template": "a=b"}, set()),
        ({**IN_FIELD, "body_template": "rest_data=b"}, {"json_fields"}),
        ({**IN_FIELD, "body": "json", "body_template": GOOD_TEMPLATE}, {"json_fields"}),
        ({**IN_FIELD, "json_fields": "x={username}{password}"}, {"json_fields"}),
        ({**IN_FIELD, "json_fields": "x={password}\nx={username}"}, {"json_fields"}),
        ({**IN_FIELD, "json_fields": 'x={"a": {username}, "b": {pass}}'}, {"json_fields", "body_template"}),
        ({"hidden_fields": True}, {"hidden_fields"}),
        ({"preset": "keycloak", "success": None, "subject": None}, {"client_id"}),
        ({"preset": "keycloak", "success": None, "subject": None, "client_id": "x"}, set()),
        ({"preset": "cas-rest", "success": None, "subject": None}, set()),
        ({"preset": "basic", "success": None}, set()),
        ({"preset": "basic", "success": None, "subject": None}, {"subject"}),
        ({**ENTRA, "url": ("https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token",)}, set()),
        ({**ENTRA, "url": ("https://login.microsoftonline.com/common/oauth2/v2.0/token",)}, {"url"}),
        ({**ENTRA, "url": ("https://login.microsoftonline.com/Organizations/oauth2/v2.0/token",)}, {"url"}),
        ({**ENTRA, "url": ("https://login.microsoftonline.com/contoso.com/oauth2/token",)}, {"url"}),
        ({"preset": "okta", "success": None, "subject": None}, set()),
        ({"preset": "soap"}, {"body_template"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_contradicting_settings_are_reported(changes: dict[str, Any], keys: set[str]) -> None:
    given = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    settings = settings_of(HTTPSettings, **given)
    assert {key for key, _ in settings.faults()} == keys
    if not keys:
        HTTPBackend(settings).close()


def test_faults_contain_no_value() -> None:
    canary = "canary-6b1d"
    wrong = dict.fromkeys(
        ("success", "locked", "subject", "email", "error_code", "body_template", "prefetch_url"), canary
    )
    settings = settings_of(
        HTTPSettings, url=(f"gopher://{canary}",), **wrong, header={"X-Key": canary + "ä"}, proven=(canary,)
    )
    faults = list(settings.faults())
    assert len(faults) > 8
    assert canary not in str(faults)


def test_precedence_of_ini_preset_and_defaults() -> None:
    plain = settings_of(HTTPSettings, url=(URL,))
    assert (plain.body, plain.method, plain.body_template) == (
        "form",
        "POST",
        "username={username}&password={password}",
    )
    assert plain.status_outcomes[423] == "locked"
    keycloak = settings_of(HTTPSettings, url=(URL,), preset="keycloak", wrong_password="status:418")
    assert keycloak.wrong_password == "status:418"
    assert keycloak.subject == "jwt:/id_token /sub"
    assert keycloak.status_outcomes == {}
    assert settings_of(HTTPSettings, url=(URL,), preset="soap", header={"soapaction": "login"}).headers == {
        "soapaction": "login"
    }


def test_presets_use_existing_settings_of_the_right_type() -> None:
    defaults = {item.name: item.default for item in fields(HTTPSettings)}
    for name, preset in PRESETS.items():
        assert all(type(value) is type(defaults[key]) for key, value in preset.items()), name


def test_default_template_depends_on_the_kind_of_body() -> None:
    assert settings_of(HTTPSettings, url=(URL,), body="json").body_template.startswith("{")
    assert settings_of(HTTPSettings, url=(URL,), preset="keycloak", body="form").body_template.startswith("grant_type=")
    assert settings_of(HTTPSettings, url=(URL,), preset="basic").body_template == ""


def test_none_removes_the_default_statuses() -> None:
    assert settings_of(HTTPSettings, url=(URL,), statuses=("none",)).status_outcomes == {}


def test_repr_contains_no_secret() -> None:
    secrets = {"client_secret": "s3cret-of-the-client", "header": {"X-Key": "s3cret-key"}}
    settings = settings_of(HTTPSettings, **GOOD, **secrets)
    backend = HTTPBackend(settings)
    assert "s3cret" not in repr(settings) + repr(backend) + str(vars(backend))
