"""What the usual login APIs want: data, and not code. The ini overrides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CAS_STATUSES = ("401:wrong_password", "403:disabled", "404:unknown_user", "412:account_expired", "423:locked")
"""What a REST endpoint that Apereo CAS authenticates against answers with (and 428 for must_change)."""

STATUSES = (*CAS_STATUSES, "428:must_change")
"""The outcomes of statuses where neither the ini nor the preset says others."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "json": {
        "body": "json",
    },
    "basic": {
        "method": "GET",
        "body": "basic",
        # RFC 7617: a protected resource is served to whoever may see it, and to nobody else
        "success": "status:200 204",
    },
    "cas-rest": {
        # https://apereo.github.io/cas/development/protocol/REST-Protocol-Request-TicketGrantingTicket.html
        "statuses": ("401:wrong_password",),
        "success": "status:201 and location:*/v1/tickets/TGT-*",
        # each of CAS's own stores says what it thinks; somebody whom one of them knows is not unknown
        "wrong_password": "status:401 and /authentication_exceptions = FailedLoginException",
        "unknown_user": "status:401 and /authentication_exceptions = AccountNotFoundException",
        "locked": "status:401 and /authentication_exceptions = AccountLockedException",
        "disabled": "status:401 and /authentication_exceptions = AccountDisabledException",
        "account_expired": "status:401 and /authentication_exceptions = AccountExpiredException",
        "password_expired": "status:401 and /authentication_exceptions = CredentialExpiredException",
        "must_change": "status:401 and /authentication_exceptions = AccountPasswordMustChangeException",
        # the protocol names nobody, and CAS's own name of a person is the one that was typed
        "subject": "username",
    },
    "keycloak": {
        # the password grant (RFC 6749 section 4.3) at .../protocol/openid-connect/token
        "body_template": (
            "grant_type=password&scope=openid&client_id={client_id}&client_secret={client_secret}"
            "&username={username}&password={password}"
        ),
        "statuses": (),
        "success": "/access_token and jwt:/id_token /sub",
        "disabled": "/error = invalid_grant and /error_description = Account disabled",
        # said once the password was right: an action of the person's is required first
        "must_change": "/error = invalid_grant and /error_description = Account is not fully set up",
        "proven": ("must_change",),
        # section 5.2: the credentials of the resource owner are invalid
        "wrong_password": "/error = invalid_grant",
        "misconfigured": (
            "/error = invalid_client\n/error = unauthorized_client\n/error = unsupported_grant_type\n"
            "/error = invalid_scope\n/error = invalid_request"
        ),
        "subject": "jwt:/id_token /sub",
        "username": "jwt:/id_token /preferred_username",
        "name": "jwt:/id_token /name",
        "email": "jwt:/id_token /email",
        "groups": "jwt:/id_token /groups",
    },
    "soap": {
        "body": "xml",
        "statuses": (),
        # SOAP 1.1 sections 4.4.1 and 6.2: faults come with 500; WS-Security has its own name for this one
        "wrong_password": (
            "status:500 and xpath:.//{*}Fault/faultcode = *Client.Authentication\n"
            "status:500 and xpath:.//{*}Fault/faultcode = *FailedAuthentication"
        ),
    },
    "html-form": {
        "hidden_fields": True,
        "statuses": (),
        # the login form is shown again
        "wrong_password": "form:",
    },
}

TEMPLATES: Mapping[str, str] = {
    "form": "username={username}&password={password}",
    "json": '{"username": {username}, "password": {password}}',
}
"""The body of each kind where neither the ini nor the preset says another."""

HEADERS: Mapping[str, Mapping[str, str]] = {
    "soap": {"SOAPAction": '""'},
}
"""Headers of a preset; those of the ini come over them."""

ACCEPTED: Mapping[str, str] = {"json": "application/json", "xml": "text/xml, application/xml", "form": "*/*"}
CONTENT_TYPES: Mapping[str, str] = {
    "form": "application/x-www-form-urlencoded",
    "json": "application/json",
    # that of SOAP 1.1
    "xml": "text/xml; charset=utf-8",
}
