"""The settings for common login APIs. The ini file overrides them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkauth_http.identity_providers import ENTRA, OKTA

_CAS_STATUSES = ("401:wrong_password", "403:disabled", "404:unknown_user", "412:account_expired", "423:locked")
"""The statuses of a REST endpoint for the REST authentication of Apereo CAS, which also uses 428 for must_change."""

STATUSES = (*_CAS_STATUSES, "428:must_change")
"""The default outcomes of statuses."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "json": {
        "body": "json",
    },
    "basic": {
        "method": "GET",
        "body": "basic",
        # a resource protected by HTTP Basic (RFC 7617) is returned only for valid credentials
        "success": "status:200 204",
    },
    "cas-rest": {
        # https://apereo.github.io/cas/development/protocol/REST-Protocol-Request-TicketGrantingTicket.html
        "statuses": ("401:wrong_password",),
        "success": "status:201 and location:*/v1/tickets/TGT-*",
        # each authentication source of CAS reports its own exception; a name known to one source is not unknown
        "wrong_password": "status:401 and /authentication_exceptions = FailedLoginException",
        "unknown_user": "status:401 and /authentication_exceptions = AccountNotFoundException",
        "locked": "status:401 and /authentication_exceptions = AccountLockedException",
        "disabled": "status:401 and /authentication_exceptions = AccountDisabledException",
        "account_expired": "status:401 and /authentication_exceptions = AccountExpiredException",
        "password_expired": "status:401 and /authentication_exceptions = CredentialExpiredException",
        "must_change": "status:401 and /authentication_exceptions = AccountPasswordMustChangeException",
        # the protocol returns no identity, and CAS identifies people by the typed name
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
        # returned after a correct password if a required action is pending
        "must_change": "/error = invalid_grant and /error_description = Account is not fully set up",
        "proven": ("must_change",),
        # RFC 6749 section 5.2: the credentials of the resource owner are invalid
        "wrong_password": "/error = invalid_grant",
        "misconfigured": (
            "/error = invalid_client\n/error = unauthorized_client\n/error = unsupported_grant_type\n"
            "/error = invalid_scope\n/error = invalid_request"
        ),
        "error_code": "/error",
        "subject": "jwt:/id_token /sub",
        "username": "jwt:/id_token /preferred_username",
        "name": "jwt:/id_token /name",
        "email": "jwt:/id_token /email",
        "groups": "jwt:/id_token /groups",
    },
    "soap": {
        "body": "xml",
        "statuses": (),
        # faults have status 500 (SOAP 1.1 sections 4.4.1 and 6.2); WS-Security uses a fault code of its own
        "wrong_password": (
            "status:500 and xpath:.//{*}Fault/faultcode = *Client.Authentication\n"
            "status:500 and xpath:.//{*}Fault/faultcode = *FailedAuthentication"
        ),
    },
    "html-form": {
        "hidden_fields": True,
        "statuses": (),
        # the response contains the login form again
        "wrong_password": "form:",
    },
    "entra": ENTRA,
    "okta": OKTA,
}

TEMPLATES: Mapping[str, str] = {
    "form": "username={username}&password={password}",
    "json": '{"username": {username}, "password": {password}}',
}
"""The default `body_template` of each kind of body."""

HEADERS: Mapping[str, Mapping[str, str]] = {
    "soap": {"SOAPAction": '""'},
}
"""The headers of a preset. The ini file overrides them."""

ACCEPTED: Mapping[str, str] = {"json": "application/json", "xml": "text/xml, application/xml", "form": "*/*"}
CONTENT_TYPES: Mapping[str, str] = {
    "form": "application/x-www-form-urlencoded",
    "json": "application/json",
    # the content type of SOAP 1.1
    "xml": "text/xml; charset=utf-8",
}
