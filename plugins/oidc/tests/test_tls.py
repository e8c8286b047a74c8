"""Tests of the certificate of a provider: it must be valid, and the message says what to do."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from linkauth.backends import BackendMisconfigured
from linkauth_oidc import OIDCProvider
from tests.servers.certificates import Certificates

from .conftest import REQUEST, settings_for, sign_in
from .provider import Provider


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "certificates", "127.0.0.1", "localhost")


def context(certificates: Certificates, kind: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(Path(certificates.folder) / f"{kind}.pem", Path(certificates.folder) / f"{kind}.key")
    return made


def test_people_sign_in_over_tls(
    serve: Callable[..., Provider], open_plugin: Callable[..., OIDCProvider], certificates: Certificates
) -> None:
    provider = serve(context=context(certificates, "good"))
    plugin = open_plugin(settings_for(provider, tls_ca_file=certificates.ca_file, userinfo="always"))
    assert sign_in(plugin, provider).identity.subject == "s-1"
    assert all(check.ok for check in plugin.check())


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("expired", "renew it on the server"),
        ("wrong_name", "write a name in issuer that is in the certificate"),
        ("foreign", "set tls_ca_file"),
    ],
)
def test_a_certificate_that_is_not_valid_is_refused(
    serve: Callable[..., Provider],
    open_plugin: Callable[..., OIDCProvider],
    certificates: Certificates,
    kind: str,
    advice: str,
) -> None:
    provider = serve(context=context(certificates, kind))
    with pytest.raises(BackendMisconfigured, match=advice):
        open_plugin(settings_for(provider, tls_ca_file=certificates.ca_file)).begin(REQUEST)
    assert provider.received == []


def test_without_a_file_the_authorities_of_the_system_count(
    serve: Callable[..., Provider], open_plugin: Callable[..., OIDCProvider], certificates: Certificates
) -> None:
    provider = serve(context=context(certificates, "good"))
    with pytest.raises(BackendMisconfigured, match="set tls_ca_file"):
        open_plugin(settings_for(provider)).begin(REQUEST)
