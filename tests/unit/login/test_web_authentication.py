"""Tests of the verification of passkeys, with answers of a correct browser and of many that are no proofs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from linkauth.backends import Identity
from linkauth.config.settings import SettingsError
from linkauth.login import web_authentication
from linkauth.login.passkeys import Passkey, PasskeyRefused
from linkauth.login.sign_in import Person
from linkauth.login.web_authentication import ANSWER_LIMIT, WebAuthentication
from tests.unit.login.authenticator import PRESENT, Authenticator, decoded, encoded

ORIGIN = "https://link.example.com:8443"
VALUE, OTHER_VALUE = "v" * 43, "w" * 43
PERSON = Person("corp", Identity("7", "a.smith", "Ada Smith"))
SECRET = "a secret for tests of passkeys"


@pytest.fixture(scope="module")
def api() -> WebAuthentication:
    return WebAuthentication(f"{ORIGIN}/accounts", SECRET)


def enrolled(api: WebAuthentication, device: Authenticator) -> Passkey:
    return api.created(VALUE, device.create(api.creation_options(VALUE, PERSON, "Rides", ())))


def test_a_created_passkey_can_be_used(api: WebAuthentication) -> None:
    device = Authenticator(ORIGIN)
    passkey = enrolled(api, device)
    assert (passkey.credential_id, passkey.sign_count) == (device.credential_id, 1)
    device.count = 2
    other = Passkey(b"o" * 16, passkey.public_key, 9)
    used = api.used(VALUE, device.use(api.request_options(VALUE, [other, passkey])), [other, passkey])
    assert used == Passkey(passkey.credential_id, passkey.public_key, 2)


def test_the_options_name_the_host_and_require_the_verification_of_the_person(api: WebAuthentication) -> None:
    passkey = enrolled(api, Authenticator(ORIGIN))
    creation = json.loads(api.creation_options(VALUE, PERSON, "Rides", [passkey]))
    request = json.loads(api.request_options(VALUE, [passkey]))
    assert creation["rp"] == {"id": "link.example.com", "name": "Rides"}
    assert request["rpId"] == "link.example.com"
    assert creation["authenticatorSelection"]["userVerification"] == request["userVerification"] == "required"
    assert creation["excludeCredentials"] == request["allowCredentials"]
    assert decoded(request["allowCredentials"][0]["id"]) == passkey.credential_id
    # 32 bytes that reveal neither the person nor the value
    assert len(decoded(creation["user"]["id"])) == len(decoded(request["challenge"])) == 32
    assert creation["challenge"] != json.loads(api.creation_options(OTHER_VALUE, PERSON, "Rides", []))["challenge"]


NO_PROOFS: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://link.example.com"},
    "an origin with a longer host": {"origin": f"{ORIGIN}.attacker.example"},
    "another relying party": {"rp_id": "example.com"},
    "a person who was not verified": {"flags": PRESENT},
    "an absent person": {"flags": 0x04},
    "a page in a frame": {"client_data": {"crossOrigin": True}},
    "a page in a frame of a named origin": {"client_data": {"topOrigin": "https://attacker.example"}},
    "an answer of the other kind": {"client_data": {"type": "webauthn.other"}},
    "another challenge": {"client_data": {"challenge": encoded(bytes(32))}},
}


@pytest.mark.parametrize("wrong", NO_PROOFS.values(), ids=NO_PROOFS)
def test_an_answer_that_is_no_proof_is_refused(api: WebAuthentication, wrong: dict[str, Any]) -> None:
    device = Authenticator(ORIGIN)
    passkey = enrolled(api, device)
    device.count = 2
    for name, value in wrong.items():
        setattr(device, name, value)
    with pytest.raises(PasskeyRefused):
        api.used(VALUE, device.use(api.request_options(VALUE, [passkey])), [passkey])
    with pytest.raises(PasskeyRefused):
        enrolled(api, device)


def test_an_answer_for_another_pending_sign_in_is_refused(api: WebAuthentication) -> None:
    device = Authenticator(ORIGIN)
    passkey = enrolled(api, device)
    device.count = 2
    answer = device.use(api.request_options(OTHER_VALUE, [passkey]))
    with pytest.raises(PasskeyRefused, match="challenge"):
        api.used(VALUE, answer, [passkey])
    with pytest.raises(PasskeyRefused, match="challenge"):
        api.created(VALUE, device.create(api.creation_options(OTHER_VALUE, PERSON, "Rides", ())))
    assert api.used(OTHER_VALUE, answer, [passkey]).sign_count == 2


@pytest.mark.parametrize(("stored", "count"), [(5, 5), (5, 4), (5, 0), (0, 0), (0, 1), (5, 6)])
def test_the_counter_must_increase_unless_there_is_none(api: WebAuthentication, stored: int, count: int) -> None:
    device = Authenticator(ORIGIN, count=stored)
    passkey = enrolled(api, device)
    device.count = count
    answer = device.use(api.request_options(VALUE, [passkey]))
    if count > stored or stored == count == 0:
        assert api.used(VALUE, answer, [passkey]).sign_count == count
    else:
        with pytest.raises(PasskeyRefused, match="sign count"):
            api.used(VALUE, answer, [passkey])


def test_a_passkey_of_another_person_or_key_is_refused(api: WebAuthentication) -> None:
    passkey = enrolled(api, Authenticator(ORIGIN))
    options = api.request_options(VALUE, [passkey])
    with pytest.raises(PasskeyRefused, match="not a passkey of this person"):
        api.used(VALUE, Authenticator(ORIGIN, b"x" * 32, count=2).use(options), [passkey])
    with pytest.raises(PasskeyRefused, match="signature"):
        # the same ID, another key
        api.used(VALUE, Authenticator(ORIGIN, count=2).use(options), [passkey])


@pytest.mark.parametrize("statement", [("none", {"alg": -7}), ("tpm", {}), ("apple", {"x5c": [b"x"]}), ("other", {})])
def test_only_passkeys_without_an_attestation_are_accepted(
    api: WebAuthentication, statement: tuple[str, dict[str, Any]]
) -> None:
    with pytest.raises(PasskeyRefused):
        enrolled(api, Authenticator(ORIGIN, statement=statement))


def test_a_credential_id_that_is_too_long_is_refused(api: WebAuthentication) -> None:
    assert len(enrolled(api, Authenticator(ORIGIN, b"c" * 1_023)).credential_id) == 1_023
    with pytest.raises(PasskeyRefused, match="credential ID"):
        enrolled(api, Authenticator(ORIGIN, b"c" * 1_024))


BROKEN = ("", "x", "null", "[]", "{}", '{"response": 7}', "\udcff", "[" * ANSWER_LIMIT, "{" * (ANSWER_LIMIT + 1))


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_texts_that_are_no_answers_are_refused(api: WebAuthentication, text: str) -> None:
    passkey = enrolled(api, Authenticator(ORIGIN))
    with pytest.raises(PasskeyRefused):
        api.created(VALUE, text)
    with pytest.raises(PasskeyRefused):
        api.used(VALUE, text, [passkey])


def test_each_part_of_an_answer_can_be_broken(api: WebAuthentication) -> None:
    """Replaces each value of a correct answer by others. Only PasskeyRefused may be raised."""
    device = Authenticator(ORIGIN)
    passkey = enrolled(api, device)
    device.count = 2
    answer = json.loads(device.use(api.request_options(VALUE, [passkey])))
    created = json.loads(device.create(api.creation_options(VALUE, PERSON, "Rides", ())))
    others = (None, 7, [], {}, "", "é", "AAAA", "A" * 999, encoded(b"{}"), encoded(b"\xa1" * 500))

    def check(parts: dict[str, Any], whole: dict[str, Any]) -> None:
        for name, correct in list(parts.items()):
            for other in others:
                parts[name] = other
                with pytest.raises(PasskeyRefused):
                    api.created(VALUE, json.dumps(whole)) if whole is created else api.used(
                        VALUE, json.dumps(whole), [passkey]
                    )
            parts[name] = correct

    for whole in (answer, created):
        check(whole["response"], whole)
        check(whole, whole)
    assert api.used(VALUE, json.dumps(answer), [passkey]).sign_count == 2


def test_a_missing_library_is_an_error_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_authentication, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"linkauth\.passkeys.*pip install 'linkauth\[passkeys\]'"):
        WebAuthentication(ORIGIN, SECRET)
