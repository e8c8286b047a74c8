"""Tests of forwarded headers: the right-most hop that is not a trusted proxy is the client."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkauth.config.proxies import TrustedProxies
from linkauth.web.forwarded import HOP_LIMIT, ForwardedHeaders, HeaderKind, RequestSource, request_source
from linkauth.web.hops import FORWARDED_LIMIT, parse_forwarded, parse_hop
from linkauth.web.log_rate_limit import LogRateLimit

PROXIES = TrustedProxies.parse(("10.0.0.0/8", "2001:db8::/32"))
PEER = "10.0.0.1"


def origin(
    header: HeaderKind = "x-forwarded", peer: str = PEER, proxies: TrustedProxies = PROXIES, **headers: str
) -> RequestSource:
    return request_source(
        {"REMOTE_ADDR": peer, **{f"HTTP_{name.upper()}": value for name, value in headers.items()}}, proxies, header
    )


def client(value: str, **more: Any) -> str:
    return origin(x_forwarded_for=value, **more).address


def test_headers_of_untrusted_peer_are_ignored() -> None:
    headers = {
        "x_forwarded_for": "203.0.113.7",
        "x_forwarded_proto": "https",
        "forwarded": "for=203.0.113.7;proto=https",
    }
    for header in ("x-forwarded", "forwarded"):
        for peer in ("198.51.100.1", "::1", "", "::ffff:198.51.100.1"):
            result = origin(header, peer, **headers)
            assert (result.trusted, result.scheme) == (False, None)
            assert result.address in ("198.51.100.1", "::1", "unix")
        assert origin(header, **headers).address == "203.0.113.7"
        assert origin(header, **headers).scheme == "https"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:4711", "203.0.113.7"),
        ("2001:DB9:0::7", "2001:db9::7"),
        ("[2001:db9::7]", "2001:db9::7"),
        ("[2001:db9::7]:4711", "2001:db9::7"),
        ('"[2001:db9::7]:4711"', "2001:db9::7"),
        ("fe80::7%eth0", "fe80::7"),
        # the right-most address that is not trusted
        ("192.0.2.1, 203.0.113.7", "203.0.113.7"),
        ("192.0.2.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("192.0.2.1,203.0.113.7,[2001:db8::2]:9,::ffff:10.9.9.9", "203.0.113.7"),
        ("192.0.2.1, 203.0.113.7,", "203.0.113.7"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # not an address: hops further left are ignored too
        ("203.0.113.7, unknown", PEER),
        ("203.0.113.7, _hidden", PEER),
        ("203.0.113.7, proxy.example.com", PEER),
        ("203.0.113.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("", PEER),
        (", ,", PEER),
        ("203.0.113.7:", PEER),
        ("203.0.113.7:4711x", PEER),
        ("[203.0.113.7", PEER),
        ("[2001:db9::7]4711", PEER),
        ("[2001:db9::7]:", PEER),
        ("203.0.113", PEER),
        ("0x7f.1", PEER),
        ("２０３.0.113.7", PEER),
        ("203.0.113.7 10.0.0.2", PEER),
        ("unix:", PEER),
    ],
)
def test_client_address_is_read_from_x_forwarded_for(text: str, address: str) -> None:
    # granian joins equal headers with "," and waitress with ", "
    expected = "unix" if text == "unix:" else address
    assert client(text) == expected


def test_proxy_on_unix_domain_socket_is_trusted() -> None:
    proxies = TrustedProxies.parse(("unix", "10.0.0.0/8"))
    for peer in ("", "localhost", "unix:"):
        assert client("203.0.113.7", peer=peer, proxies=proxies) == "203.0.113.7"
    # nginx gives "unix:" as the address of its own client on such a socket
    assert client("203.0.113.7, unix:", proxies=proxies) == "203.0.113.7"
    assert client("203.0.113.7, unix:") == "unix"


@pytest.mark.parametrize(
    ("hops", "proto", "scheme"),
    [
        ("203.0.113.7", "https", "https"),
        ("203.0.113.7", "HTTPS", "https"),
        ("203.0.113.7", "http", "http"),
        # one proxy: a value sent by the client is ignored
        ("203.0.113.7", "https, http", "http"),
        ("203.0.113.7", "http,https", "https"),
        # two proxies
        ("203.0.113.7, 10.0.0.2", "https, https", "https"),
        ("203.0.113.7, 10.0.0.2", "https, http", "https"),
        ("203.0.113.7, 10.0.0.2", "http, https", "http"),
        ("203.0.113.7, 10.0.0.2", "https", "https"),
        ("203.0.113.7, 10.0.0.2", "https, http, http", "http"),
        # the inner proxy names only the outer proxy
        ("10.0.0.2", "https, http", "https"),
        ("", "https", "https"),
        ("203.0.113.7", "", None),
        ("203.0.113.7", "ftp", None),
        ("203.0.113.7", "https://", None),
        ("203.0.113.7", "https http", None),
    ],
)
def test_scheme_is_that_of_outermost_trusted_proxy(hops: str, proto: str, scheme: str | None) -> None:
    assert origin(x_forwarded_for=hops, x_forwarded_proto=proto).scheme == scheme


@pytest.mark.parametrize(
    ("text", "address", "scheme"),
    [
        ("for=203.0.113.7;proto=https", "203.0.113.7", "https"),
        ('For="[2001:DB9::7]:4711";Proto=HTTPS', "2001:db9::7", "https"),
        ('for="203.0.113.7:_port"; proto=https', "203.0.113.7", "https"),
        ("for=192.0.2.1;proto=https, for=203.0.113.7;proto=http", "203.0.113.7", "http"),
        ("for=192.0.2.1, for=203.0.113.7;proto=https;by=10.0.0.2, for=10.0.0.2;proto=http", "203.0.113.7", "https"),
        ('for="\\2\\03.0.113.7";host="a, for=192.0.2.9;proto=http";proto=https', "203.0.113.7", "https"),
        ('for=203.0.113.7;host="a\\",for=1.1.1.1";proto=https', "203.0.113.7", "https"),
        ("for=2001:db9::7;proto=https", "2001:db9::7", "https"),
        (",, for=203.0.113.7;;proto=https;,", "203.0.113.7", "https"),
        ("for=203.0.113.7, for=_hidden;proto=https", PEER, "https"),
        ("for=unknown;proto=https", PEER, "https"),
        ("proto=https", PEER, "https"),
        ("for=203.0.113.7", "203.0.113.7", None),
        # the outer proxy gives no scheme, and the value of the inner proxy is not about the client
        ("for=203.0.113.7, for=10.0.0.2;proto=https", "203.0.113.7", None),
        # malformed: the whole header is ignored, because its rest may hide what the proxy added
        ('for="203.0.113.9, for=203.0.113.7;proto=https', PEER, None),
        ("for=203.0.113.7;for=203.0.113.8;proto=https", PEER, None),
        ("for=203.0.113.7;proto", PEER, None),
        ("for =203.0.113.7;proto=https", PEER, None),
        ("for=;proto=https", PEER, None),
        ('for="203.0.113.7"x;proto=https', PEER, None),
        ('for="203.0.113.7\\', PEER, None),
        ("", PEER, None),
        ("for=203.0.113.7;proto=https" + "," * FORWARDED_LIMIT, PEER, None),
    ],
)
def test_client_is_read_from_forwarded_header(text: str, address: str, scheme: str | None) -> None:
    result = origin("forwarded", forwarded=text)
    assert (result.address, result.scheme) == (address, scheme)


def test_header_that_is_not_configured_is_ignored() -> None:
    x_forwarded = {"x_forwarded_for": "203.0.113.7", "x_forwarded_proto": "https"}
    forwarded = "for=192.0.2.1;proto=http"
    assert origin(**x_forwarded, forwarded=forwarded).address == "203.0.113.7"
    assert origin("forwarded", **x_forwarded, forwarded=forwarded).address == "192.0.2.1"
    assert origin(forwarded=forwarded) == RequestSource(PEER, PEER, True, other_header_present=True)
    assert origin("forwarded", **x_forwarded) == RequestSource(PEER, PEER, True, other_header_present=True)


trusted = st.sampled_from(["10.0.0.2", "10.255.1.1:80", "[2001:db8::5]:1", "::ffff:10.3.3.3"])
stranger = st.ip_addresses().filter(lambda result: not PROXIES.trusts(getattr(result, "ipv4_mapped", None) or result))
any_text = st.text(st.characters(codec="latin-1"), max_size=60)


@given(any_text, stranger, st.lists(trusted, max_size=5), st.sampled_from(["{}", "{}, ", "{},,"]))
def test_client_cannot_change_its_address(text: str, address: Any, proxies: list[str], end: str) -> None:
    """Each proxy appends the address of its peer, so the true address follows everything that the client sent."""
    named = getattr(address, "ipv4_mapped", None) or address
    hops = [f"[{address}]:1" if ":" in str(address) else str(address), *proxies]
    assert client(end.format(text) + ", " + ", ".join(hops)) == str(named)
    schemes = ["https" for _ in hops]
    result = origin(x_forwarded_for=",".join(hops), x_forwarded_proto=",".join([text.replace(",", ""), *schemes]))
    assert result.scheme == "https"


@given(any_text, any_text, any_text, st.sampled_from(["x-forwarded", "forwarded"]), any_text)
def test_any_header_value_is_read_without_exception(
    one: str, two: str, three: str, header: HeaderKind, peer: str
) -> None:
    for remote in (peer, PEER):
        result = origin(header, remote, x_forwarded_for=one, x_forwarded_proto=two, forwarded=three)
        assert result.address == "unix" or str(ip_address(result.address)) == result.address
        assert result.scheme in (None, "http", "https")


@given(
    st.lists(st.dictionaries(st.sampled_from(["for", "by", "host", "proto", "x"]), any_text.filter(bool)), max_size=4)
)
def test_quoted_values_are_unquoted(elements: list[dict[str, str]]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = ", ".join(";".join(f"{name}={quoted(value)}" for name, value in each.items()) for each in elements)
    assert parse_forwarded(text) == [each for each in elements if each]


@pytest.mark.parametrize("shape", ['for="{}', "{}", "for={}", "{},", 'for="\\{}"', ";{}", "for=1;{}"])
@pytest.mark.parametrize("unit", [",", ";", '"', "\\", "a", "for=1,", " ", "10.0.0.1,", "=", "\\,"])
def test_parser_reads_linear_number_of_characters(shape: str, unit: str) -> None:
    """Counts the characters that the parser reads."""

    class Counting(str):
        seen = 0

        def __getitem__(self, key: Any) -> str:
            Counting.seen += 1
            return super().__getitem__(key)

    def characters_read(times: int) -> int:
        Counting.seen = 0
        parse_forwarded(Counting(shape.format(unit * times)))
        return Counting.seen

    few, many = characters_read(50), characters_read(500)
    assert many <= 10 * few + 20


def test_number_of_hops_is_bounded() -> None:
    assert client("203.0.113.7, " + ", ".join(["10.0.0.2"] * 10_000)) == "10.0.0.2"
    assert client("203.0.113.7, " + ", ".join(["10.0.0.2"] * (HOP_LIMIT - 1))) == "203.0.113.7"


def test_hop_without_address_gives_none() -> None:
    assert parse_hop("unix:") == (True, None)
    assert parse_hop("unknown") == (False, None)


def applied(path: str, prefix: str, peer: str = PEER, **headers: str) -> tuple[str, str]:
    environ = {"REMOTE_ADDR": peer, "PATH_INFO": path, "SCRIPT_NAME": "", "wsgi.url_scheme": "http"}
    environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    ForwardedHeaders(PROXIES, "x-forwarded", prefix, LogRateLimit()).apply(environ)
    assert not [name for name in environ if "FORWARDED" in name]
    return environ["SCRIPT_NAME"], environ["PATH_INFO"]


def test_path_of_public_url_may_be_present_or_stripped() -> None:
    for path in ("/authorize", "/static/default/page.css", "/"):
        assert applied("/auth" + path, "/auth") == ("/auth", path)
        assert applied(path, "/auth") == ("", path)
        assert applied(path, "") == ("", path)
    assert applied("/auth", "/auth") == ("/auth", "/")
    assert applied("/authorize", "/auth") == ("", "/authorize")
    assert applied("/authx/authorize", "/auth") == ("", "/authx/authorize")
    # the same with the header of a proxy that strips the prefix
    assert applied("/auth/authorize", "/auth", x_forwarded_prefix="/auth") == ("/auth", "/authorize")


def test_path_of_public_url_may_equal_a_route() -> None:
    prefix: Callable[[str], tuple[str, str]] = lambda path: applied(path, "/token", x_forwarded_prefix="/token/")  # noqa: E731
    assert applied("/token/token", "/token") == ("/token", "/token")
    assert prefix("/token") == ("", "/token")
    assert prefix("/token/refresh") == ("", "/token/refresh")
    # the header of an untrusted peer is ignored
    assert applied("/token/token", "/token", "198.51.100.1", x_forwarded_prefix="/token") == ("/token", "/token")


def test_number_of_notices_is_bounded() -> None:
    now = 0.0
    rate_limit = LogRateLimit(seconds=60, per_key=2, total=5, clock=lambda: now)
    assert [rate_limit.allows("a") for _ in range(3)] == [True, True, False]
    assert sum(rate_limit.allows(number) for number in range(100)) == 3
    now = 60.0
    assert rate_limit.allows("a")
