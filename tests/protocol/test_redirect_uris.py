"""Tests of client_id and redirect_uri: the server never redirects to a URI that is not registered."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from webtest import TestApp

from tests.alexa import REDIRECT_URI
from tests.web.raw_requests import (
    PLAIN_URI,
    REGISTERED,
    VENDOR,
    assert_page,
    form_token,
    login,
    percent_encoded,
    post,
    query,
    quoted,
    redirect_parameters,
    send,
)

EVIL = "https://evil.example/"
REST = f"/api/skill/link/{VENDOR}"
ALEXA_URIS = [uri for uri in REGISTERED if "amazon" in uri]


def assert_uri_refused(app: TestApp, uri: str) -> None:
    """Checks that GET and POST refuse `uri` with an error page and do not redirect to it."""
    raw = query(redirect_uri=uri)
    assert_page(send(app, query=raw))
    token = form_token(app, query())
    assert_page(post(app, raw, {"form_token": token, "username": "ada", "password": "lovelace-1815"}))


@pytest.mark.parametrize("uri", ALEXA_URIS)
def test_exact_uri_is_accepted_in_any_percent_encoding(app: TestApp, uri: str) -> None:
    rest = b"&" + query(redirect_uri=None)
    for encoded in (quoted(uri), quote(uri, safe=":/?="), percent_encoded(uri), percent_encoded(uri).upper()):
        assert send(app, query=b"redirect_uri=" + encoded.encode("ascii") + rest).status == 200


@pytest.mark.parametrize(
    "client_id",
    [
        None,
        "",
        "nobody",
        "ALEXA",
        "alexa ",
        " alexa",
        "alexa\0",
        "\0",
        "a" * 4096,
        "аlexa",
        "ａｌｅｘａ",
        "alexa\n",
        "*",
        "%",
    ],
)
def test_unknown_client_gives_error_page(app: TestApp, client_id: str | None) -> None:
    assert_page(send(app, query=query(client_id=client_id)))


@pytest.mark.parametrize("second", ["alexa", "other", "nobody", ""])
def test_repeated_client_id_gives_error_page(app: TestApp, second: str) -> None:
    assert_page(send(app, query=query() + b"&client_id=" + second.encode()))
    assert_page(send(app, query=b"client_id=" + second.encode() + b"&" + query()))


@pytest.mark.parametrize("uri", [None, ""])
def test_missing_uri_is_refused_if_client_has_several(app: TestApp, uri: str | None) -> None:
    assert_page(send(app, query=query(redirect_uri=uri)))


def test_missing_uri_defaults_to_only_registered_uri(app: TestApp) -> None:
    raw = query(client_id="single", redirect_uri=None, scope=None)
    assert send(app, query=raw).status == 200
    parameters = redirect_parameters(login(app, raw, "ada", "lovelace-1815"), "https://single.example.com/cb")
    assert parameters["state"] == "S"


@pytest.mark.parametrize(
    "uri", ["https://other.example.com/cb", "https://single.example.com/cb", "https://expiring.example.com/cb"]
)
def test_uri_of_another_client_is_refused(app: TestApp, uri: str) -> None:
    assert_uri_refused(app, uri)


@pytest.mark.parametrize("uri", [PLAIN_URI, REDIRECT_URI])
@pytest.mark.parametrize("tail", ["/", "?x=1", "?", "&", "#", "#x", "%23x", "#_", "&x=1", "\\", ".", "%00", "\0", "A"])
def test_uri_with_suffix_is_refused(app: TestApp, uri: str, tail: str) -> None:
    assert_uri_refused(app, uri + tail)


@pytest.mark.parametrize("uri", [PLAIN_URI, REDIRECT_URI])
def test_truncated_uri_is_refused(app: TestApp, uri: str) -> None:
    assert_uri_refused(app, uri[:-1])
    assert_uri_refused(app, REDIRECT_URI.partition("?")[0])
    assert_uri_refused(app, REDIRECT_URI.replace("vendorId", "vendorid"))


@pytest.mark.parametrize(
    "uri",
    [
        "http" + PLAIN_URI[5:],
        "HTTPS" + PLAIN_URI[5:],
        "Https" + PLAIN_URI[5:],
        "https:/" + PLAIN_URI[8:],
        "https:" + PLAIN_URI[8:],
        "https:///" + PLAIN_URI[8:],
        "//" + PLAIN_URI[8:],
        "\\\\" + PLAIN_URI[8:],
        "https:\\\\" + PLAIN_URI[8:],
        PLAIN_URI[8:],
        REST,
        "ws" + PLAIN_URI[5:],
        *(space + PLAIN_URI for space in (" ", "\t", "\r", "\n", "\v", "\x1f", "\u00a0", "%09", "%0d%0a", "%20")),
        *(PLAIN_URI + space for space in (" ", "\t", "\r", "\n", "\v", "\x1f", "\u00a0", "%09", "%0d%0a", "%20")),
        PLAIN_URI.replace("//", "/\t/"),
        PLAIN_URI.replace("https", "ht\ntps"),
    ],
)
def test_uri_with_other_scheme_or_spaces_is_refused(app: TestApp, uri: str) -> None:
    assert_uri_refused(app, uri)


@pytest.mark.parametrize(
    "host",
    [
        "LAYLA.amazon.com",
        "layla.Amazon.com",
        "layla.amazon.com.",
        "layla.amazon.com:443",
        "layla.amazon.com:8443",
        "layla.amazon.com:",
        "layla.amazon.com:0443",
        "layla.amazon.com:99999",
        "layla.amazon.com:x",
        "[::1]",
        "[::1",
        "::1]",
        "[layla.amazon.com]",
        "127.0.0.1",
        "2130706433",
        "",
    ],
)
def test_uri_with_other_spelling_of_host_is_refused(app: TestApp, host: str) -> None:
    assert_uri_refused(app, f"https://{host}{REST}")


@pytest.mark.parametrize(
    "authority",
    [
        "layla.amazon.com@evil.example",
        "user:p@layla.amazon.com",
        "@layla.amazon.com",
        "a@b@layla.amazon.com",
        "a@b@c",
        "layla.amazon.com:443@evil.example",
        "layla.amazon.com%40evil.example",
        "evil.example\\@layla.amazon.com",
        "evil.example#@layla.amazon.com",
        "evil.example?@layla.amazon.com",
    ],
)
def test_uri_with_userinfo_is_refused(app: TestApp, authority: str) -> None:
    assert_uri_refused(app, f"https://{authority}{REST}")


@pytest.mark.parametrize(
    "host",
    [
        "layla.amazon.com.evil.example",
        "evil-layla.amazon.com",
        "layla-amazon.com",
        "x.layla.amazon.com",
        "amazon.com",
        "layla.amazon.co",
        "layla.amazon.comm",
        "laylaamazon.com",
        "layla.amazon.de",
        "evil.example/layla.amazon.com",
    ],
)
def test_uri_with_similar_host_is_refused(app: TestApp, host: str) -> None:
    assert_uri_refused(app, f"https://{host}{REST}")


PATH_CONFUSION = (
    "/../",
    "/..;/",
    "/%2e%2e/",
    "/%2e%2e%2f",
    "/%252e%252e/",
    "/%252e%252e%252f",
    "/./",
    "/%2e/",
    "//",
    "///",
    ";a=b/",
    "/;a=b/",
    "\\",
    "/\\",
    "/..\\",
    "%5c",
    "/%5c",
    "/%5c..%5c",
    "/FAKEPATH/../",
    "%2FFAKEPATH%2F..%2F",
    "/FAKEPATH/..;/",
    "/FAKEPATH/%2e%2e/",
    "%0A%0D/../../",
    "%0a/",
    "\n\r/../../",
    "/%c0%ae%c0%ae/",
    "/.%00./",
    "/..%00/",
    "/%u002e%u002e/",
    "/.../",
    "/~/",
    "%09/",
    "%20/",
)


@pytest.mark.parametrize("confusion", PATH_CONFUSION)
def test_uri_with_path_confusion_is_refused(app: TestApp, confusion: str) -> None:
    for uri in (
        PLAIN_URI + confusion,
        PLAIN_URI.replace("/skill", confusion + "skill"),
        PLAIN_URI.replace("/api/", confusion + "api/"),
    ):
        assert_uri_refused(app, uri)
    assert_uri_refused(app, PLAIN_URI + confusion + "evil")


@pytest.mark.parametrize(
    "uri",
    [
        PLAIN_URI.replace("layla", "%6Cayla"),
        PLAIN_URI.replace("layla", "%6cayla"),
        PLAIN_URI.replace("/api/", "%2fapi%2f"),
        PLAIN_URI.replace("/api/", "%2Fapi%2F"),
        PLAIN_URI.replace("://", "%3A%2F%2F"),
        PLAIN_URI.replace("://", "%3a%2f%2f"),
        PLAIN_URI + "+",
        PLAIN_URI.replace("/api", "+/api"),
        REDIRECT_URI.replace("?", "%3F"),
        REDIRECT_URI.replace("=", "%3D"),
        quoted(PLAIN_URI),
        percent_encoded(PLAIN_URI),
        quoted(quoted(PLAIN_URI)),
    ],
)
def test_doubly_encoded_uri_is_refused(app: TestApp, uri: str) -> None:
    assert_uri_refused(app, uri)


@pytest.mark.parametrize(
    "host",
    [
        "ｌayla.amazon.com",
        "layla．amazon．com",
        "layla。amazon。com",
        "lаyla.amazon.com",
        "xn--lyla-63d.amazon.com",
        "layla.amaßon.com",
        "layla.amasson.com",
        "lay\u200bla.amazon.com",
        "lay\u00adla.amazon.com",
        "\ufefflayla.amazon.com",
        "layla.amazon.com\u2044api",
        "layla.amazon.com\uff0fapi",
        "layla.amazon.com\u2024",
        "evil.example\uff1f.layla.amazon.com",
        "evil.example\u2100layla.amazon.com",
        "layla.amazon.com\u202e",
        "la\u0301yla.amazon.com",
        "\u006cayla.amaz\u006fn.c\u043em",
    ],
)
def test_uri_with_homoglyphs_is_refused(app: TestApp, host: str) -> None:
    assert_uri_refused(app, f"https://{host}{REST}")


def test_uri_with_lookalike_slash_is_refused(app: TestApp) -> None:
    for slash in "\u2044\uff0f\u2215":
        assert_uri_refused(app, PLAIN_URI.replace("/api/", f"{slash}api{slash}"))
