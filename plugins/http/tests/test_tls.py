"""Tests of server certificates, client certificates and checks."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from linkauth.backends import BackendMisconfigured, BackendUnavailable, UnknownUser
from linkauth.testing import settings_of
from linkauth_http import HTTPBackend, HTTPSettings
from tests.servers.certificates import Authority, Certificates

from .accounts_api import answer
from .api import API, Reply
from .protocols import HTML, MUELLER, HTMLLogin, json_api
from .test_accounts import account_settings

Make = Callable[..., HTTPBackend]
Serve = Callable[..., API]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "certificates", "127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Authority]:
    """Client certificates: `ours`, and `theirs` of another authority."""
    folder = tmp_path_factory.mktemp("clients")
    authority = Authority("the API's clients")
    (folder / "ca.pem").write_bytes(authority.pem)
    for name, by in (("ours", authority), ("theirs", Authority("somebody else"))):
        certificate, key = by.issue(("linkauth.example",), client=True)
        (folder / f"{name}.pem").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(key)
        (folder / f"{name}-both.pem").write_bytes(certificate + key)
    secret = serialization.load_pem_private_key((folder / "ours.key").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"locked")
    text = secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    (folder / "locked.key").write_bytes(text)
    return folder, authority


def context(certificates: Certificates, kind: str, clients: Path | None = None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificates.folder / f"{kind}.pem", certificates.folder / f"{kind}.key")
    if clients:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(clients / "ca.pem")
    return made


def sign_in(backend: HTTPBackend) -> str:
    return backend.authenticate(MUELLER.username, MUELLER.password).subject


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_valid_certificate(certificates: Certificates, serve: Serve, backend_on: Make, host: str) -> None:
    api = serve(json_api, tls=context(certificates, "good"))
    backend = backend_on(api.url.replace("127.0.0.1", host), tls_ca_file=certificates.ca_file)
    assert sign_in(backend) == sign_in(backend) == "4711"
    # both requests use one connection
    assert len({request.connection for request in api.requests}) == 1
    (days,) = [check for check in backend.check() if check.name.startswith("certificate")]
    assert days.ok
    assert not days.warning
    assert "expires in 29 days" in days.detail


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("expired", "renew it on the server"),
        ("foreign", "set tls_ca_file to a PEM file with the authority that signed it"),
        ("wrong_name", "write a name in url that is in the certificate"),
    ],
)
def test_invalid_certificate_is_misconfigured(
    certificates: Certificates, serve: Serve, backend_on: Make, kind: str, advice: str
) -> None:
    api = serve(json_api, tls=context(certificates, kind))
    backend = backend_on(api.url, tls_ca_file=certificates.ca_file)
    with pytest.raises(BackendMisconfigured, match=f"certificate is not accepted: .*; {advice}$"):
        sign_in(backend)
    assert not all(check.ok for check in backend.check())
    # no request was sent on this connection
    assert not api.requests
    # the next server is available
    good = serve(json_api, tls=context(certificates, "good"))
    assert sign_in(backend_on(api.url, good.url, tls_ca_file=certificates.ca_file)) == "4711"


@pytest.mark.parametrize(
    ("kind", "outcome", "checked"),
    [("good", UnknownUser, ["find", "search", "certificate"]), ("expired", BackendMisconfigured, [])],
)
def test_the_servers_of_accounts_are_verified_too(
    certificates: Certificates, serve: Serve, backend_on: Make, kind: str, outcome: type[Exception], checked: list[str]
) -> None:
    login, nobody = serve(json_api), answer(404, error="no_such_account")
    accounts = serve(lambda request: nobody, tls=context(certificates, kind))
    settings = account_settings(account_url=(accounts.url + "/",), search_not_found="/error = no_such_account")
    backend = backend_on(login.url + "/login", **settings, tls_ca_file=certificates.ca_file)
    lines = [check for check in backend.check() if accounts.url in check.name]
    assert [line.name.split()[0] for line in lines if line.ok] == checked
    with pytest.raises(outcome):
        backend.recipient("ada")
    with pytest.raises(outcome):
        backend.reset_password("7", "Quartz-52-meadow")


def test_unknown_authority_is_refused(certificates: Certificates, serve: Serve, backend_on: Make) -> None:
    api = serve(json_api, tls=context(certificates, "good"))
    with pytest.raises(BackendMisconfigured, match="certificate"):
        sign_in(backend_on(api.url))


def test_slow_handshake_fails_over(certificates: Certificates, serve: Serve, backend_on: Make) -> None:
    good = serve(json_api, tls=context(certificates, "good"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = f"https://127.0.0.1:{silent.getsockname()[1]}"
        # with a longer wait there would be no time left for the second server
        slow = {"connect_timeout": 3, "receive_timeout": 20, "total_timeout": 20}
        backend = backend_on(hanging, good.url, tls_ca_file=certificates.ca_file, **slow)
        # no password was sent to the first server
        assert sign_in(backend) == "4711"


def test_server_without_tls(api: API, backend_on: Make) -> None:
    with pytest.raises(BackendUnavailable):
        sign_in(backend_on(api.url.replace("http:", "https:")))
    assert not api.requests


class TestClientCertificates:
    @pytest.mark.parametrize("form", ["two files", "one file"])
    def test_accepted_client_certificate(
        self, certificates: Certificates, people: tuple[Path, Authority], serve: Serve, backend_on: Make, form: str
    ) -> None:
        folder, _ = people
        api = serve(json_api, tls=context(certificates, "good", folder))
        named = {"client_certificate": str(folder / "ours.pem"), "client_key": str(folder / "ours.key")}
        if form == "one file":
            named = {"client_certificate": str(folder / "ours-both.pem")}
        assert sign_in(backend_on(api.url, tls_ca_file=certificates.ca_file, **named)) == "4711"

    @pytest.mark.parametrize("whose", ["theirs", "nobody's"])
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_refused_client_certificate(
        self,
        certificates: Certificates,
        people: tuple[Path, Authority],
        serve: Serve,
        backend_on: Make,
        whose: str,
        version: ssl.TLSVersion,
    ) -> None:
        folder, _ = people
        tls = context(certificates, "good", folder)
        tls.maximum_version = version
        api = serve(json_api, tls=tls)
        named = {"client_certificate": str(folder / "theirs-both.pem")} if whose == "theirs" else {}
        with pytest.raises(BackendUnavailable):
            sign_in(backend_on(api.url, tls_ca_file=certificates.ca_file, **named))
        assert not api.requests

    @pytest.mark.parametrize(
        ("certificate", "key"),
        [
            ("ours.pem", "theirs.key"),
            ("ours.pem", "locked.key"),
            ("ours.pem", "missing.key"),
            ("ca.pem", ""),
            ("x", ""),
        ],
    )
    def test_mismatched_certificate_files_are_refused_at_start(
        self, people: tuple[Path, Authority], certificate: str, key: str
    ) -> None:
        folder, _ = people
        named = {"client_certificate": str(folder / certificate), "client_key": str(folder / key) if key else ""}
        settings = settings_of(
            HTTPSettings, url=("https://x.example",), preset="json", success="/ok", subject="/id", **named
        )
        with pytest.raises(ValueError, match=r"client_certificate|client_key"):
            HTTPBackend(settings)

    def test_doctor_warns_before_it_ends(
        self, certificates: Certificates, people: tuple[Path, Authority], serve: Serve, backend_on: Make
    ) -> None:
        folder, authority = people
        api = serve(json_api, tls=context(certificates, "good", folder))
        for days, expected in (
            (30, (True, False, "29")),
            (5.5, (True, True, "5")),
            (-0.5, (False, False, "has expired")),
        ):
            certificate, key = certificates.issue_client(f"c{days}.example", authority, days)
            named = {"tls_ca_file": certificates.ca_file, "client_certificate": certificate, "client_key": key}
            checks = backend_on(api.url, **named).check()
            (check,) = [each for each in checks if each.name == "client_certificate"]
            assert (check.ok, check.warning) == expected[:2]
            assert expected[2] in check.detail


def test_invalid_ca_file_is_refused_at_start(tmp_path: Path) -> None:
    for path in (str(tmp_path), str(tmp_path / "missing.pem")):
        with pytest.raises(ValueError, match="tls_ca_file"):
            HTTPBackend(settings_of(HTTPSettings, url=("https://x.example",), tls_ca_file=path))


class TestChecks:
    def test_check_sends_no_credentials(self, api: API, backend_on: Make) -> None:
        header = {"X-Key": "k", "X-Name": "{username}"}
        (check,) = backend_on(f"{api.url}/login", header=header).check()
        assert check.ok
        assert check.detail.endswith("status 405")
        (request,) = api.requests
        assert (request.method, request.target, request.body) == ("HEAD", "/login", b"")
        assert request.headers["X-Key"] == "k"
        assert "X-Name" not in request.headers

    def test_check_warns_of_clear_text_over_a_network(self, api: API, backend_on: Make) -> None:
        # a name of loopback other than localhost
        url = api.url.replace("127.0.0.1", "127.1")
        server, certificate = backend_on(url, allow_cleartext=True).check()
        assert server.ok
        assert "clear text" in certificate.detail
        assert certificate.warning

    @pytest.mark.parametrize(
        ("status", "ok", "warning"),
        [(200, True, False), (404, True, True), (501, True, False), (500, True, True), (503, False, False)],
    )
    def test_check_with_head(self, api: API, backend_on: Make, status: int, ok: bool, warning: bool) -> None:
        api.head = Reply(status)
        first = next(iter(backend_on(f"{api.url}/login").check()))
        assert (first.ok, first.warning) == (ok, warning)
        assert ("check_url" in first.detail) == (status == 500)

    @pytest.mark.parametrize("status", [200, 302, 404, 500])
    def test_check_url_must_succeed(self, api: API, backend_on: Make, status: int) -> None:
        api.handler = lambda request: Reply(status if request.target == "/health?x=1" else 418)
        first = next(iter(backend_on(f"{api.url}/login", check_url="/health?x=1").check()))
        assert first.ok == (status < 400)

    def test_check_does_not_request_a_url_with_placeholder(self, api: API, backend_on: Make) -> None:
        list(backend_on(f"{api.url}/{{username}}", body_template='{"p": {password}}').check())
        assert api.requests[0].target == "/"

    def test_check_needs_the_login_form(self, api: API, backend_on: Make) -> None:
        form = {"preset": "html-form", "body_template": "login={username}&pw={password}", "subject": "username"}
        backend = backend_on(api.url, success="location:/home", **form)
        api.handler = HTMLLogin()
        assert next(iter(backend.check())).detail == "returns its login form"
        api.handler = lambda request: Reply(200, "<h1>Maintenance</h1>", HTML)
        assert not next(iter(backend.check())).ok

    def test_check_reports_every_server(self, api: API, serve: Serve, backend_on: Make) -> None:
        stopped = serve()
        stopped.stop()
        checks = list(backend_on(stopped.url, api.url, "https://no-such-host.invalid").check())
        servers = [check for check in checks if check.name.startswith("server")]
        assert [check.ok for check in servers] == [False, True, False]
        assert "refused" in servers[0].detail
        assert "resolved" in servers[2].detail
