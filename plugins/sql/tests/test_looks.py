"""Tests of the looks of stored hashes: the forms of further programs, prefixes, and texts that are no hash."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from linkauth.testing import settings_of
from linkauth_sql import SQLSettings, hashes
from linkauth_sql.hashes import SCHEMES, UnusableHash, cost_of, identify, verify
from linkauth_sql.passwords import Verifier
from linkauth_sql.recognition import Recognizer, look_of

from .stores import COLUMNS, SQLiteStore
from .vectors import stored_hash

PASSWORD = "correct horse"
ARGON2 = "$argon2id$v=19$m=1024,t=1,p=1$EorGvEZVEhRHlGWe3GoGUw$lnrSckHHrge1R8jE7Xuhav6bM6zxFcrXbGGeVLe8yto"
BCRYPT = "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"
BEHIND_PREFIXES = (
    # Spring Security's issue 4666
    ("{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG", "password", "bcrypt"),
    ("{argon2@SpringSecurity_v5_8}" + ARGON2, PASSWORD, "argon2"),
    ("1|" + BCRYPT, PASSWORD, "bcrypt"),
    ("3|" + ARGON2, PASSWORD, "argon2"),
    ("Bcrypt:" + BCRYPT, PASSWORD, "bcrypt"),
)
PREFIXES = ("{bcrypt}", "{argon2@SpringSecurity_v5_8}", "1|", "3|", "Bcrypt:")
FORMS = (
    # Spring Security's issue 4666
    (
        "{sha256}97cde38028ad898ebc02e690819fa220e88c62e0699403e94fff291cfffaf8410849f27605abcbc0",
        *("password", "spring_standard"),
    ),
    (
        "{pbkdf2@SpringSecurity_v5_8}00112233445566778899aabbccddeeff"
        "e75fe23340e74afa2e345d3111f0bc490947851c858f8d33c475ff9442fcb2da",
        *(PASSWORD, "spring_pbkdf2"),
    ),
    (
        "$PBKDF2-SHA512$iterations=1000$000102030405060708090A0B0C0D0E0F$5E9C74ED68D5C78BC222FAE60518FCB8EA1556D1AA26A"
        "B54BF62796E18B3490B3BA2C0AD785ED6E00EB57590EA488A908CEF9DC4EEA9E454FF532ED04415D25C",
        *(PASSWORD, "jellyfin"),
    ),
    (
        "$scrypt$n=16384,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$JbN2hANm9NOw4h5BRHZnbjzQ6Jr0QwNWojTOC2WgIbViM+ewsk8HvJNAGV8ZyQ"
        "odp1YlFO0HYqba48J/9bB9Yg",
        *(PASSWORD, "scrypt"),
    ),
    (
        "$pbkdf2-sha256$i=100000,l=32$AAECAwQFBgcICQoLDA0ODw$V/LC8HOXSNUWQZsGKohGZjI8WD6krhZVBKgfe1PGKgk",
        *(PASSWORD, "pbkdf2_sha256"),
    ),
    # a digest of 64 bytes
    (
        "$pbkdf2-sha256$27500$AAECAwQFBgcICQoLDA0ODw$qnA427fe69fAjkevcHZvnm7vp3MewnxKL4g2WLfI7U6teQVH1eR2L5DfcV0psPIfj"
        "GPtlZbkpnogYX.2TaSl6w",
        *(PASSWORD, "pbkdf2_sha256"),
    ),
    (
        "000102030405060708090a0b0c0d0e0f:9372e2d20f7c9ba55e54d10569dfe24824c5765383f46b040e9ac7b33041339c514173900cb6"
        "3a37c935c0e2f40cfe2cb39bee5fe58f54715c1fd913c4638373",
        *(PASSWORD, "better_auth"),
    ),
    (
        "{PBKDF2-SHA256}10000$AAECAwQFBgcICQoLDA0ODw$5RUHDgNTp9sBOWGYS4e6u57cz/Sq3/TQgaDP/8MW6L8",
        *(PASSWORD, "ldap_pbkdf2"),
    ),
    (
        "{SSHA384}rPNf5wu9raqOYyrDpEXtTWzU9J8yYxdna88Zv3VPM7t8wAY2Wum1UGOWoZRj523lc2FsdHNhbHQ=",
        *(PASSWORD, "ldap_ssha384"),
    ),
    ("{SHA256}QQTTb42iwlQ0n4WDZ5Pr4CngyVcGOjTJHC6SAxh7VjE=", PASSWORD, "ldap_sha256"),
    ("{sha256}4104d36f8da2c254349f85836793ebe029e0c957063a34c91c2e9203187b5631", PASSWORD, "ldap_sha256"),
    (
        "{SSHA512.HEX}e74aec44d05ff23dc8e7113e430687745c8c84ecc84ecb19f01077531c10f9223524aca0626e997916130ee53215920"
        "8a83a27a13b97c01d19fcc00f8604021473616c7473616c74",
        *(PASSWORD, "ldap_ssha512"),
    ),
    ("{SSHA256.b64}XtM1RtNFpbBbcNmy04nIsb5bb0viBFW/NaFFYVWIU8Q1kvXBlWviPw==", PASSWORD, "ldap_ssha256"),
    ("{PLAIN-MD5}3cb4e732631f47e6eb961f34554b7cde", PASSWORD, "ldap_md5"),
    ("{LDAP-MD5}PLTnMmMfR+brlh80VUt83g==", PASSWORD, "ldap_md5"),
    ("{MD5}$1$saltsalt$NuzA7WTAelpl95xgBGWN60", PASSWORD, "md5_crypt"),
    ("{CRYPT.B64}JDEkc2FsdHNhbHQkTnV6QTdXVEFlbHBsOTV4Z0JHV042MA==", PASSWORD, "md5_crypt"),
    ("{MD5-CRYPT.hex}24312473616c7473616c74244e757a413757544165" + b"lpl95xgBGWN60".hex(), PASSWORD, "md5_crypt"),
    ("md5$abc$1368f3f60b9c67d93b78a1940467fe19", PASSWORD, "django_md5"),
    # src/auth/test-libpassword.c of Dovecot
    (
        "{SCRAM-SHA-256}4096,LfNGSFqiFykEZ1xDAYlnKQ==,HACNf9CII7cMz3XjRy/Oh3Ae2LHApoDyNw74d3YtFws=,"
        "AQH0j7Hf8J12g8eNBadvzlNB2am3PxgNwFCFd3RxEaw=",
        *("test", "dovecot_scram"),
    ),
    (
        "{SCRAM-SHA-1}4096,GetyLXdBuHzf1FWf8SLz2Q==,NA/OqmF4hhrsrB9KR7po+dliTGM=,QBiURvQaE6H6qYTmeghDHLANBFQ=",
        *("test", "dovecot_scram"),
    ),
    ("{NTLM}0cb6948805f797bf2a82807973b89537", "test", "dovecot_ntlm"),
    # MessageDigestPasswordEncoderTests of Spring Security
    ("{MD5}{THIS_IS_A_SALT}a68aafd90299d0b137de28fb4bb68573", "abc123", "spring_digest"),
    ("{MD5}{THIS_IS_A_SALT}poqv2QKZ0LE33ij7S7aFcw==", "abc123", "spring_digest"),
    ("{MD5}{}f1026a66095fc2058c1f8771ed05d6da", "password", "spring_digest"),
    ("{MD5}5f4dcc3b5aa765d61d8327deb882cf99", "password", "ldap_md5"),
    # a test of Mattermost's hashes
    (
        "$pbkdf2$f=SHA256,w=600000,l=32$2H1h37Jzrfgk/ZZxlkosvA$lkERvYQfFUbBycl1MnNSkk4wu+SyoC35oek0zGow8dk",
        *("hunter2", "pbkdf2_sha256"),
    ),
    # README.md of thesubtlety/389-ds-password-check
    (
        "{PBKDF2_SHA256}AAAnEGTxXtnR/oox922/jZyjH6fmiIdW4AwIYZE2LfCVL/SUz5GbAHfjRj4NbN2u8ul0/j/dUzJ4gQSawGALGHZV74nOAtPt"
        "toZDTsh7BeGCLD/Ps7vRugwDdz9uPARXzF3bD/8qCpumvRGb4pehzfQsk+FnGgTwi0rUeVaN8a7Kbv8ZpRfU2sd+208F/YL42BWAh/2tv0I4vY7Z"
        "srCZcrUJtgKWy5Nr+t78zmPkrZsX/kgfnGdXhr50kN10cmkLQ0/cZOXo9CAkpeZyFu+wQ5vQdUaES2Vd5kBjJYPCkr4b2ocr4ETQi3IGO2GGCoCe"
        "tmMIETsudRVSxUNBbva+Vgxin5Apu4wIP/0ZyuGK6TuWLqLnNpmK3RkRx0xjqJ4nN2Ok0ul0XYBJcYIBt4UoaVM2uSa/Etw28Uy+zAsUv2AOiRo5",
        *("Password123", "ds389_pbkdf2"),
    ),
)


def test_forms_of_further_programs() -> None:
    for text, password, name in FORMS:
        scheme, match = identify(text)
        assert scheme.name == name, text
        cost_of(scheme, match)
        assert verify(scheme, match, (password.encode(),)), text
        for wrong in ("", password + " ", "x" + password, password.upper()):
            assert not verify(scheme, match, (wrong.encode(),)), (text, wrong)
        if not scheme.strong:
            with pytest.raises(UnusableHash, match=f"is an? {name} hash, which schemes does not allow"):
                Verifier(frozenset(SCHEMES) - {name}).verify(text, password)


def test_scrypt_with_n_in_the_place_of_its_logarithm() -> None:
    # Ory Kratos writes N after ln=
    text = stored_hash("scrypt").replace("ln=10", "ln=1024")
    scheme, match = identify(text)
    assert verify(scheme, match, (PASSWORD.encode(),))
    assert cost_of(scheme, match) == cost_of(*identify(stored_hash("scrypt")))


def test_better_auth_passwords_are_normalized() -> None:
    scheme, match = identify(stored_hash("better_auth", "A"))
    assert verify(scheme, match, ("correct\u00a0horse".encode(),))
    assert not Verifier(frozenset(SCHEMES)).proves_every_byte(stored_hash("better_auth"), PASSWORD)


def test_prefixes_are_removed() -> None:
    plain, verifier = Verifier(frozenset(SCHEMES)), Verifier(frozenset(SCHEMES), recognizer=Recognizer(PREFIXES))
    for text, password, name in BEHIND_PREFIXES:
        assert verifier.describe(text) == (name, True)
        assert verifier.verify(text, password)
        assert not verifier.verify(text, password + "x")
        # without the setting, the message names it
        prefix = next(each for each in PREFIXES if text.startswith(each))
        with pytest.raises(UnusableHash, match="password_prefixes") as unusable:
            plain.verify(text, password)
        assert str(unusable.value) == f"is hashed with {name} behind a prefix: add {prefix} to password_prefixes"
        assert not plain.is_hash(text)
        assert verifier.is_hash(text)
    # a hash without a prefix, and a prefix of a scheme that is not allowed
    assert verifier.verify(BCRYPT, PASSWORD)
    weak = "1|" + "0" * 40
    with pytest.raises(UnusableHash, match="hex_sha1 hash, which schemes does not allow"):
        Verifier(frozenset({"bcrypt"}), recognizer=Recognizer(PREFIXES)).verify(weak, PASSWORD)
    # only one prefix is removed
    with pytest.raises(UnusableHash):
        verifier.verify("1|3|" + ARGON2, PASSWORD)


def test_prefix_of_another_kind_of_digest_is_not_to_be_removed() -> None:
    verifier = Verifier(frozenset(SCHEMES))
    digits = "0cb6948805f797bf2a82807973b89537"
    for prefix in ("{CRAM-MD5}", "{LANMAN}", "{PLAIN-MD4}", "{noop}", "ntlm:"):
        description, is_usable = verifier.describe(prefix + digits)
        assert (description.startswith("is of an unknown scheme ("), is_usable) == (True, False), prefix
        assert digits not in description
    for prefix, text in (("MD5:", digits), ("{sha-1}", digits + digits[:8]), ("1|", digits)):
        assert f"add {prefix} to password_prefixes" in verifier.describe(prefix + text)[0]


def test_unknown_name_costs_as_much_as_a_hash_behind_a_prefix() -> None:
    verifier = Verifier(frozenset(SCHEMES), recognizer=Recognizer(("1|",)))
    verifier.learn(["1|" + BCRYPT])
    assert [name for name, _ in verifier.check_times()] == ["bcrypt"]


def test_unknown_name_takes_the_steps_that_precede_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    for name in ("identify", "cost_of"):
        step = getattr(hashes, name)
        monkeypatch.setattr(hashes, name, lambda *given, name=name, step=step: steps.append(name) or step(*given))
    for stored in (BCRYPT, "1|" + BCRYPT, stored_hash("gitea"), stored_hash("keycloak"), "{CRYPT}" + BCRYPT):
        verifier = Verifier(frozenset(SCHEMES), recognizer=Recognizer(PREFIXES))
        verifier.learn([stored])
        found = []
        for text in (stored, None):
            steps.clear()
            assert not verifier.verify(text, "wrong")
            found.append(list(steps))
        assert found[0] == found[1], stored
        assert "cost_of" in found[0]


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("", "it is empty"),
        ("x", "too short for a hash"),
        ("secret:password-of-somebody", "27 characters"),
        ("0" * 48, "48 decimal digits"),
        ("0a" * 24, "48 hexadecimal digits"),
        ("Zz+/" * 10 + "==", "42 characters of base64"),
        ("$new-scheme$" + "A" * 40, "52 characters that begin with $new-scheme$"),
        ("{NEW}" + "0a" * 20, "{NEW} and 40 hexadecimal digits"),
    ],
)
def test_look_of_an_unknown_text(text: str, look: str) -> None:
    assert look_of(text) == look


PBKDF2_OF_8_BYTES = "$pbkdf2-sha256$1000$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgc"


def test_hash_that_cannot_be_verified_is_not_counted_as_good(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "people.sqlite")
    store.add("ada", None, hash=PBKDF2_OF_8_BYTES)
    store.add("eve", None, hash="1|" + BCRYPT)
    with closing(store.backend()) as backend:
        (found,) = [check for check in backend.check() if check.name == "hashes"]
        assert found.warning
        assert "1: has a digest of an implausible length (pbkdf2_sha256)" in found.detail
        assert "1: is hashed with bcrypt behind a prefix: add 1| to password_prefixes" in found.detail
        account = backend.find("eve")
        assert account.refused == "disabled"
        assert account.facts["password"] == "is hashed with bcrypt behind a prefix: add 1| to password_prefixes"
    with closing(store.backend(password_prefixes=("1|",))) as backend:
        assert backend.find("eve").facts["password"] == "bcrypt"
        assert backend.authenticate("eve", PASSWORD).subject == "2"


@pytest.mark.parametrize("power", [{"rehash": True}, {"password_change": True, "password_recovery": True}])
def test_new_hashes_have_no_prefix(power: dict[str, Any]) -> None:
    settings = settings_of(SQLSettings, url="sqlite:///x", **COLUMNS, password_prefixes=("1|",), **power)
    (fault,) = settings.faults()
    assert fault == (
        "password_prefixes",
        f"cannot be used with {', '.join(power)}: linkauth makes no new hashes of this form",
    )


NT = "cfc43211ba8dc470832267827cac1407"
"""The NT hash of PASSWORD."""


@pytest.mark.parametrize(
    ("stored", "settings", "evidence"),
    [
        ([NT.upper()] * 2, {}, "they are in upper case"),
        ([NT, "31d6cfe0d16ae931b73c59d7e0c089c0"], {}, "one of them is the NT hash of the empty password"),
        ([NT], {"password_column": "ntpassword"}, "the name of the column says so"),
        ([NT.upper(), NT], {}, ""),
        ([NT.upper()], {}, ""),
        ([NT.upper()] * 2, {"digest": "nt(password)"}, ""),
    ],
)
def test_nt_hashes_among_md5(tmp_path: Path, stored: list[str], settings: dict[str, Any], evidence: str) -> None:
    schemes = ("digest",) if "digest" in settings else ("hex_md5",)
    store = SQLiteStore(tmp_path / "people.sqlite", schemes=schemes, **settings)
    store.run("ALTER TABLE people ADD COLUMN ntpassword TEXT")
    for number, text in enumerate(stored):
        store.add(f"ada-{number}", None, hash=text, ntpassword=text)
    with closing(store.backend()) as backend:
        found = [check.detail for check in backend.check() if check.warning]
    assert len(found) == bool(evidence)
    for detail in found:
        assert detail.startswith(f"hashes that look like MD5 are probably NT hashes ({evidence}")
        assert detail.endswith(": then set digest = nt(password)")


def test_names_of_schemes_have_their_article() -> None:
    for text, described in (
        (ARGON2, "an argon2 hash"),
        (BCRYPT, "a bcrypt hash"),
        ("$1$a$" + "a" * 22, "an md5_crypt"),
    ):
        assert described in Verifier(frozenset({"keycloak"})).describe(text)[0]


def test_many_kinds_of_unknown_hashes_hide_no_known_one(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "people.sqlite")
    for size in range(20, 35):
        for number in range(2):
            store.add(f"{size}-{number}", None, hash="-" * size)
    store.add("ada", None, hash=stored_hash("bcrypt"))
    with closing(store.backend()) as backend:
        (found,) = [check for check in backend.check() if check.name == "hashes"]
    assert found.detail.startswith("bcrypt 1, 2: is of an unknown scheme (20 characters), ")
    assert found.detail.endswith("2: is of an unknown scheme (29 characters), 5 further kinds that cannot be used")
