"""The cases of authorization requests that were refused: before the login page, or instead of it.

A key is the cause of the step. These are errors of a console or of the settings, and stop everybody who uses the skill.
"""

from __future__ import annotations

from collections.abc import Mapping

from linkauth.cli.diagnosis.cases import Case, case, command, field, person, setting

_EXACT = field("{authorization}", "it must be exactly {url}/authorize, without parameters: {platform} adds them")
_SHOW = command("linkauth client show {ini} {client}", "it prints what to type into each field of the console")

REQUEST_CASES: Mapping[str, Case] = {
    "unknown_client": case(
        "the request names a client_id that is not registered: {detail}",
        field("{id_field}", "type the client_id of the client in the ini file"),
        setting("linkauth.clients", "add the client, if the console is right"),
    ),
    "missing_redirect_uri": case(
        "the request has no redirect_uri, and the client has several",
        setting("{key}.redirect_uris", "the platform must send one of them with each request"),
        _SHOW,
    ),
    "wrong_redirect_uri": case(
        "the request wants to return to a redirect URI that is not registered: {detail}. {platform} chooses it by the "
        "region in which the person has registered the device, so people of other regions may be able to link",
        setting("{key}.{id_key}", "with the ID of the console's redirect URLs, it gives the URLs of all regions"),
        setting("{key}.redirect_uris", "or add the received URI, character by character"),
    ),
    "repeated_parameter": case(
        "the request has a parameter twice, because the authorization URL in the console contains parameters: {detail}",
        _EXACT,
    ),
    "swapped_urls": case(
        "the URL for people and the URL for tokens are swapped in the console: {detail}",
        field("{authorization}", "it must be exactly {url}/authorize"),
        field("{token}", "it must be exactly {url}/token"),
    ),
    "insecure_transport": case(
        "the request did not come over https: {detail}",
        field("{authorization}", "it must begin with https://: {url}/authorize"),
        setting("linkauth.trusted_proxies", "it must contain the proxy, which must set X-Forwarded-Proto to https"),
        command("linkauth doctor {ini}", "it checks what the proxy sends"),
    ),
    "malformed": case("the request cannot be read: {detail}", _EXACT),
    "missing_response_type": case("the request has no response_type", _EXACT),
    "unknown_response_type": case("the request has a response_type that linkauth does not know: {detail}", _EXACT),
    "grant_not_allowed": case(
        "the console uses a grant that the client does not have: {detail}",
        setting("{key}.grants", "write authorization_code for Auth Code Grant, or implicit for Implicit Grant"),
        field("{grant}", "or select the grant that the setting names"),
    ),
    "wrong_response_mode": case("the request has a response_mode that does not fit its grant", _EXACT),
    "request_object": case("the request has the parameter request or request_uri, which linkauth does not support"),
    "invalid_state": case(
        "the parameter state is too long or not printable: something between {platform} and linkauth has changed it",
        command("linkauth doctor {ini}", "its check public.state shows whether the proxy changes it"),
        _EXACT,
    ),
    "missing_state": case(
        "the request has no state, and the client requires it",
        setting("{key}.require_state", "write false, if the client never sends one"),
        _EXACT,
    ),
    "missing_challenge": case(
        "the client must use PKCE, and the request has no code_challenge",
        field("{pkce}", "turn it on"),
        setting("{key}.pkce", "or write optional"),
    ),
    "wrong_challenge_method": case(
        "the request uses a method of PKCE other than S256: {detail}", field("{pkce}", "the method must be S256")
    ),
    "malformed_challenge": case(
        "the code_challenge of the request is not one of S256 (RFC 7636): the client computes it wrongly",
        field("{pkce}", "the method must be S256"),
    ),
    "malformed_scope": case(
        "the scope of the request is not a list of scopes: {detail}",
        field("{scope}", "add each scope by itself, without commas and spaces"),
    ),
    "unknown_scope": case(
        "the request asks for a scope that the client does not have: {detail}. linkauth issues refresh tokens without "
        "offline_access",
        field("{scope}", "remove the scope, also offline_access and openid"),
        setting("{key}.scopes", "or add the scope"),
    ),
    "declined": case(
        "the person has pressed the button that cancels the link, and was sent back", person("nothing is wrong")
    ),
}
