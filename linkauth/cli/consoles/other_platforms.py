"""The forms of Google, SmartThings, Yandex, IFTTT and Bixby, and what other clients and resource servers need.

Sources: developers.home.google.com/cloud-to-cloud, developers.google.com/identity/account-linking,
developer.smartthings.com/docs/devices/cloud-connected, yandex.ru/dev/dialogs/smart-home/doc/en/auth,
ifttt.com/docs/api_reference, bixbydevelopers.com/dev/docs/reference/type/authorization.
"""

from __future__ import annotations

from linkauth.cli.consoles.entry import Entry
from linkauth.cli.consoles.form import Field, Form


def google(entry: Entry) -> Form:
    return Form(
        f"Google Home Developer Console: account linking of {entry.name}",
        "https://console.home.google.com/projects: the project, then Cloud-to-cloud, the integration, Account linking. "
        "The names in brackets are those of the Actions console.",
        (
            Field("OAuth Client ID (Client ID issued by your Actions to Google)", (entry.client_id,)),
            Field("Client secret", (entry.secret,), entry.secret_notes),
            Field("Authorization URL", (entry.authorization_url,)),
            Field("Token URL", (entry.token_url,)),
            Field("Use your app for account linking (App Flip)", ("off",)),
            Field("Scopes", entry.client.scopes, ("Add each one by itself.",)),
            Field(
                "Google to transmit Client ID and secret via HTTP basic auth header",
                ("off",),
                ("linkauth accepts both.",),
            ),
            _shown_uris(entry, "the redirect URIs of Google, with the project ID"),
        ),
    )


def smartthings(entry: Entry) -> Form:
    return Form(
        f"SmartThings Developer Workspace: Device Cloud Credentials of {entry.name}",
        "https://developer.smartthings.com/workspace: the project, a Cloud Connector (SmartThings Schema), "
        "Device Cloud Credentials",
        (
            Field("Client ID", (entry.client_id,)),
            Field("Client Secret", (entry.secret,), entry.secret_notes),
            Field("Authorization URI", (entry.authorization_url,)),
            Field("Refresh Token URL", (entry.token_url,), ("Newer pages of the workspace call it Token URI.",)),
            Field("OAuth Scopes", (" ".join(entry.client.scopes),) if entry.client.scopes else ()),
            _shown_uris(entry, "the callbacks of the regions of SmartThings"),
        ),
    )


def yandex(entry: Entry) -> Form:
    return Form(
        f"Yandex Dialogs: account linking of {entry.name}",
        "https://dialogs.yandex.ru/developer: the skill, then Account linking (Связка аккаунтов), Create",
        (
            Field("Application ID (Идентификатор приложения)", (entry.client_id,)),
            Field("Application secret (Секрет приложения)", (entry.secret,), entry.secret_notes),
            Field("Authorization URL (URL авторизации)", (entry.authorization_url,)),
            Field("Token URL (URL для получения токена)", (entry.token_url,)),
            Field("Token refresh URL (URL для обновления токена)", (f"{entry.token_url}/refresh",)),
            Field(
                "Action group ID (Идентификатор группы действий)",
                ("&".join(entry.client.scopes),) if entry.client.scopes else (),
                ("The scopes, with & between them.",) if len(entry.client.scopes) > 1 else (),
            ),
            _shown_uris(entry, "the redirect URI of Yandex"),
        ),
    )


def ifttt(entry: Entry) -> Form:
    expires = entry.token_lifetime is not None
    return Form(
        f"IFTTT Platform: API of {entry.name}",
        "https://platform.ifttt.com: the service, then API",
        (
            Field(
                "General: IFTTT API URL",
                (entry.public_url,),
                (
                    "IFTTT adds /ifttt/v1 to it and reads the user from /ifttt/v1/user/info, which linkauth answers. "
                    "If your own triggers and actions are on another server, a proxy must send that path to linkauth.",
                ),
            ),
            Field("Authentication: OAuth2, Client ID", (entry.client_id,)),
            Field("Client secret", (entry.secret,), entry.secret_notes),
            Field("Authorization URL", (entry.authorization_url,)),
            Field("Token URL", (entry.token_url,)),
            Field(
                "Service uses refresh tokens",
                ("on" if expires else "off",),
                (
                    f"The access tokens expire after {entry.token_lifetime} seconds."
                    if expires
                    else "The access tokens of this client do not expire.",
                ),
            ),
            _shown_uris(entry, "the Redirect URL of IFTTT, with the service ID"),
        ),
    )


def bixby(entry: Entry) -> Form:
    scope = f'\n      scope ("{" ".join(entry.client.scopes)}")' if entry.client.scopes else ""
    return Form(
        f"Bixby: authorization.bxb of the capsule of {entry.name}",
        "the file authorization.bxb beside capsule.bxb, and https://bixbydevelopers.com: the capsule, Config & Secrets",
        (
            Field(
                "authorization.bxb",
                (
                    "authorization {\n  user {\n"
                    f'    oauth2-authorization-code ("{_in_quotes(entry.client.name[""])}") {{\n'
                    f'      authorize-endpoint ("{entry.authorization_url}")\n'
                    f'      client-id ("{_in_quotes(entry.client_id)}")\n'
                    '      client-secret-key ("linkauth-secret")'
                    f"{scope}\n"
                    f'      token-endpoint ("{entry.token_url}")\n'
                    f'      revoke-endpoint ("{entry.public_url}/revoke")\n'
                    "    }\n  }\n}",
                ),
            ),
            Field("Config & Secrets: secret with the name linkauth-secret", (entry.secret,), entry.secret_notes),
            _shown_uris(entry, "the redirect URI that Bixby shows for the capsule"),
        ),
    )


def any_client(entry: Entry) -> Form:
    return Form(
        f"OAuth client {entry.name}",
        f"the settings of the client; a client that reads metadata finds all of this at {_metadata_url(entry)}",
        (
            Field("Grant (response_type)", tuple(map(_grant_text, entry.client.grants))),
            Field("Authorization endpoint", (entry.authorization_url,)),
            Field("Token endpoint", (entry.token_url,)),
            Field("Client ID", (entry.client_id,)),
            Field("Client secret", (entry.secret,), entry.secret_notes),
            Field("Scopes", (" ".join(entry.client.scopes),) if entry.client.scopes else ()),
            _shown_uris(entry, "the redirect URIs of the client"),
        ),
    )


def resource_server(entry: Entry) -> Form:
    skills = ", ".join(entry.client.introspects) or "every client"
    return Form(
        f"Resource server {entry.name}",
        "no console: the client has no grants, so nobody links it. Its program asks linkauth whose token it has",
        (
            Field("Introspection endpoint", (f"{entry.public_url}/introspect",), (f"For the tokens of {skills}.",)),
            Field("Client ID", (entry.client_id,)),
            Field("Client secret", (entry.secret,), entry.secret_notes),
        ),
    )


def _shown_uris(entry: Entry, what: str) -> Field:
    return Field(
        "Redirect URIs",
        entry.client.all_redirect_uris,
        (f"linkauth knows these: compare them with {what}. There is nothing to type.",),
    )


def _grant_text(grant: str) -> str:
    return {"authorization_code": "authorization code (code), PKCE with S256", "implicit": "implicit (token)"}[grant]


def _metadata_url(entry: Entry) -> str:
    scheme, _, rest = entry.public_url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}/.well-known/oauth-authorization-server{slash}{path}"


def _in_quotes(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
