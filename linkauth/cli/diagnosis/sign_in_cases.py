"""The cases of people who did not get past the login page, or a page after it. A key is the cause of the step."""

from __future__ import annotations

from collections.abc import Mapping

from linkauth.backends import PASSWORD_RULES
from linkauth.cli.diagnosis.cases import Case, case, command, field, person, setting

_BACKEND = "linkauth.backend.{source}"
_EXPLAIN = command("linkauth explain {ini} NAME", "it shows which account a name has, and whether it would be refused")
_PROVIDER = command("linkauth doctor {ini}", "it checks the sign-in provider and says what to register there")
_OTHER_WAY = setting(
    "{key}.password_form", "write true: name and password work in every browser, also without cookies and pop-ups"
)

SIGN_IN_CASES: Mapping[str, Case] = {
    "wrong_password": case(
        "the name is right and the password is wrong", person("the person must type it again or reset it"), _EXPLAIN
    ),
    "unknown_user": case(
        "no backend knows the typed name, or none accepts it",
        _EXPLAIN,
        setting("linkauth.backend.*.accepts", "its patterns must cover the names that people type"),
    ),
    "invalid_input": case(
        "the name or the password was empty, too long or not readable", person("it must be typed again")
    ),
    "unavailable": case(
        "the backend {source} could not be asked, so nobody whose name it may own can sign in: {detail}",
        setting(_BACKEND + ".*", "correct what the log says about the backend"),
        command("linkauth doctor {ini}", "it checks every backend"),
    ),
    "busy": case(
        "too many people were signing in at the same time",
        setting("linkauth.sign_in_wait", "raise it, or run more worker processes (LINKAUTH_WORKERS)"),
    ),
    "locked": case("the account is locked in {source}", person("unlock it there, or wait"), _EXPLAIN),
    "disabled": case("the account is disabled in {source}", person("enable it there"), _EXPLAIN),
    "account_expired": case("the account has expired in {source}", person("extend it there"), _EXPLAIN),
    "password_expired": case(
        "the password has expired in {source}",
        setting(_BACKEND + ".password_change", "write true, so that people can change it on linkauth's page"),
        setting(_BACKEND + ".password_change_url", "or name the page where they can change it"),
    ),
    "must_change_password": case(
        "the person must change the password in {source} before a sign-in",
        setting(_BACKEND + ".password_change", "write true, so that people can change it on linkauth's page"),
        setting(_BACKEND + ".password_change_url", "or name the page where they can change it"),
    ),
    "logon_restricted": case("the account may not sign in at this time or from here ({source})", _EXPLAIN),
    "second_factor": case(
        "{source} requires a second factor of its own, which linkauth cannot ask for",
        setting(_BACKEND + ".*", "exempt linkauth's service account there, and use linkauth.second_factor"),
    ),
    "not_entitled": case(
        "the account may not use the skill: the settings of {source} require a group or a value that it lacks",
        setting(_BACKEND + ".*", "the rule for entitled people"),
        _EXPLAIN,
    ),
    **dict.fromkeys(
        (*PASSWORD_RULES, "new_password"),
        case("the new password was refused: {detail}", person("the person must choose another one")),
    ),
    "refused": case("the backend {source} does not let the account in", _EXPLAIN),
    "throttled": case(
        "the sign-in was refused without a check of the password, after too many failures: {detail}",
        person("wait; if everybody is throttled, all requests may have the address of the proxy"),
        setting("linkauth.trusted_proxies", "it must contain the proxy, so that linkauth sees the addresses of people"),
        setting("linkauth.throttle.account_failures", "the limits of the throttle"),
    ),
    "stale": case(
        "the form was not accepted, because its page was too old (15 minutes) or belongs to another request. The "
        "page was shown again with a message",
        person("the person must send it again"),
        setting("linkauth.secret", "all servers must have the same secret"),
    ),
    "cross_site": case(
        "the form did not come from a page of linkauth.public_url, as the browser says: {detail}",
        setting("linkauth.public_url", "it must be the URL that phones use, with the same host and port"),
        command("linkauth doctor {ini}", "it checks what the proxy does to the pages"),
    ),
    "no_password_form": case(
        "a form with a password was sent, which the client does not offer", setting("{key}.password_form", "write true")
    ),
    "malformed_form": case(
        "the form could not be read: {detail}",
        command("linkauth theme check", "a theme must not change the method or the encoding of the form"),
    ),
    "storage": case(
        "the database failed, and the person was asked to try again: {detail}",
        setting("linkauth.database", "the database must answer within 1.75 seconds: look at its load and its disk"),
    ),
    "unexpected": case(
        "linkauth failed, and the person saw a reference number: {detail}",
        command("grep {detail}", "it finds the traceback in the log; please report it"),
    ),
    "wrong_code": case("the code from the mail was wrong", person("the person must type the newest code")),
    **dict.fromkeys(
        ("unknown", "expired", "tries", "replaced", "used"),
        case(
            "the code from the mail could not be used any more: {detail}", person("the person must ask for a new one")
        ),
    ),
    "sign_in_cancelled": case("the person has cancelled the sign-in at {source}", person("nothing is wrong")),
    "sign_in_refused": case(
        "{source} does not let this person in: {detail}",
        setting("linkauth.sign_in.{source}.*", "the tenant, the domains or the groups that it requires"),
    ),
    "invalid_answer": case(
        "the answer of {source} is not valid: {detail}",
        setting("linkauth.sign_in.{source}.*", "issuer, client_id and client_secret must be those of the provider"),
        _PROVIDER,
    ),
    "provider_unavailable": case("{source} does not answer: {detail}", _PROVIDER),
    "sign_in_ended": case(
        "the person came back from {source} too late, or a second time", person("the person must begin again")
    ),
    "other_browser": case(
        "the sign-in at {source} came back in another browser than it began in, or that one has lost its cookie, as "
        "with SameSite=Strict or in an app's own browser",
        _OTHER_WAY,
        setting(
            "linkauth.embedded_browsers", "name the app's browser, so that the page does not offer the provider there"
        ),
        field("{domains}", "add the hosts of the provider: linkauth client show {ini} {client} lists them"),
    ),
    "unmatched": case(
        "{source} has signed in somebody who has no account in the backend",
        setting("linkauth.sign_in.{source}.match", "it says by which value the account is found"),
        setting("linkauth.sign_in.{source}.registration", "or write true, so that people can create an account"),
    ),
    "wrong_second_factor": case(
        "the second step was not passed: {detail}",
        person("the person must use the newest code; the clock of the phone must be right"),
        command("linkauth second-factor reset {ini} NAME", "it removes a second factor that was lost"),
    ),
    "passkey_refused": case(
        "the passkey was not accepted, as in many browsers of apps: {detail}",
        setting("linkauth.passkeys", "write false, if the skill's people cannot use them"),
        person("the person must choose the code of the authenticator app on the page instead"),
    ),
}
