"""Findings about the addresses of the public URL, its certificate chain, its authority and its TLS versions.

What Amazon requires comes from the pages about account linking at developer.amazon.com: port 443, and a certificate of
an authority in Mozilla's list of included certificates.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from linkauth.cli.findings import Finding, failed, ok, warning
from linkauth.cli.outward.observations import Handshake, Target, Versions
from linkauth.cli.outward.tls import NEEDED_VERSION, OLD_VERSIONS

WARNING_DAYS = 21
"""Certificates that are renewed automatically are usually renewed 30 days before they expire."""
MOZILLA_FOLDER = Path("/usr/share/ca-certificates/mozilla")
"""Where Debian and Ubuntu keep Mozilla's list, apart from the authorities that an administrator has added."""
_LETS_ENCRYPT = {"Let's Encrypt", "Internet Security Research Group"}
_CHAIN_ADVICE = (
    "The proxy must send all intermediate certificates after its own one, from the same file (nginx: ssl_certificate, "
    "Apache: SSLCertificateFile, HAProxy: crt)"
)
_LIST_ADVICE = "Amazon and phones accept only authorities in Mozilla's list: order a certificate from one of them"
# X509_V_ERR_* of OpenSSL's x509_vfy.h
_NOT_YET_VALID, _EXPIRED, _SELF_SIGNED, _UNTRUSTED_ROOT = 9, 10, 18, 19
_NO_ISSUER, _UNVERIFIED_LEAF, _WRONG_HOST, _WRONG_ADDRESS = 20, 21, 62, 64


def address_findings(target: Target, addresses: Sequence[str]) -> Iterator[Finding]:
    """Yields a finding about what the host name resolves to."""
    found = ", ".join(addresses)
    if target.redirected:
        to = f"{target.connect_host} port {target.connect_port}"
        yield ok("public.name", target.host, f"not resolved: --connect sends all requests to {to} ({found})")
        return
    if private := [text for text in addresses if not ip_address(text.partition("%")[0]).is_global]:
        problem = (
            f"resolves to {', '.join(private)} here, which is not a public address. Phones and Amazon's servers need a "
            "public one; if your DNS gives another answer outside, run this command outside too"
        )
        yield warning("public.name", target.host, problem)
        return
    yield ok("public.name", target.host, f"resolves to {found}")


def unresolved_finding(target: Target, problem: str) -> Finding:
    """Returns the finding for a name without addresses."""
    if target.redirected:
        return failed("public.name", f"--connect {target.connect_host}", f"does not resolve ({problem}): correct it")
    advice = (
        "Create its A record, and an AAAA record if the proxy listens on IPv6. "
        "If only this machine cannot resolve it, use --connect HOST:PORT"
    )
    return failed("public.name", target.host, f"does not resolve ({problem}). {advice}")


def connection_findings(target: Target, handshakes: Sequence[Handshake]) -> Iterator[Finding]:
    """Yields a finding for each address that accepts no connection, and one for all that do."""
    port = target.connect_port
    advice = "The proxy must listen there"
    if not target.redirected:
        advice += (
            ", and firewalls must let phones and Amazon's servers in. Some routers do not let a machine inside reach "
            "its own public address: then use --connect HOST:PORT"
        )
    for each in handshakes:
        subject = f"{each.address} port {port}"
        if each.stage == "connect":
            yield failed("public.connect", subject, f"{each.problem}. {advice}")
        elif each.stage == "no_route":
            problem = f"not checked, because this machine cannot reach such addresses ({each.problem})"
            yield warning("public.connect", subject, problem)
    if connected := [each.address for each in handshakes if each.stage not in ("connect", "no_route")]:
        yield ok("public.connect", f"port {port}", f"accepts connections at {', '.join(connected)}")


def certificate_findings(
    target: Target, handshakes: Sequence[Handshake], now: datetime, mozilla: frozenset[bytes] | None
) -> Iterator[Finding]:
    """Yields the findings about the certificates, once for all addresses that have the same.

    `mozilla` are the SHA-256 fingerprints of the authorities in Mozilla's list, or None if this machine has no such
    list.
    """
    findings: dict[Finding, list[str]] = {}
    for each in handshakes:
        for finding in _readable_certificate(target, each, now, mozilla):
            findings.setdefault(finding, []).append(each.address)
    for finding, addresses in findings.items():
        everywhere = len(addresses) == len(handshakes)
        subject = finding.subject if everywhere else f"{finding.subject} at {', '.join(addresses)}"
        yield Finding(finding.id, finding.severity, subject, finding.detail)


def version_findings(versions: Versions) -> Iterator[Finding]:
    """Yields the findings about the TLS versions."""
    if NEEDED_VERSION in versions.refused:
        problem = f"{NEEDED_VERSION} is refused, and many clients have nothing newer: enable it beside TLS 1.3"
        yield failed("public.tls_versions", "TLS versions", f"{problem} (nginx: ssl_protocols TLSv1.2 TLSv1.3)")
    elif old := [name for name in OLD_VERSIONS if name in versions.accepted]:
        problem = f"insecure old versions are accepted (RFC 8996): switch off {' and '.join(old)}"
        yield warning("public.tls_versions", "TLS versions", f"{problem} (nginx: ssl_protocols TLSv1.2 TLSv1.3)")
    elif NEEDED_VERSION in versions.accepted:
        untested = [name for name in OLD_VERSIONS if name not in versions.refused]
        detail = f"could not be tested: {', '.join(untested)}" if untested else "older ones are refused"
        yield ok("public.tls_versions", "TLS versions", f"{NEEDED_VERSION} is accepted; {detail}")


def mozilla_fingerprints(folder: Path = MOZILLA_FOLDER) -> frozenset[bytes] | None:
    """Returns the SHA-256 fingerprints of the certificates in a folder, or None if it has none."""
    try:
        # not parsed, because a few old authorities have serial numbers that `cryptography` does not accept
        ders = [ssl.PEM_cert_to_DER_cert(path.read_text("ascii")) for path in folder.glob("*.crt")]
        found = frozenset(sha256(der).digest() for der in ders)
    except (OSError, ValueError):
        return None
    return found or None


def _readable_certificate(
    target: Target, seen: Handshake, now: datetime, mozilla: frozenset[bytes] | None
) -> list[Finding]:
    """Returns the findings of a handshake; a failed one if a certificate cannot be read."""
    try:
        with warnings.catch_warnings():
            # about certificates that violate RFC 5280
            warnings.simplefilter("ignore")
            return list(_certificate(target, seen, now, mozilla))
    except ValueError:
        return [failed("public.certificate", "certificate", "cannot be read, because it is not as RFC 5280 requires")]


def _certificate(target: Target, seen: Handshake, now: datetime, mozilla: frozenset[bytes] | None) -> Iterator[Finding]:
    if seen.stage == "tls":
        yield failed("public.tls", "TLS", seen.problem)
    if seen.stage not in ("", "certificate"):
        return
    chain = [x509.load_der_x509_certificate(der) for der in seen.sent]
    verified = [x509.load_der_x509_certificate(der) for der in seen.verified]
    if seen.stage == "certificate":
        yield failed("public.certificate", "certificate", _certificate_problem(target, seen, chain))
    else:
        names = f"valid for {target.host}, {len(chain)} certificate(s) sent, {seen.version}"
        yield ok("public.certificate", "certificate", names)
    if chain and seen.verify_code not in (_EXPIRED, _NOT_YET_VALID):
        yield _days_left(chain, now)
    if verified:
        yield _authority(verified, mozilla)


def _certificate_problem(target: Target, seen: Handshake, chain: Sequence[x509.Certificate]) -> str:
    """Returns the sentence for an invalid certificate. Expects the certificates as the server sends them."""
    if not chain:
        return f"not accepted: {seen.problem}"
    leaf, last = chain[0], chain[-1]
    if seen.verify_code in (_EXPIRED, _NOT_YET_VALID):
        expired = seen.verify_code == _EXPIRED
        # the certificate that ends first, or begins last, decides
        if expired:
            which = min(chain, key=lambda each: each.not_valid_after_utc)
            when = f"expired on {which.not_valid_after_utc:%Y-%m-%d}: renew it, and reload the proxy"
        else:
            which = max(chain, key=lambda each: each.not_valid_before_utc)
            begin = f"{which.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            when = f"is not valid before {begin}: install one that is valid now, or correct the clock of this machine"
        return when if which is leaf else f"the intermediate certificate {_common_name(which.subject)} {when}"
    if seen.verify_code in (_WRONG_HOST, _WRONG_ADDRESS):
        return (
            f"is valid for {_names(leaf)}, not for {target.host}: order one for {target.host}, or correct server_name"
        )
    if seen.verify_code == _SELF_SIGNED:
        return f"is self-signed. {_LIST_ADVICE}"
    if seen.verify_code == _UNTRUSTED_ROOT:
        root = _common_name(last.subject)
        return f"is issued by {root}, which this machine does not trust. {_LIST_ADVICE}"
    if seen.verify_code in (_NO_ISSUER, _UNVERIFIED_LEAF):
        issuer = _common_name(last.issuer)
        if len(chain) > 1:
            unknown = f"this machine does not know {issuer}, which issued the last of {len(chain)} certificates sent"
            return f"{unknown}: another one is missing. {_CHAIN_ADVICE}. Amazon accepts no authority of your own"
        sent = f"the certificate of {issuer} is missing: {len(chain)} certificate(s) sent"
        return f"{sent}. {_CHAIN_ADVICE}. Amazon accepts no authority of your own"
    return f"not accepted: {seen.problem}"


def _days_left(chain: Iterable[x509.Certificate], now: datetime) -> Finding:
    """Returns the finding about the certificate that expires first, without roots, whose end does not matter."""
    issued = [each for each in chain if each.subject != each.issuer] or list(chain)
    first = min(issued, key=lambda each: each.not_valid_after_utc)
    days, day = (first.not_valid_after_utc - now).days, f"{first.not_valid_after_utc:%Y-%m-%d}"
    name = "certificate" if first is issued[0] else f"intermediate certificate {_common_name(first.subject)}"
    if first.not_valid_after_utc <= now:
        return failed("public.certificate_days", name, f"expired on {day}: renew it, and reload the proxy")
    if days < WARNING_DAYS:
        problem = f"expires in {days} days, on {day}: renew it, reload the proxy, and check the automatic renewal"
        return warning("public.certificate_days", name, problem)
    return ok("public.certificate_days", name, f"{days} days left, until {day}")


def _authority(verified: Sequence[x509.Certificate], mozilla: frozenset[bytes] | None) -> Finding:
    """Returns the finding about the authority of a verified chain, whose last certificate is the root."""
    root = verified[-1]
    organizations = {_organization(name) for each in verified for name in (each.subject, each.issuer)}
    name = _organization(root.subject) or _common_name(root.subject)
    if organizations & _LETS_ENCRYPT:
        problem = (
            "Let's Encrypt is in Mozilla's list, but Amazon's documentation of account linking says that its "
            "certificates cannot be used. Linking was reported to work all the same; to be safe, use another authority"
        )
        return warning("public.authority", "authority", problem)
    if mozilla is None:
        problem = f"{name}, which this machine trusts. Amazon accepts only Mozilla's list, which is not installed here"
        return ok("public.authority", "authority", problem)
    if root.fingerprint(hashes.SHA256()) not in mozilla:
        problem = f"{name} is trusted by this machine, but is not in Mozilla's list, so Amazon and phones refuse it"
        return failed("public.authority", "authority", problem)
    return ok("public.authority", "authority", f"{name} is in Mozilla's list, which Amazon accepts")


def _names(certificate: x509.Certificate) -> str:
    """Returns the names for which a certificate is valid, at most five of them."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return "no name"
    names = [*extension.get_values_for_type(x509.DNSName), *map(str, extension.get_values_for_type(x509.IPAddress))]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") if names else "no name"


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def _organization(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(found[0].value) if found else ""
