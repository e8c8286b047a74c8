"""The cases of attempts in which nothing was refused, but the next step never came. A key is the last stage.

linkauth does not see why a browser or a platform stays away. So each case names what can be checked, the likeliest
first.
"""

from __future__ import annotations

from collections.abc import Mapping

from linkauth.cli.diagnosis.cases import Case, case, command, field, person, program, setting

_DOCTOR_TOKEN = command(
    "linkauth doctor {ini}",
    "best from another network, it checks the name, the certificate with its chain, TLS, and whether a proxy adds "
    "form-action",
)
_TOKEN_URL = field("{token}", "it must be exactly {url}/token, with https and port 443")

STAGE_CASES: Mapping[str, Case] = {
    "opened": case(
        "the login page was shown, and its form was never sent",
        person("most such people have left, or the app has closed the page: a pop-up, or a tab that was not theirs"),
        command("linkauth theme check", "if nobody gets further, it finds pop-ups and foreign scripts"),
        command(
            "linkauth doctor {ini}",
            "if nobody gets further, a proxy may change the page (public.headers, public.login_page)",
        ),
    ),
    "at_provider": case(
        "the browser was sent to the sign-in provider {source}, and never came back. Providers such as Google refuse "
        "the browsers of apps, and the Alexa app leaves its page for hosts that it does not know",
        field("{domains}", "add the hosts of the provider: linkauth client show {ini} {client} lists them"),
        setting("linkauth.embedded_browsers", "the browsers in which the page does not offer such a provider"),
        setting("{key}.password_form", "write true, so that there is another way"),
    ),
    "confirming": case(
        "the person has signed in at {source} in a browser that keeps no cookies, and has not pressed the button of "
        "the page that asks to confirm the link",
        person("if it was not the person who began, nothing is wrong: the page is the protection"),
        field("{domains}", "add the hosts of the provider, so that the app keeps its cookies"),
    ),
    "second_factor": case(
        "the password was right, and the second step was never passed: a lost phone, or a passkey that the browser of "
        "an app does not offer",
        setting("linkauth.passkeys", "they are an offer; people need an authenticator app too"),
        command("linkauth second-factor reset {ini} NAME", "it removes a second factor that was lost"),
    ),
    "code_mailed": case(
        "a code was mailed for a new password or a new account, and it was never typed",
        command("linkauth mail {ini}", "it shows whether the mail was sent"),
        person("the mail may be among the unwanted ones"),
    ),
    "signed_in": case(
        "the person has signed in, and no link was created",
        command("linkauth doctor {ini}", "it checks the database; the log has more about the request"),
    ),
    "redirected_with_code": case(
        "the browser was sent back with a code, and {platform} never exchanged it. Either the browser did not arrive "
        "(a proxy adds form-action to the Content-Security-Policy, a pop-up blocker, a closed app), or {platform} "
        "cannot reach {url}/token (TLS, certificate, firewall, the wrong URL)",
        _DOCTOR_TOKEN,
        _TOKEN_URL,
        person("if others can link: a VPN, or an account of another country's store, leads to the wrong region"),
    ),
    "redirected_with_token": case(
        "the browser was sent back with a token, and nobody has asked linkauth about it",
        program("the skill must ask /introspect or /userinfo whose token it has: see docs/skill.md"),
        _DOCTOR_TOKEN,
        person("if the app shows no link: the browser did not arrive, or the account is of another country's store"),
    ),
    "tokens_issued": case(
        "{platform} has its tokens, and nobody has used them. If the app says that it cannot link, the platform has "
        "refused the link afterwards",
        program("a smart home skill with “Send Alexa Events” must answer AcceptGrant, or the whole link fails"),
        program("the skill must ask /introspect or /userinfo whose token it has, unless it verifies JWTs itself"),
    ),
    "expired": case(
        "the link worked, and its access token has expired. The implicit grant has no refresh tokens",
        setting("{key}.access_token_lifetime", "write 0, so that the tokens of the implicit grant do not expire"),
        setting("{key}.grants", "or write authorization_code, and select Auth Code Grant in the console"),
    ),
    "used": case(
        "the link works: the skill has used its token", person("if Alexa says otherwise, look at the skill's log")
    ),
    "ended": case(
        "the link worked or was created, and has ended: {detail}",
        person("to link again, the person must disable and enable the skill; older links do not matter"),
        command("linkauth links {ini} --ended", "it shows when and why links have ended"),
    ),
    "unknown_problem": case(
        "the request was refused: {detail}",
        command("linkauth doctor {ini}", "it checks the settings; the log has more about the request"),
    ),
}
