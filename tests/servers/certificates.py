"""Certificates for test servers, issued by a CA that is created for the test. Some are invalid on purpose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, get_args

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Kind = Literal["good", "expired", "foreign", "wrong_name"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WRONG_NAME = "ldap.elsewhere.example"
"""The only name in the certificate of the kind `wrong_name`."""


def _name(text: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A certification authority, whose key exists only in memory. `issuer` issued its certificate, or it is a root."""

    def __init__(self, name: str, issuer: Authority | None = None, organization: str = "") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name, organization)
        others = "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
        usage = dict.fromkeys(f"{others} encipher_only decipher_only".split(), False)
        now = datetime.now(UTC)
        signer = issuer or self
        builder = signer._builder(self._key, self._name, now - timedelta(days=1), now + timedelta(days=30))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True), critical=True)
        self._certificate = builder.sign(signer._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def _builder(
        self, key: ec.EllipticCurvePrivateKey, subject: x509.Name, begins: datetime, ends: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def issue(
        self,
        names: tuple[str, ...],
        ended_days_ago: int = 0,
        client: bool = False,
        days: float = 30,
        begins_in_days: int = -1,
        self_signed: bool = False,
    ) -> tuple[bytes, bytes]:
        """Returns (certificate, key) in PEM for a server with these host names and IP addresses, or for a client.

        It ends in `days`, unless it has ended. A self-signed certificate has the name and the key of this authority.
        """
        key = self._key if self_signed else ec.generate_private_key(ec.SECP256R1())
        begins = datetime.now(UTC) + timedelta(days=begins_in_days - 30 * bool(ended_days_ago))
        ends = datetime.now(UTC) + timedelta(days=-ended_days_ago if ended_days_ago else days)
        called = [x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
        builder = self._builder(key, self._name if self_signed else _name(names[0]), begins, ends)
        builder = builder.add_extension(x509.SubjectAlternativeName(called), critical=False)
        use = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        pem = serialization.Encoding.PEM
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(pem), secret


class Certificates:
    """A certificate of each kind: `folder` contains `KIND.pem` and `KIND.key`.

    The CA in `ca_file` issued all of them except "foreign".
    """

    def __init__(self, folder: Path, *names: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.ca_file = str(folder / "ca.pem")
        self._authority = authority = Authority("linkauth's tests")
        (folder / "ca.pem").write_bytes(authority.pem)
        self._write("good", *authority.issue(names))
        self._write("expired", *authority.issue(names, ended_days_ago=2))
        self._write("wrong_name", *authority.issue((WRONG_NAME,)))
        self._write("foreign", *Authority("somebody else").issue(names))

    def issue_client(self, name: str, authority: Authority | None = None, days: float = 30) -> tuple[str, str]:
        """Creates the certificate of a client, by this CA or another one. Returns the paths of it and of its key."""
        return self._write(name, *(authority or self._authority).issue((name,), client=True, days=days))

    def _write(self, name: str, certificate: bytes, key: bytes) -> tuple[str, str]:
        path = self.folder / f"{name}.pem"
        path.write_bytes(certificate)
        secret = self.folder / f"{name}.key"
        secret.touch(0o600)
        secret.write_bytes(key)
        return str(path), str(secret)
