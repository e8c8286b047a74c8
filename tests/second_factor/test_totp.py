"""Tests of the codes of authenticator apps: RFC 6238, drift, what people type, and the URI for apps."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import pytest

from linkauth.login import totp

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode("ascii")
# RFC 6238 appendix B, SHA-1; its codes have 8 digits, of which ours are the last 6
RFC_VECTORS = {
    59: "94287082",
    1_111_111_109: "07081804",
    1_111_111_111: "14050471",
    1_234_567_890: "89005924",
    2_000_000_000: "69279037",
    20_000_000_000: "65353130",
}
NOW = 1_234_567_890
STEP = NOW // 30
HOSTILE_NAMES = ["a.smith@example.com", "CORP\\a.smith", "corp:a.smith", "田中 花子", "a+b&secret=x#?/%41", "محمد"]


@pytest.mark.parametrize(("now", "code"), RFC_VECTORS.items())
def test_codes_of_rfc_6238_are_accepted_at_their_time(now: int, code: str) -> None:
    assert totp.code_at(RFC_SECRET, now // 30) == code[-6:]
    assert totp.matching_step(RFC_SECRET, code[-6:], now) == now // 30
    assert totp.matching_step(RFC_SECRET, code, now) is None


def test_a_clock_may_differ_by_one_step_and_no_more() -> None:
    found = {
        drift: totp.matching_step(RFC_SECRET, totp.code_at(RFC_SECRET, STEP + drift), NOW) for drift in range(-3, 4)
    }
    assert found == {-3: None, -2: None, -1: STEP - 1, 0: STEP, 1: STEP + 1, 2: None, 3: None}


@pytest.mark.parametrize("typed", ["005924", " 005 924 ", "005-924", "００５９２４", "٠٠٥٩٢٤", "००५९२४"])
def test_codes_are_accepted_as_people_type_them(typed: str) -> None:
    assert totp.matching_step(RFC_SECRET, typed, NOW) == STEP


@pytest.mark.parametrize("typed", ["", "5924", "0005924", "005924005924", "OO5924", "\ud800", "\0", "x" * 10_000])
def test_other_texts_are_no_codes(typed: str) -> None:
    assert totp.matching_step(RFC_SECRET, typed, NOW) is None


def test_codes_near_the_epoch_need_no_negative_steps() -> None:
    assert totp.matching_step(RFC_SECRET, totp.code_at(RFC_SECRET, 0), 5) == 0


@pytest.mark.parametrize("letter", ["a", "漢", "😀", " "])
def test_long_names_fit_into_a_qr_code(letter: str) -> None:
    uri = totp.enrolment_uri(RFC_SECRET, letter * 255, letter * 255)
    assert totp.qr_code(uri).startswith("<svg")


def test_secrets_have_160_bits_and_differ() -> None:
    secrets = {totp.new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert {len(base64.b32decode(secret)) for secret in secrets} == {20}


@pytest.mark.parametrize("account", HOSTILE_NAMES)
@pytest.mark.parametrize("issuer", ["Example Rides", "ライド: 東京", "A&B"])
def test_apps_read_issuer_and_account_from_the_uri(issuer: str, account: str) -> None:
    uri = totp.enrolment_uri(RFC_SECRET, issuer, account)
    assert uri.isascii()
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("otpauth", "totp", "")
    # a second colon, encoded or not, would shift the account
    label = parts.path.removeprefix("/")
    assert unquote(label).count(":") == 1
    shown_issuer, shown_account = map(unquote, label.split(":"))
    assert shown_account == " ".join(account.replace(":", " ").split())
    expected = {"secret": [RFC_SECRET], "algorithm": ["SHA1"], "digits": ["6"], "period": ["30"]}
    assert parse_qs(parts.query, strict_parsing=True) == {**expected, "issuer": [shown_issuer]}
    assert "+" not in parts.query


def test_the_qr_code_is_a_drawing_without_scripts_and_styles() -> None:
    drawing = ElementTree.fromstring(totp.qr_code(totp.enrolment_uri(RFC_SECRET, "Example Rides", "x" * 255)))
    assert {element.tag.rpartition("}")[2] for element in drawing.iter()} == {"svg", "path"}
    attributes = {name for element in drawing.iter() for name in element.attrib}
    assert attributes <= {"viewBox", "fill", "stroke", "d"}
