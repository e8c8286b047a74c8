"""The page "Account Linking" of the Alexa developer console, and the same as a request of the Skill Management API.

Sources: developer.amazon.com/docs/account-linking (configure-authorization-code-grant, configure-implicit-grant,
requirements-account-linking, skip-account-linking) and developer.amazon.com/docs/smapi/account-linking-schemas.html.
"""

from __future__ import annotations

from typing import Any

from linkauth.cli.consoles.entry import Entry
from linkauth.cli.consoles.form import Field, Form

CONSOLE_DOMAINS, API_DOMAINS = 30, 15
"""How many domains the Domain List takes: in the console, and in the Skill Management API."""
HOST_LENGTH = 253
"""The greatest length of a host name (RFC 1035 section 2.3.4); Amazon documents no shorter one."""
GRANTS = {"authorization_code": ("Auth Code Grant", "AUTH_CODE"), "implicit": ("Implicit Grant", "IMPLICIT")}
"""By grant: the word of the console, and that of the API."""


def form(entry: Entry) -> Form:
    by_code = entry.by_code
    fields = [
        Field("Do you allow users to create an account or link to an existing account with you?", ("on",)),
        Field(
            "Allow users to enable skill without account linking",
            ("off",),
            (
                "Off: the Alexa app opens linkauth's login page when a user enables the skill. Smart home and video "
                "skills need this.",
                "A custom skill may turn it on if it also has functions for everybody. Then requests without "
                "context.System.user.accessToken are normal, and the skill answers what needs an account with a speech "
                "that says so and with the card LinkAccount, which opens the login page from the Alexa app.",
            ),
        ),
        Field("Allow users to authenticate using your mobile application", ("off",)),
        Field("Allow users to link their account to your skill from within your application or website", ("off",)),
        Field("Select an authorization grant type", (GRANTS[entry.grant][0],), _grant_notes(entry)),
        Field(
            "Your Web Authorization URI",
            (entry.authorization_url,),
            ("Without parameters: Alexa adds them. Older pages of the console call it Authorization URI.",),
        ),
    ]
    if by_code:
        fields.append(Field("Access Token URI", (entry.token_url,)))
    fields.append(Field("Your Client ID", (entry.client_id,)))
    if by_code:
        fields += [
            Field("Your Secret", (entry.secret,), entry.secret_notes),
            Field(
                "Your Authentication Scheme",
                ("HTTP Basic (Recommended)",),
                ("linkauth also accepts Credentials in request body.",),
            ),
            Field("Proof Key for Code Exchange (PKCE)", ("on",), _pkce_notes(entry)),
        ]
    fields += [
        Field(
            "Scope",
            entry.client.scopes,
            (
                f"Add each one by itself, at most {entry.client.preset.scope_limit}. A scope that is not in "
                f"linkauth.client.{entry.name}.scopes is refused."
                # they cannot use the Implicit Grant
                + (" Smart home skills need at least one." if by_code else ""),
            ),
        ),
        Field("Domain List", tuple(domain.host for domain in entry.domains), _domain_notes(entry)),
    ]
    if by_code:
        fields.append(_expiration(entry))
    fields.append(
        Field(
            "Alexa Redirect URLs",
            entry.redirect_uris,
            (
                "The console shows these: type nothing, but compare them character by character. Which one is used "
                "depends on where the user's device is registered, so linkauth must know all of them.",
            ),
        )
    )
    place = "https://developer.amazon.com/alexa/console/ask: the skill, then Build, Tools, Account Linking"
    return Form(f"Alexa developer console: Account Linking of {entry.name}", place, tuple(fields))


def _grant_notes(entry: Entry) -> tuple[str, ...]:
    if not entry.by_code:
        return (
            "Only custom skills may use it, and its tokens cannot be refreshed. For the Auth Code Grant: "
            f"linkauth.client.{entry.name}.grants = authorization_code",
        )
    if "implicit" in entry.client.grants:
        return ("linkauth allows this client the Implicit Grant too, which only custom skills may use.",)
    return ()


def _pkce_notes(entry: Entry) -> tuple[str, ...]:
    if entry.client.pkce == "required":
        return (f"It must be on, because linkauth.client.{entry.name}.pkce = required.",)
    return (f"When it is on, set linkauth.client.{entry.name}.pkce = required.",)


def _domain_notes(entry: Entry) -> tuple[str, ...]:
    limits = (
        f"The host names of other servers that the pages load from or lead to: at most {CONSOLE_DOMAINS} here, "
        f"{API_DOMAINS} with the Skill Management API. Each has at most {HOST_LENGTH} characters, without https:// and "
        "without a path. The host of the authorization URI does not belong here."
    )
    origins = (f"{domain.host}: {'; '.join(domain.origins)}" for domain in entry.domains)
    return (limits, *origins)


def _expiration(entry: Entry) -> Field:
    name = "Default Access Token Expiration Time"
    if entry.token_lifetime is None:
        note = (
            f"The access tokens of this client do not expire (linkauth.client.{entry.name}.access_token_lifetime = 0)."
        )
        return Field(name, (), (note,))
    note = "In seconds. linkauth sends expires_in with each access token, and Alexa prefers that."
    return Field(name, (str(entry.token_lifetime),), (note,))


def api_request(entry: Entry) -> dict[str, Any]:
    """Returns the body of the request that sets account linking (Skill Management API, version 1).

    The secret is in it only if the entry may show it.
    """
    payload: dict[str, Any] = {
        "skipOnEnablement": False,
        "type": GRANTS[entry.grant][1],
        "authorizationUrl": entry.authorization_url,
        "clientId": entry.client_id,
        "scopes": list(entry.client.scopes),
        "domains": [domain.host for domain in entry.domains],
    }
    if entry.by_code:
        payload |= {"accessTokenUrl": entry.token_url, "accessTokenScheme": "HTTP_BASIC"}
        if entry.token_lifetime is not None:
            payload["defaultTokenExpirationInSeconds"] = entry.token_lifetime
        if entry.with_secret and entry.client.secret:
            payload["clientSecret"] = entry.client.secret
    return {"accountLinkingRequest": payload}
