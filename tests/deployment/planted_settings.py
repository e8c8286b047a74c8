"""Settings that contain secrets with unusual characters. All servers in them are unreachable."""

from __future__ import annotations

from tests.deployment.secret_leaks import encoded, password, secret_settings

SECRETS = {key: password(number) for number, key in enumerate(sorted(secret_settings()), 1)}
UNREACHABLE = "127.0.0.1:1"
ACCOUNT_REQUESTS = {
    "find": '"login": {username}',
    "search": '"mail": {email}',
    "reset": '"id": {subject}, "word": {password}',
    "taken": '"login": {username}',
    "register": '"login": {username}, "word": {password}',
}
"""The fields of the requests about accounts, without braces."""
RULES_OF_REQUESTS = {
    **{"find_found": "/found = true", "find_subject": "/id", "find_email": "/mail"},
    **{"search_list": "/people", "search_subject": "/id", "search_username": "/login", "search_email": "/mail"},
    **{"reset_success": "status:204", "taken_yes": "/taken = true", "taken_no": "/taken = false"},
    **{"register_success": "status:201", "register_taken": "status:409"},
}
"""The other settings that the requests about accounts need."""
PROVIDER = {
    **{"sign_ins": "login", "sign_in.login.use": "oidc", "sign_in.login.match": "own", "sign_in.login.label": "Login"},
    **{"sign_in.login.issuer": f"https://{UNREACHABLE}", "sign_in.login.client_id": "linkauth"},
}
"""A sign-in provider that is unreachable."""
FURTHER = {
    **{f"backend.legacy.{key}": rule for key, rule in RULES_OF_REQUESTS.items()},
    **{f"backend.legacy.{request}_method": "POST" for request in ACCOUNT_REQUESTS},
    **{"mail.host": "127.0.0.1", "mail.port": "1", "mail.security": "none", "mail.username": "linkauth"},
    **{"backend.legacy.body": "form", "backend.legacy.prefetch_method": "POST", "backend.legacy.client_id": "linkauth"},
    "mail.sender": "no-reply@example.com",
    **PROVIDER,
}
"""Settings without secrets that the settings in PLANTED need."""


def template(fields: str, secret: str) -> str:
    """Returns a template of a JSON body with `fields` and a secret."""
    escaped = secret.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{{fields}, "key": "{escaped}"}}'


def account_requests() -> dict[str, str]:
    """Returns the URL and the body of each request about accounts, with a secret in each of them."""
    found = {}
    for request, fields in ACCOUNT_REQUESTS.items():
        url, body = f"backend.legacy.{request}_url", f"backend.legacy.{request}_body_template"
        found |= {url: f"/{request}?key={encoded(SECRETS[url])}", body: template(fields, SECRETS[body])}
    return found


PLANTED = {
    "secret": SECRETS["secret"],
    "previous_secrets": SECRETS["previous_secrets"],
    "database": f"postgresql+psycopg://reader:{encoded(SECRETS['database'])}@{UNREACHABLE}/links",
    "client.alexa.secret": SECRETS["client.alexa.secret"],
    "backend.staff.url": f"mariadb+pymysql://reader:{encoded(SECRETS['backend.staff.url'])}@{UNREACHABLE}/people",
    "backend.staff.fallback_urls": f"mariadb://r:{encoded(SECRETS['backend.staff.fallback_urls'])}@{UNREACHABLE}/x"
    f" mariadb://r:{encoded(SECRETS['backend.staff.fallback_urls'])}@{UNREACHABLE}/y",
    "backend.staff.pepper": SECRETS["backend.staff.pepper"],
    "backend.legacy.prefetch_header.X-Key": SECRETS["backend.legacy.prefetch_header"],
    "backend.legacy.prefetch_body_template": template(
        '"a": {client_id}', SECRETS["backend.legacy.prefetch_body_template"]
    ),
    "backend.legacy.header.X-Key": SECRETS["backend.legacy.header"],
    "backend.legacy.client_secret": SECRETS["backend.legacy.client_secret"],
    "backend.legacy.body_template": "login={username}&word={password}&key="
    + encoded(SECRETS["backend.legacy.body_template"]),
    "backend.legacy.json_fields": "data=" + template('"login": {username}', SECRETS["backend.legacy.json_fields"]),
    "backend.legacy.url": f"https://{UNREACHABLE}/login?key={encoded(SECRETS['backend.legacy.url'])}",
    "backend.legacy.check_url": f"/health?key={encoded(SECRETS['backend.legacy.check_url'])}",
    "backend.legacy.prefetch_url": f"/form?key={encoded(SECRETS['backend.legacy.prefetch_url'])}",
    "backend.corp.bind_password": SECRETS["backend.corp.bind_password"],
    "sign_in.login.client_secret": SECRETS["sign_in.login.client_secret"],
    "mail.password": SECRETS["mail.password"],
    "backend.legacy.account_header.X-Key": SECRETS["backend.legacy.account_header"],
    "backend.legacy.account_url": f"https://{UNREACHABLE}/api?key={encoded(SECRETS['backend.legacy.account_url'])}",
    **account_requests(),
}
"""Each setting with its secret. All servers in these settings are unreachable."""
