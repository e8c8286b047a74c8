"""Tests of the sentences of `linkauth doctor` for what its probes of public_url have seen."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from linkauth.cli.findings import Finding
from linkauth.cli.outward import authorization, certificates, responses
from linkauth.cli.outward.observations import Answer, Handshake, Seen, Target, Versions
from linkauth.config.clients import ClientSettings
from linkauth.config.settings import Settings
from linkauth.web.forms import FormTokens
from linkauth.web.headers import HEADERS, OPENER_POLICY, STRICT_TRANSPORT
from tests.servers.certificates import Authority

URL = "https://link.example.com"
PICTURE = f'<path d="M {"12.5 3.25 " * 50}">'
TARGET = Target.of(URL)
NOW = datetime(2026, 11, 30, tzinfo=UTC)
REDIRECT_URI = "https://app.example.com/cb?tenant=1"
CLIENT = ClientSettings(
    name={"": "App"}, platform="none", grants=("authorization_code",), redirect_uris=(REDIRECT_URI,)
)
SETTINGS = Settings(
    public_url=URL,
    service_name={"": "Example"},
    database="sqlite://",
    secret="only for tests, 32 characters or more",
    clients={"app": CLIENT},
)
HEADER_LIST = tuple(
    (name.lower(), value) for name, value in (*HEADERS, STRICT_TRANSPORT, (OPENER_POLICY, "unsafe-none"))
)


def words(findings: Iterable[Finding]) -> list[str]:
    return [f"{each.severity} {each.subject}: {each.detail}" for each in findings]


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["93.184.216.34", "2606:2800::1"], "ok link.example.com: resolves to 93.184.216.34, 2606:2800::1"),
        (["10.0.0.5"], "warning link.example.com: resolves to 10.0.0.5 here, which is not a public address."),
        (["93.184.216.34", "fe80::1%eth0"], "warning link.example.com: resolves to fe80::1%eth0 here"),
    ],
)
def test_private_addresses_are_named(addresses: list[str], expected: str) -> None:
    (line,) = words(certificates.address_findings(TARGET, addresses))
    assert line.startswith(expected)


def test_each_address_is_named_if_they_differ() -> None:
    seen = [
        Handshake("192.0.2.1"),
        Handshake("192.0.2.2", "connect", "Connection refused"),
        Handshake("2001:db8::1", "no_route", "Network is unreachable"),
        Handshake("192.0.2.3", "tls", "the port answers without TLS"),
    ]
    lines = words(certificates.connection_findings(TARGET, seen))
    assert lines[0].startswith("failed 192.0.2.2 port 443: Connection refused. The proxy must listen there")
    assert lines[1].startswith("warning 2001:db8::1 port 443: not checked, because this machine cannot reach such")
    assert lines[2:] == ["ok port 443: accepts connections at 192.0.2.1, 192.0.2.3"]
    lines = words(certificates.certificate_findings(TARGET, seen, NOW, None))
    assert "failed TLS at 192.0.2.3: the port answers without TLS" in lines
    # the same at every address is said once
    seen = [replace(each, address=str(number)) for number, each in enumerate([seen[3], seen[3]])]
    assert words(certificates.certificate_findings(TARGET, seen, NOW, None)) == [
        "failed TLS: the port answers without TLS"
    ]


def test_unreadable_certificates_are_reported(recwarn: pytest.WarningsRecorder) -> None:
    # a certificate without a positive serial number, which RFC 5280 requires, and no certificate at all
    for der, severity in ((_certificate_with_negative_serial(), "ok"), (b"no certificate", "failed")):
        findings = list(certificates.certificate_findings(TARGET, [Handshake("192.0.2.1", sent=(der,))], NOW, None))
        assert findings[0].severity == severity
    assert findings[0].detail == "cannot be read, because it is not as RFC 5280 requires"
    assert list(recwarn) == []


def test_the_list_of_mozilla_is_read_without_parsing_its_certificates(tmp_path: Path) -> None:
    der = _certificate_with_negative_serial()
    (tmp_path / "Old.crt").write_text(ssl.DER_cert_to_PEM_cert(der), "ascii")
    assert certificates.mozilla_fingerprints(tmp_path) == {sha256(der).digest()}
    (tmp_path / "None.crt").write_text("nothing", "ascii")
    assert certificates.mozilla_fingerprints(tmp_path) is None
    assert certificates.mozilla_fingerprints(tmp_path / "missing") is None


def _certificate_with_negative_serial() -> bytes:
    """Returns a certificate in DER whose serial number is replaced, so that its signature is wrong."""
    der = bytearray(ssl.PEM_cert_to_DER_cert(Authority("Old").pem.decode("ascii")))
    # the INTEGER after the version [0] { INTEGER 2 } (RFC 5280 section 4.1)
    start = der.index(b"\xa0\x03\x02\x01\x02") + 5
    assert der[start] == 2
    der[start + 2] = 0x81
    return bytes(der)


def test_versions_that_cannot_be_tested_are_named() -> None:
    seen = Versions(frozenset({"TLS 1.2"}), frozenset({"TLS 1.1"}))
    assert words(certificates.version_findings(seen)) == [
        "ok TLS versions: TLS 1.2 is accepted; could not be tested: TLS 1.0"
    ]
    assert words(certificates.version_findings(Versions())) == []


def seen_after(sent: authorization.Requests, **answers: Any) -> Seen:
    """Returns what was seen if the page with the short state and the one with the long state have arrived."""
    tokens = FormTokens(SETTINGS.secret, URL)
    pages = {
        name: Answer(200, HEADER_LIST, f"{PICTURE}<input value={tokens.token(query)} name='form_token'>")
        for name, query in (("page", sent.page), ("long_page", sent.long_page))
    }
    return Seen(SETTINGS, TARGET, **{**pages, **answers})


@pytest.fixture
def sent() -> authorization.Requests:
    found = authorization.requests(SETTINGS)
    assert found is not None
    return found


def test_the_state_is_as_alexas_and_as_long_as_possible(sent: authorization.Requests) -> None:
    assert len(sent.state) == 4096
    assert {"+", "/", "="} <= set(sent.state)
    # a client without a secret needs PKCE
    assert "code_challenge_method=S256" in sent.page


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(431), "the proxy refuses it with status 431: allow URLs of 16 KB (nginx: large_client_header_buffers"),
        (Answer(400), "the proxy refuses it with status 400: allow URLs of 16 KB"),
        (Answer(404), "the proxy refuses it with status 404: allow URLs of 16 KB"),
        (Answer(502), "status 502: the proxy does not pass it to linkauth: allow URLs of 16 KB"),
        (Answer(403), "status 403: the proxy or a firewall refuses it, although it accepts a short one"),
        (Answer(200, text="form_token"), "the proxy changes the query on its way to linkauth"),
        (Answer(problem="no complete answer within 10 s"), "no complete answer within 10 s"),
        (None, "no answer before the time was over"),
    ],
)
def test_a_long_state_that_does_not_arrive_is_explained(
    sent: authorization.Requests, answer: Answer | None, expected: str
) -> None:
    (line,) = words(authorization.state_findings(seen_after(sent, long_page=answer), sent))
    assert line.startswith(f"failed state of 4,096 characters: {expected}")


def test_a_long_state_that_does_not_come_back_is_explained(sent: authorization.Requests) -> None:
    escaped = sent.state.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    good = f"{REDIRECT_URI}&error=invalid_scope&state={escaped}"
    for location, expected in (
        (good, "ok state of 4,096 characters: arrives and comes back unchanged (client app)"),
        (good.replace("%2B", "+"), "failed state of 4,096 characters: arrives, but the proxy changes it"),
        (
            good.replace("https:", "http:"),
            "failed state of 4,096 characters: arrives, but the proxy changes the header",
        ),
        (good[:4000], "failed state of 4,096 characters: arrives, but the proxy changes it"),
    ):
        answer = Answer(303, (("location", location),))
        (line,) = words(authorization.state_findings(seen_after(sent, redirect=answer), sent))
        assert line.startswith(expected)
    for answer, expected in (
        (
            Answer(502),
            "the proxy turns linkauth's redirect into status 502: allow response headers of 16 KB (nginx: proxy_",
        ),
        (Answer(200), "status 200 instead of linkauth's redirect"),
    ):
        (line,) = words(authorization.state_findings(seen_after(sent, redirect=answer), sent))
        assert line.startswith(f"failed state of 4,096 characters: arrives, but does not come back: {expected}")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (Answer(401), "status 401: the proxy asks for a login of its own"),
        (Answer(503), "status 503: the proxy has no server to pass the request to"),
        (Answer(429), "status 429: the proxy or a firewall refuses the request"),
        (Answer(302, (("location", "//["),)), "status 302: the proxy redirects to //[ instead of asking linkauth"),
        (Answer(200, (("server", "x" * 500),)), f"status 200 by {'x' * 80}, which is not linkauth's login page"),
        (Answer(200, text="<![x[" + "1234567890." * 9), "status 200, which is not linkauth's login page"),
    ],
)
def test_a_foreign_answer_is_explained(sent: authorization.Requests, page: Answer, expected: str) -> None:
    (line,) = words(authorization.page_findings(seen_after(sent, page=page), sent))
    assert line.startswith(f"failed {URL}/authorize: {expected}")


REFUSED = Answer(
    401, (("www-authenticate", 'Basic realm="linkauth", charset="UTF-8"'),), '{"error": "invalid_client"}', 0.1
)


def test_a_linkauth_that_does_not_know_the_client_is_recognised(sent: authorization.Requests) -> None:
    seen = seen_after(sent, page=Answer(400), tokens=[REFUSED])
    (line,) = words(authorization.page_findings(seen, sent))
    assert "a linkauth answers, but does not know this client or its redirect URI" in line


def test_a_former_secret_counts_as_the_same_server(sent: authorization.Requests) -> None:
    page = seen_after(sent).page
    changed = replace(SETTINGS, secret="x" * 40)
    assert not authorization.is_from_this_linkauth(page, sent.page, changed)
    assert authorization.is_from_this_linkauth(page, sent.page, replace(changed, previous_secrets=(SETTINGS.secret,)))
    # the token of the same server for another query proves nothing about this one
    assert not authorization.is_from_this_linkauth(page, sent.long_page, SETTINGS)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([0.1, 0.9], "ok /token: 0.90 s for the slowest of 2 requests"),
        ([0.1, 1.1], "warning /token: 1.10 s for the slowest of 2 requests"),
        (
            [4.6, 0.1],
            "failed /token: 4.60 s for the slowest of 2 requests with new connections; Amazon gives up after 4.5",
        ),
    ],
)
def test_the_time_of_a_token_request_is_compared_with_amazons_limit(seconds: Sequence[float], expected: str) -> None:
    (line,) = words(responses.token_findings([replace(REFUSED, seconds=each) for each in seconds]))
    assert line.startswith(expected)


def test_an_answer_of_somebody_else_at_token_is_explained() -> None:
    for answers, expected in (
        ([], "no answer in time"),
        ([REFUSED, Answer(problem="no answer: Connection reset by peer")], "no answer: Connection reset by peer"),
        ([Answer(403)], "status 403: the proxy or a firewall refuses the request, which looks like one of Amazon's"),
        ([Answer(502)], "status 502: the proxy cannot reach linkauth"),
        ([replace(REFUSED, headers=())], "status 401: the proxy asks for a login of its own"),
    ):
        (line,) = words(responses.token_findings(answers))
        assert line.startswith(f"failed /token: {expected}"), line


def dated(seconds: float, date: str = "Mon, 30 Nov 2026 12:00:00 GMT") -> Answer:
    """Returns an answer whose request was sent `seconds` after noon, and took two seconds."""
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
    return Answer(200, (("date", date),), seconds=2, sent_at=noon + seconds)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (dated(31), "ok clock: 12:00:00 UTC, as on this machine"),
        (dated(-32), "ok clock: 12:00:00 UTC"),
        (dated(31.5), "warning clock: the header Date is 30 s behind this machine"),
        (dated(-42), "warning clock: the header Date is 40 s ahead of this machine"),
        (dated(400), "failed clock: the header Date is 7 minutes behind this machine: synchronise both"),
        (dated(-7202), "failed clock: the header Date is 2 hours ahead of this machine"),
        (dated(0, "Mon, 30 Nov 2026 12:00:00 -0000"), "ok clock: 12:00:00 UTC"),
        (dated(0, "yesterday"), "warning clock: not compared, because the answer has no valid header Date"),
        (Answer(200), "warning clock: not compared"),
    ],
)
def test_the_clock_is_compared(answer: Answer, expected: str) -> None:
    assert words([responses.clock_finding(answer)])[0].startswith(expected)


def test_headers_of_a_cache_and_longer_hsts_are_understood() -> None:
    def page(**changes: str) -> Answer:
        names = {name.replace("_", "-"): value for name, value in changes.items()}
        kept = [pair for pair in HEADER_LIST if pair[0] not in names]
        return Answer(200, (*kept, *((name, value) for name, value in names.items() if value)))

    assert responses.cache_finding(page()).severity == "ok"
    assert responses.cache_finding(page(age="12")).detail.startswith("the login page came from a cache (Age)")
    assert "(CF-Cache-Status)" in responses.cache_finding(page(cf_cache_status="HIT")).detail
    assert responses.cache_finding(page(cf_cache_status="DYNAMIC")).severity == "ok"
    for value, severity in (
        ("max-age=63072000; includeSubDomains", "ok"),
        ("includeSubDomains ; Max-Age=31536000", "ok"),
        ("max-age=300", "warning"),
        ("max-age=0", "warning"),
        ("max-age=x", "warning"),
    ):
        (finding,) = responses.header_findings(page(strict_transport_security=value))
        assert finding.severity == severity, value
    # twice the same is harmless
    assert words(responses.header_findings(Answer(200, HEADER_LIST * 2)))[0].startswith("ok ")


def test_a_passed_scheme_is_not_claimed_without_an_answer() -> None:
    assert responses.spoofing_finding(None) is None
    assert responses.spoofing_finding(Answer(problem="no answer")) is None
