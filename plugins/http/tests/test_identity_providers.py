"""Tests of the presets entra and okta with the documented responses of these services."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from linkauth.backends import AccountRefused, BackendMisconfigured, BackendUnavailable, UnknownUser, WrongPassword
from linkauth_http import HTTPBackend

from .api import API, ReceivedRequest, Reply
from .protocols import JSON, jwt

Make = Callable[..., HTTPBackend]
TENANT = "/contoso.onmicrosoft.com/oauth2/v2.0/token"
OID = "00aa00aa-bb11-cc22-dd33-44ee44ee44ee"
CLAIMS = {
    "oid": OID,
    "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
    "preferred_username": "abeli@contoso.com",
    "name": "Abe Lincoln",
    "email": "abe@contoso.com",
}


def aadsts(code: int, error: str = "invalid_grant", status: int = 400) -> Reply:
    description = f"AADSTS{code}: a sentence.\r\nTrace ID: 255d1aef-8c98-452f-ac51-23d051240864"
    body = {
        "error": error,
        "error_description": description,
        "error_codes": [code],
        "timestamp": "2026-01-09 02:02:12Z",
    }
    return Reply(status, json.dumps(body), JSON)


def answer(api: API, reply: Reply) -> None:
    api.handler = lambda request: reply


def entra(api: API, backend_on: Make, **changes: Any) -> HTTPBackend:
    client = {"client_id": "535fb089-9ff3-47b6-9bfb-4f1264799865", **changes}
    return backend_on(api.url + TENANT, preset="entra", success=None, subject=None, **client)


def refusal(backend: HTTPBackend) -> tuple[Any, bool, bool]:
    """Returns (reason or class, proven, revealed) of a sign-in."""
    try:
        backend.authenticate("abeli@contoso.com", "s3cret")
    except AccountRefused as refused:
        return refused.reason, refused.proven, refused.revealed
    except (BackendUnavailable, UnknownUser, WrongPassword) as error:
        return type(error), False, False
    raise AssertionError


def test_entra_identity_is_the_object_of_the_directory(api: API, backend_on: Make) -> None:
    def token_endpoint(request: ReceivedRequest) -> Reply:
        expected = {"grant_type": "password", "scope": "openid profile email", "username": "abeli@contoso.com"}
        assert request.form == expected | {"client_id": "535fb089-9ff3-47b6-9bfb-4f1264799865", "password": "s&cret"}
        assert request.target == TENANT
        tokens = {"access_token": jwt({"aud": "graph"}), "id_token": jwt(CLAIMS), "token_type": "Bearer"}
        return Reply(200, json.dumps(tokens | {"scope": "openid profile email", "expires_in": 3599}), JSON)

    api.handler = token_endpoint
    identity = entra(api, backend_on).authenticate("abeli@contoso.com", "s&cret")
    assert (identity.subject, identity.username) == (OID, "abeli@contoso.com")
    assert (identity.name, identity.email) == ("Abe Lincoln", "abe@contoso.com")


@pytest.mark.parametrize("claims", [{key: text for key, text in CLAIMS.items() if key != "oid"}, {**CLAIMS, "oid": ""}])
def test_entra_token_without_the_object_is_not_a_success(api: API, backend_on: Make, claims: Mapping[str, str]) -> None:
    tokens = {"access_token": jwt({"aud": "graph"}), "id_token": jwt(claims)}
    api.handler = lambda request: Reply(200, json.dumps(tokens), JSON)
    assert refusal(entra(api, backend_on))[0] is BackendUnavailable


def test_entra_errors(api: API, backend_on: Make) -> None:
    backend = entra(api, backend_on)
    proven: dict[str, tuple[int, ...]] = {
        "password_expired": (50055, 50144),
        "must_change_password": (50142,),
        "second_factor": (50076, 50079, 50072, 50074, 50078, 50158, 53004, 53010, 500121, 50203, 50125),
        "logon_restricted": (53000, 53001, 53002, 53003, 530032, 530003, 50097, 50131, 80012),
        "not_entitled": (50105,),
    }
    for reason, codes in proven.items():
        for code in codes:
            for error in ("invalid_grant", "interaction_required"):
                answer(api, aadsts(code, error))
                assert refusal(backend) == (reason, True, True), code
    others: dict[Any, tuple[int, ...]] = {
        WrongPassword: (50126, 50056, 50064),
        UnknownUser: (50034, 50020, 50128, 51004, 90072),
        "locked": (50053,),
        "disabled": (50057,),
        BackendUnavailable: (50196, 90033, 90006, 90055, 80001, 99999),
        BackendMisconfigured: (90002, 700016, 7000218, 7000215, 65001, 9002313),
    }
    for expected, codes in others.items():
        for code in codes:
            answer(api, aadsts(code))
            assert refusal(backend) == (expected, False, False), code
    # an account of another tenant is unknown, and what a person must do on a page of Microsoft is a second step
    for code, outcome in (
        (16000, (UnknownUser, False, False)),
        (50126, (WrongPassword, False, False)),
        (50053, ("locked", False, False)),
        (65999, ("second_factor", True, True)),
    ):
        answer(api, aadsts(code, "interaction_required"))
        assert refusal(backend) == outcome, code
    # two codes in one answer
    body = {"error": "invalid_grant", "error_description": "AADSTS70002: a sentence.", "error_codes": [70002, 50126]}
    answer(api, Reply(400, json.dumps(body), JSON))
    assert refusal(backend)[0] is WrongPassword
    # a token beside a demand for a second factor lets nobody in
    tokens = {"access_token": jwt({"aud": "graph"}), "id_token": jwt(CLAIMS)}
    answer(api, Reply(200, json.dumps(tokens | {"error": "interaction_required", "error_codes": [50076]}), JSON))
    assert refusal(backend)[0] == "second_factor"


def test_entra_codes_are_in_the_log(api: API, backend_on: Make) -> None:
    backend = entra(api, backend_on, client_secret="an old s3cret")
    for reply, error, code in (
        (aadsts(7000222, "invalid_client", 401), BackendMisconfigured, "7000222"),
        (aadsts(90033, "temporarily_unavailable"), BackendUnavailable, "90033"),
    ):
        answer(api, reply)
        with pytest.raises(error, match=f", /error_codes = '{code}'(;|$)"):
            backend.authenticate("abeli@contoso.com", "x")
    assert api.requests[0].form["client_secret"] == "an old s3cret"


def transaction(status: str, **further: Any) -> Reply:
    """A response of Okta's primary authentication."""
    profile = {"login": "dade.murphy@example.com", "firstName": "Dade", "lastName": "Murphy", "locale": "en_US"}
    user = {"id": "00ub0oNGTSWTBKOLGLNR", "passwordChanged": "2026-09-08T20:14:45.000Z", "profile": profile}
    body = {"expiresAt": "2026-11-03T10:15:57.000Z", "status": status, "_embedded": {"user": user}}
    return Reply(200, json.dumps(body | further), JSON)


def okta_error(code: str, status: int) -> Reply:
    body = {"errorCode": code, "errorSummary": "A sentence", "errorLink": code, "errorId": "oaeuHRrvMnuRga5UzpKIOhKpQ"}
    return Reply(status, json.dumps(body | {"errorCauses": []}), JSON)


def test_okta_transactions(api: API, backend_on: Make) -> None:
    backend = backend_on(f"{api.url}/api/v1/authn", preset="okta", success=None, subject=None)
    api.handler = lambda request: transaction("SUCCESS", sessionToken="00Fpzf4en68pCXTsMjcX8JPMctzN2Wiw4LDOBL_9pe")
    identity = backend.authenticate("dade.murphy@example.com", 'correct"horse')
    assert (identity.subject, identity.username) == ("00ub0oNGTSWTBKOLGLNR", "dade.murphy@example.com")
    sent = json.loads(api.requests[0].body)
    assert (sent["username"], sent["password"]) == ("dade.murphy@example.com", 'correct"horse')
    token = {"stateToken": "007ucIX7PATyn94hsHfOLVaXAmOBkKHWnOOLG43bsb"}
    for reply, expected in (
        (transaction("MFA_REQUIRED", **token), ("second_factor", True, True)),
        (transaction("MFA_ENROLL", **token), ("second_factor", True, True)),
        (transaction("MFA_CHALLENGE", **token), ("second_factor", True, True)),
        (transaction("PASSWORD_EXPIRED", **token), ("password_expired", True, True)),
        (Reply(200, '{"status": "LOCKED_OUT", "_embedded": {}}', JSON), ("locked", False, False)),
        (okta_error("E0000004", 401), (WrongPassword, False, False)),
        (okta_error("E0000069", 403), ("locked", False, False)),
        (okta_error("E0000119", 403), ("locked", False, False)),
        (okta_error("E0000011", 401), (BackendMisconfigured, False, False)),
        (okta_error("E0000009", 500), (BackendUnavailable, False, False)),
        (okta_error("E0000047", 429), (BackendUnavailable, False, False)),
        # not understood: a success without the session, and states that are not documented for a sign-in
        (transaction("SUCCESS"), (BackendUnavailable, False, False)),
        (transaction("MFA_ENROLL_ACTIVATE", **token), ("second_factor", True, True)),
        (transaction("MFA_REQUIRED", sessionToken="00Fpzf4en68pCXTsMjcX8JPMctzN2Wiw4L"), ("second_factor", True, True)),
        (transaction("MFA_SOMETHING_NEW", **token), (BackendUnavailable, False, False)),
        (transaction("PASSWORD_WARN", **token), (BackendUnavailable, False, False)),
        (transaction("RECOVERY", **token), (BackendUnavailable, False, False)),
    ):
        answer(api, reply)
        assert refusal(backend) == expected, reply.body


def test_presets_have_no_rules_that_doctor_warns_of(api: API, backend_on: Make) -> None:
    okta = backend_on(f"{api.url}/api/v1/authn", preset="okta", success=None, subject=None)
    for backend in (entra(api, backend_on), okta):
        assert [check for check in backend.check() if check.warning] == []
