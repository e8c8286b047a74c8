"""The cases of requests of clients that were refused: at /token, /introspect and /revoke. A key is the cause."""

from __future__ import annotations

from collections.abc import Mapping

from linkauth.cli.diagnosis.cases import Case, case, command, field, person, program, setting

_SHOW_SECRET = command("linkauth client show {ini} {client} --secret", "it prints the secret to type")
_RELINK = person("the person must disable and enable the skill, and link again")
_STABLE = setting(
    "{key}.refresh",
    "write stable, as Amazon asks (or overlap): {platform} may use an old refresh token again, so a token must not die "
    "when it is replaced",
)
_TOKEN_URL = field("{token}", "it must be exactly {url}/token")

TOKEN_CASES: Mapping[str, Case] = {
    "unknown_client": case(
        "the request of {platform} names a client_id that is not registered: {detail}",
        field("{id_field}", "type the client_id of the client in the ini file"),
        setting("linkauth.clients", "add the client, if the console is right"),
    ),
    "wrong_secret": case(
        "{platform} sent another client secret than that of the client, so it could not get or refresh tokens",
        field("{secret}", "type the value of the setting {key}.secret"),
        _SHOW_SECRET,
    ),
    "missing_secret": case(
        "the request has no client secret, neither in an Authorization header (HTTP Basic) nor in the body: {detail}",
        field("{secret}", "type the value of the setting {key}.secret; linkauth accepts both authentication schemes"),
        _SHOW_SECRET,
    ),
    "public_client": case(
        "the client has no secret in the ini file, and the request has one",
        setting("{key}.secret", "set the secret of the console"),
        field("{secret}", "or leave it empty"),
    ),
    "malformed_credentials": case(
        "the Authorization header of the request is not HTTP Basic with client_id:client_secret",
        field("Your Authentication Scheme", "select HTTP Basic or Credentials in request body"),
        field("{secret}", "type the value of the setting {key}.secret"),
    ),
    "two_credentials": case(
        "the request has credentials in the header and in the body, which RFC 6749 forbids",
        field("Your Authentication Scheme", "select one scheme"),
    ),
    "client_id_differs": case(
        "the client_id in the body is not that of the Authorization header", field("{id_field}", "correct it")
    ),
    "throttled": case(
        "too many requests with a wrong client secret came from this address: {detail}",
        field("{secret}", "type the value of the setting {key}.secret"),
        setting("linkauth.throttle.client_failures", "raise it only if several clients share the address"),
    ),
    "secret_in_query": case(
        "the client sent a secret in the URL, which is now in access logs: {detail}",
        _TOKEN_URL,
        setting("{key}.secret", "replace it, since the old one was logged"),
        program("the client must send tokens and secrets in the body"),
    ),
    "swapped_urls": case(
        "the URL for people and the URL for tokens are swapped in the console: {detail}",
        field("{authorization}", "it must be exactly {url}/authorize"),
        _TOKEN_URL,
    ),
    "insecure_transport": case(
        "the request did not come over https: {detail}",
        field("{token}", "it must begin with https://: {url}/token"),
        setting("linkauth.trusted_proxies", "it must contain the proxy, which must set X-Forwarded-Proto to https"),
    ),
    "missing_grant_type": case("the token request has no grant_type: {detail}", _TOKEN_URL),
    "unknown_grant_type": case("the token request has a grant_type that linkauth does not know: {detail}", _TOKEN_URL),
    "grant_not_allowed": case(
        "the client asks for tokens by a grant that it does not have: {detail}",
        setting("{key}.grants", "write authorization_code for Auth Code Grant"),
        field("{grant}", "or select the grant that the setting names"),
    ),
    "missing_code": case("the token request has no code", program("the client must send the code that it received")),
    "code_unknown": case(
        "the client sent a code that linkauth does not know: {detail}. It was cut off, changed or stored too long, or "
        "it is of another server",
        program("the client must send the code unchanged and within a minute; a column for it needs 43 characters"),
        setting("linkauth.database", "all servers of {url} must use the same database"),
    ),
    "code_of_other_client": case(
        "the code was issued to another client: {detail}",
        field("{id_field}", "the skill that asks for tokens must be the one that the person has linked"),
    ),
    "code_used": case(
        "the client sent a code a second time, so that its link has ended: somebody else may have the code",
        program("the client must exchange a code once, and must not keep old codes for the next link"),
        _RELINK,
    ),
    "code_expired": case(
        "the code came too late: it is valid for a minute",
        program("the client must exchange the code at once"),
        command("linkauth doctor {ini}", "its check public.clock compares the clocks, and public.token the time"),
    ),
    "redirect_uri_differs": case(
        "the redirect_uri of the token request is not that of the authorization request: {detail}",
        program("the client must send the same redirect_uri in both; for app-to-app linking, that of the app"),
    ),
    "wrong_verifier": case(
        "the code_verifier of the token request does not belong to the code_challenge of the authorization request "
        "(PKCE): {detail}",
        field("{pkce}", "turn it off and on again, so that both requests have it"),
        program("the client must keep one code_verifier for both requests"),
    ),
    "scopes_lost": case(
        "no scope of the link is in the settings of the client any more: {detail}",
        setting("{key}.scopes", "add the scopes that people have allowed"),
        _RELINK,
    ),
    "link_ended": case(
        "the client uses a token of a link that has ended: {detail}",
        _RELINK,
        command("linkauth links {ini} --ended", "it shows when and why links have ended"),
    ),
    "missing_refresh_token": case("the token request has no refresh_token", program("the client must send it")),
    "refresh_unknown": case(
        "the client sent a refresh token that linkauth does not know: {detail}",
        program("the client must store tokens unchanged: a column for a token needs at least 255 characters"),
        setting("linkauth.database", "all servers of {url} must use the same database, and no copy of an older one"),
        _RELINK,
    ),
    "refresh_of_other_client": case(
        "the refresh token was issued to another client: {detail}",
        field("{id_field}", "two skills must not share refresh tokens"),
    ),
    "refresh_expired": case(
        "the refresh token has expired, so {platform} has unlinked the person",
        setting("{key}.refresh_token_lifetime", "write 0: Amazon advises refresh tokens that do not expire"),
        setting("{key}.refresh_token_idle", "write 0"),
        _RELINK,
    ),
    "refresh_reused": case(
        "the client used a refresh token again after it was replaced, so its link has ended and the person is unlinked",
        _STABLE,
        _RELINK,
    ),
    "refresh_replaced": case(
        "the client used a refresh token that was replaced by a newer one",
        _STABLE,
        program("the client must store the new refresh token of each response"),
    ),
    "missing_token": case("the request has no token", program("the skill must send the token in the body")),
    "scope_exceeds": case(
        "the client asks for more scopes than the person has allowed: {detail}",
        field("{scope}", "people must link again after a scope was added"),
    ),
    "storage": case(
        "the database failed, and the client got 503. It may try again: a code is used and its tokens are stored in "
        "one transaction, so nothing is lost. {detail}",
        setting("linkauth.database", "the database must answer within 1.75 seconds: look at its load and its disk"),
    ),
    "unexpected": case(
        "linkauth failed, and the log has the traceback: {detail}",
        command("grep {detail}", "it finds the traceback in the log; please report it"),
    ),
}
