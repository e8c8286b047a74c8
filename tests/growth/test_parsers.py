"""Tests that every parser of external text takes at most linear work."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from pyramid.request import Request
from urllib3 import HTTPHeaderDict

from linkauth.backends import PasswordRefused
from linkauth.config import reader as ini
from linkauth.config.proxies import TrustedProxies
from linkauth.config.secret_strength import estimated_bits
from linkauth.identities import address_bucket, normalize_username
from linkauth.login import dispatch
from linkauth.login.password_policy import PasswordPolicy
from linkauth.login.phone import PhoneForms
from linkauth.oauth2 import authorization, clients, excerpts
from linkauth.oauth2.errors import InvalidClientError, UntrustedRequestError
from linkauth.sign_ins import InvalidAnswer
from linkauth.simulator import alexa
from linkauth.themes.languages import best_match, parse_accept_language
from linkauth.web import asgi, forwarded
from linkauth.web.forms import FormTokens, decode_pairs
from linkauth.web.hops import parse_forwarded
from linkauth.web.log_rate_limit import LogRateLimit
from linkauth_http import flags as http_flags
from linkauth_http.documents import parse_json, parse_xml
from linkauth_http.pages import Page, parse_selector
from linkauth_http.responses import LoginResponse, jwt_claims, parse_date, resolve_pointer
from linkauth_http.rules import parse_rules, wildcard
from linkauth_http.server import retry_after
from linkauth_http.templates import SAMPLE, encode_json, encode_xml, fill_template
from linkauth_ldap import controls, filters, passwords, values
from linkauth_ldap.entries import Entry
from linkauth_oidc import id_token, urls
from linkauth_oidc.claims import name_in_form
from linkauth_oidc.documents import parse_object
from linkauth_oidc.errors import authorization_error
from linkauth_sql import flags, hashes, times
from tests.growth.measurement import Read, grows_in_lines, grows_in_seconds

CLIENTS = clients.Clients([clients.Client("one", secret_sha256=bytes(32))])


def response(body: str = "", **headers: str) -> LoginResponse:
    pairs = HTTPHeaderDict({name.replace("_", "-"): value for name, value in headers.items()})
    return LoginResponse(200, pairs, body.encode("utf-8", "replace"), "https://api.example.com", "/login")


def authorize(text: str) -> None:
    for name in ("client_id", "scope", "response_type", "[", text):
        pairs = [(name, text), (name, text)]
        with pytest.raises(UntrustedRequestError):
            authorization.parse(pairs[: 1 + (name != "client_id")], CLIENTS, "https://link.example.com")


def id_token_header(text: str) -> None:
    for token in (text, f"{text}..", f"e30.{text}."):
        with suppress(InvalidAnswer):
            id_token._header(token)


def endpoint(text: str) -> None:
    urls.url_problem(f"https://{text}")
    with suppress(ValueError):
        urls.parse_host(text)


def basic(text: str) -> None:
    with pytest.raises(InvalidClientError):
        CLIENTS.authenticate(clients.ClientRequest({}, f"Basic {text}"))


def ini_key(text: str) -> None:
    keys = ini.Keys({f"linkauth.{text}": "x", "linkauth.value": text}, "linkauth.")
    keys.pop("known")
    with pytest.raises(ini.SettingsError):
        keys.finish()


def html_page(text: str) -> None:
    page = Page(text)
    _ = page.hidden_fields, page.accepted_charset, page.value_of("input[name=x]")


def password_hash(text: str) -> None:
    for begin in ("", "{", "$2b$", "$argon2id$", '{"value"', "scrypt:1:1:1$", ":pbkdf2-legacyB:!", "$pbkdf2-sha256$1$"):
        with pytest.raises(hashes.UnusableHash):
            hashes.identify(begin + text)


def column_time(text: str) -> None:
    with pytest.raises(times.InvalidTime):
        times.parse_time(text + "x")


def forwarded_for(text: str) -> None:
    names = (forwarded.X_FORWARDED_FOR, forwarded.X_FORWARDED_PROTO, forwarded.X_FORWARDED_PREFIX)
    environ = {"REMOTE_ADDR": "127.0.0.1", "PATH_INFO": "/authorize", **dict.fromkeys(names, text)}
    proxies = TrustedProxies.parse(["0.0.0.0/0", "::/0"])
    forwarded.ForwardedHeaders(proxies, "x-forwarded", "/authorize", LogRateLimit(total=0)).apply(environ)


def headers_of_asgi(text: str) -> None:
    repeated = [(b"accept", b"a" * 100)] * len(text)
    headers = [*repeated, (text.encode(), b"a"), (b"cookie", text.encode())]
    asgi.wsgi_environ({"method": "GET", "path": "/", "query_string": b"", "http_version": "1.1", "headers": headers})


def ldap_attribute(text: str) -> None:
    entry = Entry({"dn": "", "raw_attributes": {"state": [text.encode()]}})
    for read in (values.boolean, values.generalized_time, values.shadow_days):
        with suppress(values.UnknownValue):
            read(entry, "state")


def new_password(new: str, personal: str) -> None:
    with suppress(PasswordRefused):
        PasswordPolicy(["corp"]).check(new, [personal])


READERS: dict[str, tuple[Read, tuple[str, ...]]] = {
    "log excerpt": (excerpts.log_excerpt, ("code", "state=", "%2526", "%", "a=b&", "=?", "code%253D", "?state")),
    "authorization request": (authorize, ("code", "a", "[", "%25", " ", "state=&")),
    "query or form": (lambda text: decode_pairs(text.encode()), ("%", "%41", "+", "=", "%C3%A4", "a=")),
    "Authorization": (basic, ("QQ==", "=", " ", "YTpi", "Og")),
    "form token": (lambda text: FormTokens("x", "https://a.example").is_valid(text, text), ("9", ".", "9.")),
    "Accept-Language": (parse_accept_language, ("de,", "d-", ";q=", "de;q=0.1,", " ", "a-b", "9", "-*", "q=1.1.1.")),
    "wanted languages": (lambda text: best_match([text] * 20, ["en", "de", "pt-BR"]), ("a-", "-", "_", "de_AT")),
    "user name": (lambda text: normalize_username(text[:254]), ("a", "\u0315\u0300", "\ufdfa", " ", "\u200b")),
    "forms of a name": (
        lambda text: PhoneForms("DE")(text[:254]),
        ("a\u0301", "\u0315\u0300", "\uff14", "\u0664", "\u200b", "+49", "0151 ", "(", "-"),
    ),
    "name and accepts": (
        lambda text: dispatch.NamedBackend("x", None, ("*a*b*a*c",)).accepts_username(text[:254]),  # type: ignore[arg-type]
        ("a", "ab", "aba"),
    ),
    "X-Forwarded-For": (forwarded_for, ("1.1.1.1, ", "[::1]:9,", ",", " ", '"', "a", "https,", "/authorize,")),
    "Forwarded": (parse_forwarded, ("for=1.1.1.1,", ";", 'for="\\', "a=b;", ",", '"', " ", "a")),
    "headers of ASGI": (headers_of_asgi, ("a", "-")),
    "If-None-Match": (
        lambda text: Request.blank("/", headers={"If-None-Match": text}).if_none_match,
        ('"', '\\"', ' "', ' W/"', '"a', " "),
    ),
    "new password": (lambda text: new_password(text[:1024], "ada"), ("a", "a1", "\u0315\u0300", "\ufdfa", "4")),
    "name of a person": (lambda text: new_password("k4nar1en", text), ("a", " a", "\u0315\u0300", "@", "\ufdfa")),
    "address": (address_bucket, ("1", ":", "1.", "::", "%", "f:")),
    "fragment": (alexa.parse_fragment, ("a=", "&", "%41", "%", "=")),
    "state": (lambda text: alexa.State("x").problem(text), ("a", "=", "QUJD")),
    "ini": (ini_key, ("a", ".", "secret", " ")),
    "secret": (estimated_bits, ("a", "secret", "abc1", "Zq9-", "alexa-")),
    "page": (
        html_page,
        (
            *("<", "<!", "<!--", "-->", "<a ", "<a b=c ", "<a b='", "<![CDATA[", "]]>", "</", "</a ", "&", "&#", "<?"),
            *(
                "<input type=password>",
                "<form>",
                "</form>",
                "<script></",
                "<title>",
                "<textarea><",
                "<a/",
                "\0",
                "<form x",
            ),
        ),
    ),
    "JSON": (
        lambda text: parse_json(text.encode()),
        ("[", '{"a":', "1", "-", '"', "\\u", "[1,", "1e", '{"a":[', "[[],", '"\\ud800'),
    ),
    "JWT": (lambda text: (jwt_claims(text), jwt_claims(f"a.{text}.b")), (".", "e30", "W1", "a.b.")),
    "answer of a sign-in provider": (
        lambda text: (parse_object(text), name_in_form(text), name_in_form(f'{{"name": {{"firstName": "{text}"}}}}')),
        ("[", '{"a":', "1", '"', "1e", '"a":1,', "a", " "),
    ),
    "header of an ID token": (id_token_header, (".", "e30", "W1", "e", "=", "e30.e30.")),
    "error of a sign-in provider": (
        lambda text: authorization_error({"error": text, "error_description": f"AADSTS{text}"}),
        ("a", "1", "-", "_"),
    ),
    "host of a sign-in provider": (endpoint, ("a", ".", "a.", "[", "@", ":", "/", "1")),
    "pointer": (lambda text: resolve_pointer({}, text), ("/", "/a", "~0", "~1")),
    "XML": (
        lambda text: parse_xml(f"<r>{text}</r>".encode(), ""),
        (
            *("<a>", "<a b='1' ", "<a/>", "<!--", "<!-- -->", "&#1;", "&lt;", "<?a ?>", "]]>", "<![CDATA[]]>"),
            *("<a xmlns='x'>", "<a></a>", "<", "&a;"),
        ),
    ),
    "XML from its start": (
        lambda text: parse_xml(text.encode(), text),
        ("<?xml ", "<?xml encoding=", " ", "<r ", "<!DOCTYPE r ["),
    ),
    "meta charset": (
        lambda text: response(text).charset,
        ("<meta ", "<meta charset", "charset=", "<meta x charset = "),
    ),
    "Content-Type": (lambda text: response(Content_Type=text).charset, ("charset", "charset=", "charset ", ";")),
    "Set-Cookie": (
        lambda text: (response(Set_Cookie=text).cookies, response(Set_Cookie="a=b;" + text).cookies),
        ("a", ";", "=", "max-age=9;", "expires=1 Jan;", "max-age=" + "9", " "),
    ),
    "Location": (
        lambda text: response(Location=text).location,
        ("/", "../", "//", "a/", "#", "?", ":", "[", "%2F", "/./"),
    ),
    "Retry-After": (lambda text: retry_after(response(Retry_After=text)), ("9", "1 ", "Jan ", ":", "+", "(", "Mon, ")),
    "date": (lambda text: parse_date(f"Mon, 1 {text}"), ("9", "Jan ", "1 ", ":", "+", "-")),
    "wildcard": (lambda text: wildcard("*a*b*a*c").fullmatch(text), ("a", "ab", "aba", "b")),
    "rules": (lambda text: parse_rules("/ok" + text), (" and /ok", "\n/ok", " and not /a")),
    "selector": (lambda text: parse_selector("a" + text), ("[a=b]", '[a="b"]')),
    "values in a request": (
        lambda text: (
            encode_xml(text),
            encode_json(text),
            fill_template("{username}" + text, {"username": text}, encode_json),
        ),
        ("a", "<", "{username}"[:9], SAMPLE),
    ),
    "DN": (
        lambda text: (filters.canonical_dn("cn=" + text), filters.first_rdn(text), filters.domain_of(text)),
        ("cn=a,", "a", "\\2c", "\\", "+", ",", "\\ ", '"', "cn=a+", "=", "#00", "\u0315\u0300", ";", "<"),
    ),
    "filter": (
        lambda text: (filters.any_name_filter(text), filters.fill_filter("(a={x})", x=text)),
        (":", "(a:b:={username})", ":=", "(", "\\", "*", "={username}"),
    ),
    "directory message": (
        lambda text: passwords.change_error({"result": 19, "message": "too short at least " + text}, False),
        ("9", "at least ", "longer than 9", " "),
    ),
    "control": (
        lambda text: controls.parse_ppolicy({controls.PPOLICY: {"value": text.encode("latin-1", "replace")}}),
        ("\x30\x00", "\x30\x84", "\xa0\x02", "\xff", "\x81\x01\x01"),
    ),
    "hash": (password_hash, ("{CRYPT}", "$", "a", "0", '"}\n{', ",a=b", "!", ":")),
    "flag in a column": (
        lambda text: flags.FlagValues().parse(text, datetime.now(UTC)),
        ("a", "0", " ", "\u0315\u0300", "\ufdfa", "2024-"),
    ),
    "flag in a response": (
        lambda text: (http_flags.parse_flag(text), http_flags._is_token(text)),
        ("a", "1", "-", " ", "a1-"),
    ),
    "ldap attribute": (ldap_attribute, ("9", "0", " ", "TRUE", "20261231", "\u0315\u0300")),
    "time in a column": (column_time, ("9", "0", "-", "2024-", " ")),
}
CASES = [pytest.param(read, part, id=f"{name}: {part!a}") for name, (read, parts) in READERS.items() for part in parts]


@pytest.mark.parametrize(("read", "part"), CASES)
def test_parser_takes_linear_work(read: Read, part: str) -> None:
    assert not grows_in_lines(read, part)
    # measured again before the test fails
    assert not (grows_in_seconds(read, part) and grows_in_seconds(read, part))


def quadratic_loop(text: str) -> None:
    for _ in text:
        for _ in text:
            pass


@pytest.mark.parametrize(
    ("read", "grows"),
    [
        (quadratic_loop, grows_in_lines),
        (lambda text: [each for each in text if text.count("b" + each)], grows_in_seconds),
    ],
)
def test_quadratic_work_is_detected(read: Read, grows: Callable[[Read, str], bool]) -> None:
    assert grows(read, "a")


def test_linear_work_is_accepted() -> None:
    assert not grows_in_lines(lambda text: [each for each in text if each != "b"], "a")
    assert not grows_in_seconds(lambda text: text.split("b"), "ab")
