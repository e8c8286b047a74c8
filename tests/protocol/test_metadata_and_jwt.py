"""Tests of the metadata, the `iss` parameter, JWT access tokens and their published keys."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from webtest import TestApp

from linkauth.config.settings import SettingsError
from linkauth.services import services_of
from linkauth.storage import KeyStore, open_engine, upgrade
from tests.conftest import https
from tests.protocol.flow import APP, HOME, INACTIVE, PKCE, Skill, app_skill, assert_refused
from tests.web.raw_requests import query, redirect_parameters, send

METADATA = "/.well-known/oauth-authorization-server"
JWKS = "/.well-known/jwks.json"
DENIED = "/.well-known/revoked-tokens"
URL = "https://link.example.com"
SECRET = "only for tests, 32 characters or more"


def metadata_of(app: TestApp) -> Any:
    """Returns the metadata after validation by Authlib."""
    response = app.get(METADATA)
    assert response.content_type == "application/json"
    AuthorizationServerMetadata(response.json).validate()
    return response.json


def test_issuer_is_public_url(app: TestApp) -> None:
    for host in ("link.example.com", "evil.example"):
        response = send(app, path=METADATA, headers={"Host": host, "X-Forwarded-Host": "evil.example"})
        assert response.json["issuer"] == URL
        assert "evil" not in response.text
    assert response.get("Cache-Control") == "public, max-age=300"
    endpoints = {key: url for key, url in response.json.items() if key.endswith("_endpoint")}
    for key, url in endpoints.items():
        assert url.startswith(URL + "/")
        assert send(app, "FOO", url.removeprefix(URL)).status == 405, key


def test_metadata_of_issuer_with_path_has_path_suffix(make_app: Callable[..., Any]) -> None:
    below = https(make_app(public_url="https://link.example.com/tenant/one"))
    assert send(below, path=f"{METADATA}/tenant/one").json["issuer"] == "https://link.example.com/tenant/one"
    for path in ("tenant", "one", "tenant/two", "tenant/one/"):
        assert send(below, path=f"{METADATA}/{path}").status == 404


def test_metadata_of_testing_ini_is_complete(app: TestApp) -> None:
    assert metadata_of(app) == {
        "issuer": URL,
        "authorization_endpoint": URL + "/authorize",
        "token_endpoint": URL + "/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint": URL + "/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint": URL + "/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "userinfo_endpoint": URL + "/userinfo",
        "response_types_supported": ["code", "token"],
        "response_modes_supported": ["query", "fragment"],
        "grant_types_supported": ["authorization_code", "implicit", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["basic_profile", "email", "order_car", "private", "profile"],
    }


ALL = ("alexa", "other", "single", "expiring", "skill-backend", "home", "app", "overlap")
KEYS = (
    *("name", "grants", "secret", "redirect_uris", "scopes", "alexa_vendor_id", "require_state", "platform"),
    *("access_token_lifetime", "introspects", "refresh", "pkce"),
)


def settings_with_only(*names: str, scopes: tuple[str, ...], **changes: str) -> Any:
    """Returns changes to testing.ini that remove all other clients and scopes."""
    removed = {f"client__{name}__{key}": None for name in ALL if name not in names for key in KEYS}
    texts = {"order_car": ("", "__de"), **dict.fromkeys(("basic_profile", "private", "profile", "email"), ("",))}
    unused = {f"scope__{scope}{end}": None for scope, ends in texts.items() if scope not in scopes for end in ends}
    return {"clients": " ".join(names), **removed, **unused, **changes}


def test_metadata_with_implicit_grant_only(make_app: Callable[..., Any]) -> None:
    metadata = metadata_of(https(make_app(**settings_with_only("alexa", scopes=("order_car", "basic_profile")))))
    assert metadata["response_types_supported"] == ["token"]
    assert metadata["response_modes_supported"] == ["fragment"]
    assert metadata["grant_types_supported"] == ["implicit"]
    assert "introspection_endpoint" in metadata
    absent = {"token_endpoint", "code_challenge_methods_supported", "jwks_uri"}
    absent |= {"token_endpoint_auth_methods_supported", "authorization_response_iss_parameter_supported"}
    assert not absent & set(metadata)


SCOPES = {
    "app": ("order_car",),
    "alexa": ("order_car", "basic_profile"),
    "home": ("order_car", "basic_profile", "profile", "email"),
}


@pytest.mark.parametrize(
    ("names", "announced"), [("app", True), ("alexa app", True), ("app home", False), ("home", False)]
)
def test_iss_is_announced_only_if_every_code_client_gets_it(
    make_app: Callable[..., Any], names: str, announced: bool
) -> None:
    clients = tuple(names.split())
    scopes = tuple({scope for client in clients for scope in SCOPES[client]})
    metadata = metadata_of(https(make_app(**settings_with_only(*clients, scopes=scopes))))
    assert metadata.get("authorization_response_iss_parameter_supported", False) is announced


def test_metadata_with_public_client_only(make_app: Callable[..., Any]) -> None:
    metadata = metadata_of(
        https(make_app(**settings_with_only("app", scopes=("order_car",), client__app__iss="false")))
    )
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["response_modes_supported"] == ["query"]
    assert metadata["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert metadata["token_endpoint_auth_methods_supported"] == ["none"]
    assert metadata["revocation_endpoint_auth_methods_supported"] == ["none"]
    assert metadata["scopes_supported"] == ["order_car"]
    # no client has a secret, so there is no introspection
    assert not {"introspection_endpoint", "authorization_response_iss_parameter_supported"} & set(metadata)


def test_public_implicit_client_adds_no_token_auth_method(make_app: Callable[..., Any]) -> None:
    scopes = ("order_car", "basic_profile", "profile", "email")
    metadata = metadata_of(https(make_app(**settings_with_only("home", "single", scopes=scopes))))
    assert metadata["token_endpoint_auth_methods_supported"] == ["client_secret_basic", "client_secret_post"]


@pytest.mark.parametrize(("iss", "expected"), [(None, True), ("true", True), ("false", False)])
def test_iss_is_in_each_authorization_response_if_enabled(
    make_app: Callable[..., Any], iss: str | None, expected: bool
) -> None:
    app = https(make_app(**({} if iss is None else {"client__app__iss": iss})))
    raw = query(client_id="app", redirect_uri=APP, response_type="code", scope=None, **PKCE)
    page = app.get("/authorize?" + raw.decode())
    cancelled = page.forms[0].submit("cancel", headers={"Origin": URL}, status=303).location
    page.forms[0]["username"], page.forms[0]["password"] = "ada", "lovelace-1815"
    linked = page.forms[0].submit(headers={"Origin": URL}, status=303).location
    refused = send(app, query=raw + b"&request=x").location
    for location in (linked, cancelled, refused):
        assert location.startswith(APP + "&state=S&")
        assert location.endswith("&iss=https%3A%2F%2Flink.example.com") is expected
        assert ("iss=" in location) is expected


def test_iss_is_not_sent_to_alexa(app: TestApp) -> None:
    for client, uri, kind in (
        ("home", HOME, "code"),
        ("alexa", HOME.replace("M2HOME0000000", "M2AAAAAAAAAAAA"), "token"),
    ):
        raw = query(client_id=client, redirect_uri=uri, response_type=kind, scope="nonsense")
        parameters = redirect_parameters(send(app, query=raw), uri, "query" if kind == "code" else "fragment")
        assert set(parameters) == {"state", "error", "error_description"}


@pytest.fixture(scope="module")
def jwt_app(make_app: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> TestApp:
    """The app with JWT access tokens for the client `home`."""
    url = f"sqlite:///{tmp_path_factory.mktemp('keys')}/linkauth.sqlite"
    engine = open_engine(url)
    upgrade(engine)
    store = KeyStore(engine, SECRET)
    store.rotate(int(time.time()) - 1, 0)
    engine.dispose()
    return https(make_app(database=url, client__home__token_format="jwt"))


def published_keys(app: TestApp) -> KeySet:
    return KeySet.import_key_set(app.get(JWKS).json)


def deny_list_entries(app: TestApp) -> list[str]:
    """Returns the entries of the deny list after verification of its signature."""
    response = app.get(DENIED)
    assert response.content_type == "application/jwt"
    assert response.headers["Cache-Control"] == "public, max-age=60"
    result = jwt.decode(response.text, published_keys(app), algorithms=["ES256"])
    assert result.header["typ"] == "deny-list+jwt"
    assert result.claims["iss"] == URL
    revoked: list[str] = result.claims["revoked"]
    return revoked


def test_jwt_is_verified_with_published_keys(jwt_app: TestApp) -> None:
    home = Skill(jwt_app)
    assert metadata_of(jwt_app)["jwks_uri"] == URL + JWKS
    tokens = home.link(scope="profile")
    result = jwt.decode(tokens["access_token"], published_keys(jwt_app), algorithms=["ES256"])
    assert (result.header["typ"], result.header["alg"]) == ("at+jwt", "ES256")
    assert set(result.claims) == {"iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti"}
    assert (result.claims["iss"], result.claims["sub"], result.claims["scope"]) == (URL, "staff:1", "profile")
    assert result.claims["exp"] - result.claims["iat"] == tokens["expires_in"] == 3600
    assert len(tokens["access_token"]) < 2048
    state = home.post("/introspect", {"token": tokens["access_token"]}).json
    shared = ("iss", "sub", "aud", "client_id", "scope", "iat", "exp")
    assert {name: state[name] for name in shared} == {name: result.claims[name] for name in shared}
    assert "." not in tokens["refresh_token"]
    narrow = home.refresh(tokens["refresh_token"]).json["access_token"]
    assert jwt.decode(narrow, published_keys(jwt_app), algorithms=["ES256"]).claims["jti"] != result.claims["jti"]
    # tokens of other clients are opaque
    assert "." not in app_skill(jwt_app).link()["access_token"]


def test_deny_list_has_revoked_tokens(jwt_app: TestApp) -> None:
    home = Skill(jwt_app)
    tokens = home.link()
    newer = home.refresh(tokens["refresh_token"]).json["access_token"]
    other = home.link()["access_token"]
    jti = {
        text: jwt.decode(text, published_keys(jwt_app)).claims["jti"] for text in (tokens["access_token"], newer, other)
    }
    assert not set(jti.values()) & set(deny_list_entries(jwt_app))
    assert home.revoke(tokens["refresh_token"]).status_int == 200
    assert {jti[tokens["access_token"]], jti[newer]} <= set(deny_list_entries(jwt_app))
    assert jti[other] not in deny_list_entries(jwt_app)
    assert home.post("/introspect", {"token": newer}).json == INACTIVE
    assert home.active(other)


def test_missing_signing_key_prevents_start_with_jwt(make_app: Callable[..., Any], app: TestApp) -> None:
    with pytest.raises(SettingsError, match=r"client\.home\.token_format: .*linkauth keys rotate"):
        make_app(client__home__token_format="jwt")
    assert app.get(JWKS).json == {"keys": []}
    assert_refused(app.get(DENIED, status="*"), 404, "invalid_request")


def test_changed_secret_prevents_start_with_jwt(make_app: Callable[..., Any], jwt_app: TestApp) -> None:
    url = services_of(jwt_app.app.registry).settings.database
    with pytest.raises(SettingsError, match=r"linkauth\.secret: cannot decrypt"):
        make_app(database=url, client__home__token_format="jwt", secret="another secret of 32 characters or more")


def base64url_json(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forgeries(token: str, published: Any) -> dict[str, str]:
    """Returns known attacks on JWT verifiers, each with the claims of a valid token."""
    header, claims, signature = token.split(".")
    own = ECKey.generate_key("P-256", private=True)
    decoded = jwt.decode(token, KeySet.import_key_set(published)).claims
    kid = published["keys"][0]["kid"]
    as_secret = OctKey.import_key(json.dumps(published["keys"][0]).encode())
    return {
        "none": f"{base64url_json({'alg': 'none', 'typ': 'at+jwt'})}.{claims}.",
        "signature of another": ".".join((header, claims, signature[::-1])),
        "hs256": jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": kid}, decoded, as_secret, algorithms=["HS256"]),
        "own key": jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": kid}, decoded, own),
        "embedded": f"{base64url_json({'alg': 'ES256', 'jwk': own.as_dict(private=False)})}.{claims}.{signature}",
        "jku": f"{base64url_json({'alg': 'ES256', 'jku': 'http://169.254.169.254/'})}.{claims}.{signature}",
        "kid": f"{base64url_json({'alg': 'ES256', 'kid': '../../../etc/passwd'})}.{claims}.{signature}",
        "crit": f"{base64url_json({'alg': 'ES256', 'crit': ['b64'], 'b64': False})}.{claims}.{signature}",
        "huge": f"{base64url_json({'alg': 'ES256', 'x': 'x' * 40_000})}.{claims}.{signature}",
        "unsigned": f"{header}.{claims}",
    }


@pytest.mark.parametrize(
    "kind", ["none", "signature of another", "hs256", "own key", "embedded", "jku", "kid", "crit", "huge", "unsigned"]
)
def test_forged_token_is_inactive(jwt_app: TestApp, kind: str) -> None:
    home = Skill(jwt_app)
    token = home.link()["access_token"]
    forged = forgeries(token, jwt_app.get(JWKS).json)[kind]
    assert home.post("/introspect", {"token": forged}).json == INACTIVE
    assert not home.active(forged)
    assert home.active(token)


def test_deny_list_is_refused_as_access_token(jwt_app: TestApp) -> None:
    assert not Skill(jwt_app).active(jwt_app.get(DENIED).text)


def test_jwks_contains_only_public_parameters(jwt_app: TestApp) -> None:
    response = jwt_app.get(JWKS)
    assert response.headers["Cache-Control"] == "public, max-age=300"
    [key] = response.json["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
