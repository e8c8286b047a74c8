"""Tests of `linkauth simulate alexa` with a correct server, and with servers that have one fault each."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plaster
import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.config.plugins import settings_class
from linkauth.config.settings import Settings, read
from linkauth.simulator.probe import Finding, Probe
from linkauth.storage import LinkAdmin, LinkFilter, open_engine
from tests.deployment.test_start import linkauth
from tests.servers.certificates import Certificates
from tests.servers.development_server import DevelopmentServer, free_port
from tests.servers.rewriting_proxy import proxy

ADA = ("ada", "lovelace-1815")
SECRET = "the-home-clients-secret"
CLIENTS = {
    "clients": "ride-hailer home bare short",
    "client.ride-hailer.grants": "implicit",
    "client.home.name": "Example Home",
    "client.home.grants": "authorization_code",
    "client.home.secret": SECRET,
    "client.home.alexa_vendor_id": "M2HOME0000000",
    "client.home.pkce": "required",
    "client.home.scopes": "order_car",
    "client.bare.name": "Both grants without a secret",
    "client.bare.grants": "implicit authorization_code",
    "client.bare.alexa_vendor_id": "M2BARE0000000",
    "client.short.name": "Short-lived",
    "client.short.platform": "none",
    "client.short.grants": "authorization_code",
    "client.short.secret": SECRET,
    "client.short.redirect_uris": "https://short.example.com/cb",
    "client.short.access_token_lifetime": "60",
    # some tests fail to sign in on purpose
    "throttle.client_failures": "10000",
    "throttle.account_failures": "10000",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevelopmentServer]:
    server = DevelopmentServer(tmp_path_factory.mktemp("served"), CLIENTS)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ini(served: DevelopmentServer) -> Path:
    return served.log.parent / "served.ini"


def settings(ini: Path) -> Settings:
    app_settings = plaster.get_loader(str(ini), protocols=["wsgi"]).get_wsgi_app_settings("main")
    return read(app_settings, settings_class)


def changed(ini: Path, tmp_path: Path, *changes: tuple[str, str]) -> Path:
    """Writes an ini file that differs from that of the server."""
    text = ini.read_text("utf-8")
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert count, pattern
    path = tmp_path / "differs.ini"
    path.write_text(text, "utf-8")
    return path


def simulate(ini: Path, *options: str, expect: int, person: tuple[str, str] = ADA) -> dict[str, str]:
    """Runs the command, checks its exit code, and returns the failed checks with their details."""
    arguments = ["simulate", "alexa", str(ini), "--user", person[0], "--password", person[1], *options]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == expect, result.output
    assert isinstance(result.exception, SystemExit) == bool(expect)
    assert person[1] not in result.output
    failed = [
        line.removeprefix("FAILED  ").partition(": ")
        for line in result.output.splitlines()
        if line.startswith("FAILED")
    ]
    assert f"{len(failed)} failed" in result.output or not failed
    return {what: detail for what, _, detail in failed}


def active_links(ini: Path, client_id: str) -> list[dict[str, Any]]:
    engine = open_engine(settings(ini).database)
    try:
        link_admin = LinkAdmin(engine)
        return [
            link for link in link_admin.links(LinkFilter(client_id=client_id)) if link["token_issued_at"] is not None
        ]
    finally:
        engine.dispose()


@pytest.mark.parametrize("client", ["ride-hailer", "home", "bare"])
def test_all_checks_pass_for_a_correct_server(ini: Path, client: str) -> None:
    """The checks cover regions, grants, client secrets and PKCE, and every created link is ended."""
    output = linkauth(
        *("simulate", "alexa", ini, "--client", client, "--user", ADA[0], "--password", ADA[1]),
        expect=0,
    )
    assert output.splitlines()[-1] == "all checks passed"
    assert "FAILED" not in output
    assert ADA[1] not in output
    code = client in ("home", "bare")
    assert len(re.findall(r"^ok +redirect to .* characters unchanged$", output, re.MULTILINE)) == (
        6 if client == "bare" else 3
    )
    assert ("code for tokens, client credentials by HTTP Basic" in output) == (client == "home")
    assert ("code for tokens, client credentials in the body" in output) == code
    assert ("an old refresh token still works" in output) == (client == "home")
    assert ("introspection accepts the token: staff:1" in output) == (client in ("home", "ride-hailer"))
    assert "userinfo accepts the token: staff:1" in output
    assert "a revoked token is refused" in output
    assert "the theme lacks" not in output
    assert active_links(ini, client) == []


def test_without_a_user_no_sign_in_is_tested(ini: Path) -> None:
    output = linkauth("simulate", "alexa", ini, "--client", "home", expect=0)
    assert "no sign-in was tested: use --user and LINKAUTH_SIMULATE_PASSWORD" in output
    assert "redirect to" not in output


def test_a_server_that_does_not_run_is_reported(ini: Path) -> None:
    failed = simulate(ini, "--url", f"http://127.0.0.1:{free_port()}", expect=1)
    assert list(failed) == ["the server responds"]
    assert failed["the server responds"].startswith("no response: ")


def test_a_server_that_does_not_speak_http_is_reported(ini: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other_server:
        stop = threading.Thread(target=lambda: other_server.accept()[0].close(), daemon=True)
        stop.start()
        failed = simulate(ini, "--url", f"http://127.0.0.1:{other_server.getsockname()[1]}", expect=1)
    assert list(failed) == ["the server responds"]


def test_an_unknown_client_and_an_invalid_url_are_rejected(ini: Path) -> None:
    assert "Clients with grants: ride-hailer, home, bare, short" in linkauth(
        *("simulate", "alexa", ini, "--client", "hmoe"), expect=2
    )
    assert "--url: must begin with" in linkauth("simulate", "alexa", ini, "--url", "ftp://x", expect=2)
    assert "no such file" in linkauth("simulate", "alexa", "nowhere.ini", expect=1)


def test_a_redirect_uri_that_the_server_does_not_know_is_reported(ini: Path, tmp_path: Path) -> None:
    additional_uri = r"\g<0>\n\thttps://alexa.amazon.co.jp/spa/skill/account-linking-status.html?vendorId=M2SIMULATOR"
    differs = changed(ini, tmp_path, (r"simulator/alexa\.amazon\.co\.jp/spa/.*M2SIMULATOR$", additional_uri))
    failed = simulate(differs, "--client", "ride-hailer", expect=1)
    page = "login page for alexa.amazon.co.jp/spa/skill/account-linking-status.html"
    assert set(failed) == {page, "sign-in"}
    assert failed[page] == "status 400: does the server know this redirect URI and this client?"
    assert active_links(ini, "ride-hailer") == []


def test_a_client_that_the_server_does_not_know_is_reported(ini: Path, tmp_path: Path) -> None:
    differs = changed(ini, tmp_path, ("^linkauth.client.home.name", "linkauth.client.home.client_id = x\n\\g<0>"))
    failed = simulate(differs, "--client", "home", expect=1)
    assert "login page for layla.amazon.com/api/skill/link/M2HOME0000000" in failed
    assert "login page with a state of 1108 characters" in failed
    assert failed["login page in every Alexa locale"].startswith("none for en-US")


def test_a_wrong_client_secret_is_reported(ini: Path, tmp_path: Path) -> None:
    differs = changed(
        ini, tmp_path, (f"client.home.secret = {SECRET}", "client.home.secret = another-secret-altogether")
    )
    failed = simulate(differs, "--client", "home", expect=1)
    assert set(failed) == {
        "code for tokens, client credentials in the body",
        "code for tokens, client credentials by HTTP Basic",
    }
    assert all("status 401 invalid_client" in detail for detail in failed.values())
    assert active_links(ini, "home") == []


def test_a_wrong_secret_of_an_implicit_client_is_reported(ini: Path, tmp_path: Path) -> None:
    differs = changed(ini, tmp_path, ("the demo skill's secret", "another secret altogether"))
    failed = simulate(differs, "--client", "ride-hailer", expect=1)
    assert failed["introspection accepts the token"] == "status 401 invalid_client"
    # an access token authorizes its own revocation
    assert "all test links are ended" not in failed
    assert active_links(ini, "ride-hailer") == []


def test_a_wrong_password_is_sent_only_once(served: DevelopmentServer, ini: Path) -> None:
    tries: list[str] = []
    with proxy(served.url, on_request=lambda path, body: tries.extend([path] * (b"password=" in body))) as url:
        failed = simulate(ini, "--client", "home", "--url", url, expect=1, person=("ada", "no-such-password"))
    assert list(failed) == ["sign-in"]
    assert failed["sign-in"].startswith("status 403; the page says: The name or the password is wrong. Please check")
    assert len(tries) == 1


def test_a_server_with_an_own_authority_is_trusted_by_its_file(
    served: DevelopmentServer, ini: Path, tmp_path: Path
) -> None:
    certificates = Certificates(tmp_path / "tls", "127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*(certificates.folder / f"good.{suffix}" for suffix in ("pem", "key")))
    with proxy(served.url, tls=tls) as url:
        options = ("simulate", "alexa", ini, "--client", "home", "--url", url)
        output = linkauth(*options, expect=1)
        assert "CERTIFICATE_VERIFY_FAILED" in output
        assert "; --ca-file names the authority to trust" in output
        assert "all checks passed" in linkauth(*options, "--ca-file", certificates.ca_file, expect=0)
        key = certificates.folder / "good.key"
        assert "--ca-file: cannot be read as certificates" in linkauth(*options, "--ca-file", key, expect=2)


def test_access_tokens_with_a_short_lifetime_are_reported(ini: Path) -> None:
    failed = simulate(ini, "--client", "short", expect=1)
    assert "code for tokens, client credentials in the body" in failed
    assert "two concurrent refreshes" in failed
    assert set(failed.values()) == {"expires_in is 60, Alexa needs 360 or more"}
    assert active_links(ini, "short") == []


@pytest.mark.parametrize("client", ["ride-hailer", "home"])
@pytest.mark.parametrize("rewritten", ["rewrite_path", "rewrite_location"])
def test_a_proxy_that_turns_a_plus_into_a_space_is_reported(
    served: DevelopmentServer, ini: Path, client: str, rewritten: str
) -> None:
    options: dict[str, Any] = {rewritten: lambda text: text.replace("%2B", "+")}
    with proxy(served.url, **options) as url:
        failed = simulate(ini, "--client", client, "--url", url, expect=1)
    assert len(failed) == 3
    assert all(what.startswith("redirect to ") for what in failed)
    assert set(failed.values()) == {"the state was modified: a + became a space"}
    assert active_links(ini, client) == []


def test_a_fragment_that_became_a_query_is_reported(served: DevelopmentServer, ini: Path) -> None:
    with proxy(served.url, rewrite_location=lambda location: location.replace("#", "&")) as url:
        failed = simulate(ini, "--client", "bare", "--url", url, expect=1)
    assert "the target is wrong, or the response is in the wrong part of the URL" in failed.values()


def test_a_proxy_that_adds_form_action_is_reported(served: DevelopmentServer, ini: Path) -> None:
    with proxy(served.url, extra_headers={"Content-Security-Policy": "form-action 'self'"}) as url:
        failed = simulate(ini, "--client", "home", "--url", url, expect=1)
    assert list(failed) == ["no form-action in the page's Content-Security-Policy"]


def test_a_slow_response_is_reported(served: DevelopmentServer, ini: Path) -> None:
    limit = 0.5

    def delay(path: str, body: bytes) -> None:
        if b"grant_type=authorization_code" in body and b"client_secret" not in body:
            threading.Event().wait(limit + 0.1)

    with proxy(served.url, on_request=delay) as url:
        findings = list(Probe(settings(ini), "home", "authorization_code", url, ADA, limit).run())
    slow = [finding for finding in findings if finding.what == "code for tokens, client credentials by HTTP Basic"]
    assert [finding.ok for finding in slow] == [False]
    assert slow[0].detail.endswith("Amazon's limit is 0.5 s")
    assert _named(findings, "every response within 0.5 s").ok is False
    assert active_links(ini, "home") == []


def test_links_are_ended_if_the_checks_are_interrupted(ini: Path) -> None:
    findings = Probe(settings(ini), "bare", "implicit", settings(ini).public_url, ADA).run()
    assert any(finding.what.startswith("redirect to ") for finding in findings)
    findings.close()  # type: ignore[attr-defined]
    assert active_links(ini, "bare") == []


def test_a_failing_revocation_is_reported(served: DevelopmentServer, ini: Path) -> None:
    with proxy(served.url, rewrite_path=lambda path: path.replace("/revoke", "/nowhere")) as url:
        failed = simulate(ini, "--client", "ride-hailer", "--url", url, expect=1)
    assert set(failed) == {
        "revocation",
        "a revoked token is refused",
        "introspection reports the revoked token as inactive",
        "all test links are ended",
    }


def _named(findings: list[Finding], what: str) -> Finding:
    return next(finding for finding in findings if finding.what == what)
