"""Tests of the checks of `linkauth doctor` from outside, with a real nginx in front of the application."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.cli.findings import Finding, line
from linkauth.cli.outward import certificates
from linkauth.cli.outward.checks import Options, outward_checks, together
from linkauth.config.settings import Settings
from linkauth.net.deadlines import Deadline
from linkauth.services import services_of
from tests.conftest import ROOT
from tests.servers.development_server import free_port
from tests.servers.nginx import require
from tests.servers.proxies import DAYS_LEFT, Proxies

ALL = {
    *("public.name", "public.connect", "public.certificate", "public.certificate_days", "public.authority"),
    *("public.tls_versions", "public.login_page", "public.state", "public.headers", "public.cache"),
    *("public.forwarded", "public.token", "public.clock"),
}


@pytest.fixture(scope="module")
def app(make_app: Callable[..., Any]) -> Any:
    return make_app(trusted_proxies="127.0.0.1")


@pytest.fixture(scope="module")
def settings(app: Any) -> Settings:
    return services_of(app.registry).settings


@pytest.fixture(scope="module")
def received() -> list[str]:
    """The requests that the application received: the whole environ and the body as text."""
    return []


@pytest.fixture(scope="module")
def proxies(
    app: Any, make_app: Callable[..., Any], received: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxies]:
    require()
    other = make_app(trusted_proxies="127.0.0.1", secret="another secret of 32 characters or more")

    def recording(environ: dict[str, Any], start_response: Any) -> Any:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = BytesIO(body)
        received.append(f"{environ} {body!r}")
        return app(environ, start_response)

    with ExitStack() as stack:
        yield Proxies(tmp_path_factory.mktemp("outward") / "proxies", {"linkauth": recording, "other": other}, stack)


@pytest.fixture
def trusting(proxies: Proxies, monkeypatch: pytest.MonkeyPatch) -> Proxies:
    """The proxies, on a machine that trusts the roots of their certificates."""
    monkeypatch.setenv("SSL_CERT_FILE", str(proxies.chains.trusted))
    monkeypatch.setattr(certificates, "MOZILLA_FOLDER", proxies.chains.listed)
    return proxies


Look = Callable[..., dict[str, list[Finding]]]


@pytest.fixture
def look(trusting: Proxies, settings: Settings) -> Look:
    """`look(NAME)` returns the findings for a proxy by their ids. All of them are printable."""

    def outward(name: str, seconds: float = 60, **changes: Any) -> dict[str, list[Finding]]:
        options = Options(("127.0.0.1", trusting.port[name]), seconds)
        found: dict[str, list[Finding]] = {}
        for finding in outward_checks(replace(settings, **changes), options):
            print(line(finding))
            found.setdefault(finding.id, []).append(finding)
        return found

    return outward


def test_nothing_is_wrong_at_a_good_proxy(look: Look, received: list[str], settings: Settings) -> None:
    received.clear()
    found = look("good")
    assert set(found) == ALL
    assert [finding for each in found.values() for finding in each if finding.severity != "ok"] == []
    text = {identifier: findings[0].detail for identifier, findings in found.items()}
    assert text["public.certificate"].startswith("valid for link.example.com, 2 certificate(s) sent, TLSv1.")
    assert text["public.state"] == "arrives and comes back unchanged (client alexa)"
    assert text["public.authority"] == "Example Root is in Mozilla's list, which Amazon accepts"
    # the page twice, with a long state, the redirect, and three token requests; none of them contains a secret
    assert len(received) == 7
    secrets = {settings.secret, *(client.secret for client in settings.clients.values() if client.secret)}
    assert not [text for text in received if "HTTP_AUTHORIZATION" in text or any(each in text for each in secrets)]


@pytest.mark.parametrize(
    ("proxy", "identifier", "severity", "words"),
    [
        ("short", "certificate", "failed", "the certificate of Example Issuing CA is missing: 1 certificate(s) sent."),
        ("expired", "certificate", "failed", "expired on "),
        ("early", "certificate", "failed", "is not valid before "),
        ("wrong_name", "certificate", "failed", "is valid for www.example.org, example.org, not for link.example.com"),
        ("self_signed", "certificate", "failed", "is self-signed."),
        ("unknown", "certificate", "failed", "is issued by Unknown Root, which this machine does not trust."),
        ("ending", "certificate_days", "warning", f"expires in {DAYS_LEFT} days, on "),
        ("rootless", "certificate", "failed", "this machine does not know Unknown Root, which issued the last of 2"),
        ("private", "authority", "failed", "Example Corp Internal Root is trusted by this machine, but is not in"),
        ("lets_encrypt", "authority", "warning", "Let's Encrypt is in Mozilla's list, but Amazon's documentation"),
        (
            "old_tls",
            "tls_versions",
            "warning",
            "insecure old versions are accepted (RFC 8996): switch off TLS 1.0 and TLS 1.1",
        ),
        ("new_tls", "tls_versions", "failed", "TLS 1.2 is refused"),
        (
            "small_request",
            "state",
            "failed",
            "the proxy refuses it with status 414: allow URLs of 16 KB (nginx: large_",
        ),
        ("small_response", "state", "failed", "arrives, but does not come back: the proxy turns linkauth's redirect"),
        ("passed_headers", "forwarded", "warning", "the proxy passes on the scheme that a client claims"),
        ("policy", "headers", "failed", "a Content-Security-Policy with form-action is added."),
        ("changed", "headers", "warning", "removed: Strict-Transport-Security; changed: X-Frame-Options."),
        ("caching", "cache", "failed", "Cache-Control of the login page is nothing instead of no-store"),
        ("wrong_clock", "clock", "failed", " days behind this machine: synchronise both"),
        ("get_only", "token", "failed", "status 405 instead of 401 from linkauth"),
    ],
)
def test_the_only_fault_of_a_proxy_is_named(look: Look, proxy: str, identifier: str, severity: str, words: str) -> None:
    found = look(proxy)
    others = {
        each for each in ALL - {f"public.{identifier}"} if found.get(each, []) and found[each][0].severity != "ok"
    }
    assert others == set()
    (finding,) = found[f"public.{identifier}"]
    assert finding.severity == severity
    assert words in finding.detail


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("no_headers", "the address that the proxy connects from: it contains 127.0.0.1."),
        ("down", "status 502: the proxy cannot reach linkauth"),
        ("other_linkauth", "a linkauth answers, but with another linkauth.secret or public_url than this ini file"),
        ("static", "status 200 by nginx/"),
        ("elsewhere", "status 301: the proxy redirects to https://www.example.org instead of asking linkauth"),
        ("firewall", "status 403: the proxy or a firewall refuses the request"),
    ],
)
def test_an_answer_that_is_not_from_this_linkauth_is_explained(look: Look, proxy: str, words: str) -> None:
    found = look(proxy)
    (finding,) = found["public.login_page"]
    assert finding.severity == "failed"
    assert words in finding.detail
    # nothing is said about a page that somebody else wrote
    assert not {"public.state", "public.headers", "public.cache", "public.forwarded"} & set(found)


def test_a_hung_server_gives_a_sentence_within_the_time(look: Look) -> None:
    found = look("hung", seconds=2)
    late = [
        finding.detail
        for each in found.values()
        for finding in each
        if finding.severity == "failed"
        and ("no complete answer within" in finding.detail or "time was" in finding.detail)
    ]
    assert late, found


def test_late_probes_are_abandoned() -> None:
    ended = threading.Event()
    try:
        # True if the event comes first
        assert together({"late": lambda: ended.wait(60)}, Deadline(0.05)) == {}
    finally:
        ended.set()
    assert together({"one": lambda: 1, "two": lambda: 2}, Deadline(60)) == {"one": 1, "two": 2}
    with pytest.raises(ZeroDivisionError):
        together({"wrong": lambda: 1 // 0}, Deadline(60))


def test_https_for_longer_is_as_good_as_linkauths(look: Look) -> None:
    assert look("longer_hsts")["public.headers"][0].severity == "ok"


def test_connections_that_fail_are_explained(look: Look, trusting: Proxies) -> None:
    found = look("plain")
    assert [finding.detail for finding in found["public.tls"]] == [
        "the port answers without TLS (nginx: listen 443 ssl)"
    ]
    trusting.port["nobody"] = free_port()
    (finding,) = look("nobody")["public.connect"]
    assert finding.severity == "failed"
    assert finding.detail == "Connection refused. The proxy must listen there"


def test_a_name_without_addresses_is_explained(settings: Settings) -> None:
    # RFC 6761: this name does not exist
    (finding,) = outward_checks(replace(settings, public_url="https://link.invalid"), Options())
    assert (finding.id, finding.severity) == ("public.name", "failed")
    assert "does not resolve (" in line(finding)
    assert "Create its A record" in finding.detail
    (finding,) = outward_checks(settings, Options(("proxy.invalid", 443)))
    assert (finding.id, finding.subject) == ("public.name", "--connect proxy.invalid")


def test_a_server_for_development_is_not_checked_from_outside(settings: Settings) -> None:
    (finding,) = outward_checks(replace(settings, public_url="http://127.0.0.1:6543"), Options())
    assert finding.severity == "skipped"


def test_a_configuration_without_grants_is_checked_without_the_login_page(look: Look, settings: Settings) -> None:
    grantless = {"skill-backend": settings.clients["skill-backend"]}
    found = look("good", clients=grantless)
    assert found["public.login_page"][0].severity == "warning"
    assert found["public.token"][0].severity == "ok"
    assert "public.state" not in found


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    path = tmp_path / "linkauth.ini"
    path.write_text((ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path)), "utf-8")
    return path


def doctor(*arguments: Any) -> Any:
    result = CliRunner().invoke(main, ["doctor", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_command_prints_the_checks_from_outside(trusting: Proxies, ini: Path) -> None:
    result = doctor(ini, "--connect", f"127.0.0.1:{trusting.port['lets_encrypt']}")
    assert "\nok       https://link.example.com/authorize: the login page is from a linkauth" in result.output
    assert "\nwarning  authority: Let's Encrypt is in Mozilla's list, but" in result.output
    document = json.loads(doctor(ini, "--json", "--connect", f"127.0.0.1:{trusting.port['expired']}").stdout)
    outward = {row["id"]: row for row in document["findings"] if row["id"].startswith("public.")}
    assert set(outward) == ALL - {"public.certificate_days", "public.authority"}
    assert outward["public.certificate"]["severity"] == "failed"
    assert document["counts"]["failed"] == sum(row["severity"] == "failed" for row in document["findings"]) > 0


def test_offline_leaves_the_checks_from_outside_out_and_says_so(ini: Path) -> None:
    output = doctor(ini, "--offline").output
    assert "\nskipped  https://link.example.com: not checked from outside (--offline)\n" in output
    rows = json.loads(doctor(ini, "--offline", "--json").stdout)["findings"]
    assert [row["severity"] for row in rows if row["id"].startswith("public.")] == ["skipped"]


def test_a_wrong_address_on_the_command_line_is_refused(ini: Path) -> None:
    for value in ("10.0.0.5", "10.0.0.5:", ":443", "::1:443", "[::1]", "host:0", "host:70000", "a/b:1"):
        result = doctor(ini, "--connect", value)
        assert result.exit_code == 2, value
        assert f"must be HOST:PORT or [IPv6 address]:PORT, such as 10.0.0.5:443: {value}" in result.output
    assert "cannot be used with --offline" in doctor(ini, "--connect", "[::1]:443", "--offline").output
