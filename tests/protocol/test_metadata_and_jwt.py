"""Metadata, `iss`, JWT access tokens and their published keys. There is no OpenID Connect."""

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


def document(app: TestApp) -> Any:
    """The metadata, which Authlib finds right."""
    answer = app.get(METADATA)
    assert answer.content_type == "application/json"
    AuthorizationServerMetadata(answer.json).validate()
    return answer.json


def test_the_issuer_is_the_configured_one(app: TestApp) -> None:
    for host in ("link.example.com", "evil.example"):
        answer = send(app, path=METADATA, headers={"Host": host, "X-Forwarded-Host": "evil.example"})
        assert answer.json["issuer"] == URL
        assert "evil" not in answer.text
    assert answer.get("Cache-Control") == "public, max-age=300"
    endpoints = {key: url for key, url in answer.json.items() if key.endswith("_endpoint")}
    for key, url in endpoints.items():
        assert url.startswith(URL + "/")
        assert send(app, "FOO", url.removeprefix(URL)).status == 405, key


def test_the_issuers_path_stands_behind(make_app: Callable[..., Any]) -> None:
    below = https(make_app(public_url="https://link.example.com/tenant/one"))
    assert send(below, path=f"{METADATA}/tenant/one").json["issuer"] == "https://link.example.com/tenant/one"
    for path in ("tenant", "one", "tenant/two", "tenant/one/"):
        assert send(below, path=f"{METADATA}/{path}").status == 404


def test_the_whole_of_testing_ini(app: TestApp) -> None:
    assert document(app) == {
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


def only(*names: str, scopes: tuple[str, ...], **changes: str) -> Any:
    """Changes to testing.ini that leave these clients and scopes alone."""
    gone = {f"client__{name}__{key}": None for name in ALL if name not in names for key in KEYS}
    texts = {"order_car": ("", "__de"), **dict.fromkeys(("basic_profile", "private", "profile", "email"), ("",))}
    unused = {f"scope__{scope}{end}": None for scope, ends in texts.items() if scope not in scopes for end in ends}
    return {"clients": " ".join(names), **gone, **unused, **changes}


def test_implicit_only(make_app: Callable[..., Any]) -> None:
    told = document(https(make_app(**only("alexa", scopes=("order_car", "basic_profile")))))
    assert told["response_types_supported"] == ["token"]
    assert told["response_modes_supported"] == ["fragment"]
    assert told["grant_types_supported"] == ["implicit"]
    assert "introspection_endpoint" in told
    absent = {"token_endpoint", "code_challenge_methods_supported", "jwks_uri"}
    absent |= {"token_endpoint_auth_methods_supported", "authorization_response_iss_parameter_supported"}
    assert not absent & set(told)


SCOPES = {
    "app": ("order_car",),
    "alexa": ("order_car", "basic_profile"),
    "home": ("order_car", "basic_profile", "profile", "email"),
}


@pytest.mark.parametrize(
    ("names", "claimed"), [("app", True), ("alexa app", True), ("app home", False), ("home", False)]
)
def test_iss_is_claimed_only_if_every_code_client_gets_it(
    make_app: Callable[..., Any], names: str, claimed: bool
) -> None:
    clients = tuple(names.split())
    scopes = tuple({scope for client in clients for scope in SCOPES[client]})
    told = document(https(make_app(**only(*clients, scopes=scopes))))
    assert told.get("authorization_response_iss_parameter_supported", False) is claimed


def test_a_public_client_only(make_app: Callable[..., Any]) -> None:
    told = document(https(make_app(**only("app", scopes=("order_car",), client__app__iss="false"))))
    assert told["response_types_supported"] == ["code"]
    assert told["response_modes_supported"] == ["query"]
    assert told["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert told["token_endpoint_auth_methods_supported"] == ["none"]
    assert told["revocation_endpoint_auth_methods_supported"] == ["none"]
    assert told["scopes_supported"] == ["order_car"]
    # nobody has a secret to introspect with
    assert not {"introspection_endpoint", "authorization_response_iss_parameter_supported"} & set(told)


def test_a_public_client_of_the_implicit_grant_redeems_nothing(make_app: Callable[..., Any]) -> None:
    scopes = ("order_car", "basic_profile", "profile", "email")
    told = document(https(make_app(**only("home", "single", scopes=scopes))))
    assert told["token_endpoint_auth_methods_supported"] == ["client_secret_basic", "client_secret_post"]


@pytest.mark.parametrize(("iss", "there"), [(None, True), ("true", True), ("false", False)])
def test_iss_is_in_every_answer_of_a_client_that_wants_it(
    make_app: Callable[..., Any], iss: str | None, there: bool
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
        assert location.endswith("&iss=https%3A%2F%2Flink.example.com") is there
        assert ("iss=" in location) is there


def test_no_iss_for_alexa(app: TestApp) -> None:
    for client, uri, kind in (
        ("home", HOME, "code"),
        ("alexa", HOME.replace("M2HOME0000000", "M2AAAAAAAAAAAA"), "token"),
    ):
        raw = query(client_id=client, redirect_uri=uri, response_type=kind, scope="nonsense")
        told = redirect_parameters(send(app, query=raw), uri, "query" if kind == "code" else "fragment")
        assert set(told) == {"state", "error", "error_description"}


@pytest.fixture(scope="module")
def signed(make_app: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> TestApp:
    """The app with JWT access tokens for the client `home`."""
    url = f"sqlite:///{tmp_path_factory.mktemp('keys')}/linkauth.sqlite"
    engine = open_engine(url)
    upgrade(engine)
    store = KeyStore(engine, SECRET)
    store.rotate(int(time.time()) - 1, 0)
    engine.dispose()
    return https(make_app(database=url, client__home__token_format="jwt"))


def keys(app: TestApp) -> KeySet:
    return KeySet.import_key_set(app.get(JWKS).json)


def denied(app: TestApp) -> list[str]:
    """The deny list, its signature checked."""
    answer = app.get(DENIED)
    assert answer.content_type == "application/jwt"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    found = jwt.decode(answer.text, keys(app), algorithms=["ES256"])
    assert found.header["typ"] == "deny-list+jwt"
    assert found.claims["iss"] == URL
    revoked: list[str] = found.claims["revoked"]
    return revoked


def test_a_verifier_needs_no_call(signed: TestApp) -> None:
    home = Skill(signed)
    assert document(signed)["jwks_uri"] == URL + JWKS
    got = home.link(scope="profile")
    found = jwt.decode(got["access_token"], keys(signed), algorithms=["ES256"])
    assert (found.header["typ"], found.header["alg"]) == ("at+jwt", "ES256")
    assert set(found.claims) == {"iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti"}
    assert (found.claims["iss"], found.claims["sub"], found.claims["scope"]) == (URL, "staff:1", "profile")
    assert found.claims["exp"] - found.claims["iat"] == got["expires_in"] == 3600
    assert len(got["access_token"]) < 2048
    state = home.post("/introspect", {"token": got["access_token"]}).json
    shared = ("iss", "sub", "aud", "client_id", "scope", "iat", "exp")
    assert {name: state[name] for name in shared} == {name: found.claims[name] for name in shared}
    assert "." not in got["refresh_token"]
    narrow = home.refresh(got["refresh_token"]).json["access_token"]
    assert jwt.decode(narrow, keys(signed), algorithms=["ES256"]).claims["jti"] != found.claims["jti"]
    # the other clients' are opaque as before
    assert "." not in app_skill(signed).link()["access_token"]


def test_the_deny_list_names_what_was_revoked(signed: TestApp) -> None:
    home = Skill(signed)
    got = home.link()
    newer = home.refresh(got["refresh_token"]).json["access_token"]
    other = home.link()["access_token"]
    jti = {text: jwt.decode(text, keys(signed)).claims["jti"] for text in (got["access_token"], newer, other)}
    assert not set(jti.values()) & set(denied(signed))
    assert home.revoke(got["refresh_token"]).status_int == 200
    assert {jti[got["access_token"]], jti[newer]} <= set(denied(signed))
    assert jti[other] not in denied(signed)
    assert home.post("/introspect", {"token": newer}).json == INACTIVE
    assert home.active(other)


def test_without_a_key_there_is_no_start_and_no_deny_list(make_app: Callable[..., Any], app: TestApp) -> None:
    with pytest.raises(SettingsError, match=r"client\.home\.token_format: .*linkauth keys rotate"):
        make_app(client__home__token_format="jwt")
    assert app.get(JWKS).json == {"keys": []}
    assert_refused(app.get(DENIED, status="*"), 404, "invalid_request")


def test_with_another_secret_there_is_no_start(make_app: Callable[..., Any], signed: TestApp) -> None:
    url = services_of(signed.app.registry).settings.database
    with pytest.raises(SettingsError, match=r"linkauth\.secret: is another one"):
        make_app(database=url, client__home__token_format="jwt", secret="another secret of 32 characters or more")


def encoded(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forgeries(token: str, published: Any) -> dict[str, str]:
    """What has been tried against verifiers, all with the claims of a living token."""
    header, claims, signature = token.split(".")
    own = ECKey.generate_key("P-256", private=True)
    told = jwt.decode(token, KeySet.import_key_set(published)).claims
    kid = published["keys"][0]["kid"]
    as_secret = OctKey.import_key(json.dumps(published["keys"][0]).encode())
    return {
        "none": f"{encoded({'alg': 'none', 'typ': 'at+jwt'})}.{claims}.",
        "signature of another": ".".join((header, claims, signature[::-1])),
        "hs256": jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": kid}, told, as_secret, algorithms=["HS256"]),
        "own key": jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": kid}, told, own),
        "embedded": f"{encoded({'alg': 'ES256', 'jwk': own.as_dict(private=False)})}.{claims}.{signature}",
        "jku": f"{encoded({'alg': 'ES256', 'jku': 'http://169.254.169.254/'})}.{claims}.{signature}",
        "kid": f"{encoded({'alg': 'ES256', 'kid': '../../../etc/passwd'})}.{claims}.{signature}",
        "crit": f"{encoded({'alg': 'ES256', 'crit': ['b64'], 'b64': False})}.{claims}.{signature}",
        "huge": f"{encoded({'alg': 'ES256', 'x': 'x' * 40_000})}.{claims}.{signature}",
        "unsigned": f"{header}.{claims}",
    }


@pytest.mark.parametrize(
    "kind", ["none", "signature of another", "hs256", "own key", "embedded", "jku", "kid", "crit", "huge", "unsigned"]
)
def test_a_forged_token_is_inactive(signed: TestApp, kind: str) -> None:
    home = Skill(signed)
    token = home.link()["access_token"]
    forged = forgeries(token, signed.get(JWKS).json)[kind]
    assert home.post("/introspect", {"token": forged}).json == INACTIVE
    assert not home.active(forged)
    assert home.active(token)


def test_the_deny_list_is_no_access_token(signed: TestApp) -> None:
    assert not Skill(signed).active(signed.get(DENIED).text)


def test_only_public_parts_are_published(signed: TestApp) -> None:
    answer = signed.get(JWKS)
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    [key] = answer.json["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
