"""Tests of cost limits, and that a wrong password and an unknown name cost as much as the slowest hash.

Work is counted: the clock of these tests is the work that was done.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import UnknownUser, WrongPassword
from linkauth_sql import hashes
from linkauth_sql.hashes import SCHEMES, Limits, UnusableHash, cost_of, identify
from linkauth_sql.hashes.scheme import MEBIBYTE
from linkauth_sql.passwords import Verifier

from .stores import SQLiteStore
from .vectors import PASSWORDS, stored_hash

PASSWORD = PASSWORDS["A"]
MD5 = hashlib.md5(PASSWORD.encode()).hexdigest()


def b64(size: int) -> str:
    return base64.b64encode(b"\x5a" * size).decode()


def keycloak(size: int, count: int, algorithm: str = "pbkdf2") -> str:
    secret = f'{{"value":"{b64(size)}","salt":"{b64(16)}"}}'
    return secret + f'\n{{"hashIterations":{count},"algorithm":"{algorithm}"}}'


def aspnet(size: int, count: int, digest: int = 0) -> str:
    head = b"\1" + b"".join(number.to_bytes(4, "big") for number in (digest, count, 16))
    return base64.b64encode(head + b"\2" * 16 + b"\x5a" * size).decode()


class Clock:
    """Replaces the CPU clock by the number of computed PBKDF2 rounds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rounds = 0
        real = hashlib.pbkdf2_hmac

        def counted(name: str, password: bytes, salt: bytes, count: int, size: int | None = None) -> bytes:
            block = hashlib.new(name).digest_size
            self.rounds += count * -(-(size or block) // block)
            return real(name, password, salt, 1, size)

        monkeypatch.setattr(hashlib, "pbkdf2_hmac", counted)
        monkeypatch.setattr(time, "thread_time", lambda: self.rounds / 1_000_000)
        monkeypatch.setattr(hashes, "_PBKDF2_STEP", 10)

    def of(self, verifier: Verifier, text: str | None, password: str = "wrong") -> int:
        before = self.rounds
        assert not verifier.verify(text, password)
        return self.rounds - before


BLOCKS = [
    *((keycloak(size, 100_000), blocks) for size, blocks in ((20, 1), (21, 2), (64, 4), (128, 7))),
    *((keycloak(size, 100_000, "pbkdf2-sha512"), blocks) for size, blocks in ((64, 1), (65, 2), (128, 2))),
    *((aspnet(size, 100_000), blocks) for size, blocks in ((32, 2), (100, 5))),
    (f":pbkdf2:sha1:100000:64:{b64(16)}:{b64(128)}", 7),
    (f":pbkdf2-legacyA:!sha1:100000:64!!{b64(16)}!{b64(128)}", 7),
    (f"pbkdf2_sha256$100000$salt${b64(32)}", 1),
    (f"$pbkdf2-sha256$100000${b64(16)}${b64(64)}", 2),
    (f"$pbkdf2-sha512$i=100000,l=128${b64(16)}${b64(128)}", 2),
    ("$PBKDF2$iterations=100000$5a5a$" + "5a" * 32, 2),
    (f"{{PBKDF2-SHA512}}100000${b64(16)}${b64(64)}", 1),
    ("pbkdf2:sha1:100000$salt$" + "5a" * 20, 1),
]


@pytest.mark.parametrize(("text", "blocks"), BLOCKS)
def test_cost_of_pbkdf2_includes_all_blocks(monkeypatch: pytest.MonkeyPatch, text: str, blocks: int) -> None:
    clock = Clock(monkeypatch)
    scheme, match = identify(text)
    hashes.verify(scheme, match, (b"x",))
    assert clock.rounds == 100_000 * blocks
    per_millisecond = 2_000 if "sha512" in text.lower() else 4_000
    assert cost_of(scheme, match).milliseconds == clock.rounds // per_millisecond


HEAVY = {
    "long digest": keycloak(128, 2_000_000),
    "long digest of aspnet": aspnet(120, 3_000_000),
    "long digest of mediawiki": f":pbkdf2:sha1:2000000:64:{b64(16)}:{b64(128)}",
    "argon2 of 1 GiB": "$argon2id$v=19$m=1048576,t=1,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43,
    "django argon2": "argon2$argon2id$v=19$m=1048576,t=1,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43,
    "mediawiki argon2": ":argon2:$argon2id$v=19$m=1048576,t=1,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43,
    "keycloak argon2": f'{{"value":"{b64(32)}","salt":"{b64(16)}"}}\n{{"hashIterations":1,"algorithm":"argon2",'
    '"additionalParameters":{"memory":["1048576"],"parallelism":["1"],"type":["id"]}}',
    "scrypt of 1 GiB": "$scrypt$ln=20,r=8,p=1$c2FsdHNhbHQ$" + "A" * 43,
    "scrypt of many p": "$scrypt$ln=1,r=9999,p=999$c2FsdHNhbHQ$" + "A" * 43,
    "werkzeug scrypt": "scrypt:1048576:8:1$salt$" + "00" * 64,
    "django scrypt": f"scrypt$1048576$salt$8$1${b64(64)}",
    "yescrypt": "$y$jHT$saltsalt$" + "A" * 43,
    "phpass with a long password": "$P$J" + "A" * 30,
    "bcrypt": "$2y$17$" + "A" * 53,
}


@pytest.mark.parametrize("text", HEAVY.values(), ids=HEAVY)
def test_hash_over_the_limits_is_never_computed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    secret, _, parameters = text.partition("\n")
    store = SQLiteStore(tmp_path / "people.sqlite", schemes=("strong", "phpass"))
    store.run("ALTER TABLE people ADD COLUMN parameters TEXT")
    store.add("heavy", None, hash=secret, parameters=parameters)
    store.add("ada", None, hash=stored_hash("bcrypt"))
    computed: list[str] = []
    run = hashes.verify

    def recording(scheme: Any, match: Any, *more: Any) -> bool:
        computed.append(match[0])
        return run(scheme, match, *more)

    monkeypatch.setattr(hashes, "verify", recording)
    with closing(store.backend(password_parameters_column="parameters")) as backend:
        with pytest.raises(WrongPassword):
            backend.authenticate("heavy", PASSWORD)
        with pytest.raises(UnknownUser):
            backend.authenticate("nobody", PASSWORD)
        # the check counts it and names the setting
        (found,) = [check for check in backend.check() if check.name == "hashes"]
        assert found.warning
        assert ", 1: is a" in found.detail
        assert "(hash_m" in found.detail
        assert backend.find("heavy").refused == "disabled"
    assert [identify(each)[0].name for each in computed] == ["bcrypt"] * 2
    assert "would take too" in caplog.text


def test_limits_are_configurable() -> None:
    scheme, match = identify(HEAVY["argon2 of 1 GiB"])
    assert cost_of(scheme, match, Limits(memory=1_024 * MEBIBYTE)).memory == 1 << 30
    with pytest.raises(UnusableHash, match="hash_memory"):
        cost_of(scheme, match, Limits(memory=1_023 * MEBIBYTE))
    scheme, match = identify("$2y$15$" + "." * 53)
    assert cost_of(scheme, match).milliseconds == 1_835
    with pytest.raises(UnusableHash, match="hash_milliseconds"):
        cost_of(scheme, match, Limits(milliseconds=1_000))


def django(count: int) -> str:
    return f"pbkdf2_sha256${count}$salt$" + base64.b64encode(hashlib.sha256(b"").digest()).decode()


def test_wrong_password_takes_as_long_as_the_slowest_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, verifier = Clock(monkeypatch), Verifier(frozenset(SCHEMES))
    slow, middle, cheap, weak = django(80_000), django(30_000), keycloak(20, 500), MD5
    verifier.learn([cheap] * 50 + [weak] * 50 + [middle, slow])
    # the first check measures the slowest class, which takes slightly longer
    assert clock.of(verifier, cheap) in range(80_000, 81_000)
    for text in (None, slow, middle, cheap, weak, None):
        assert clock.of(verifier, text) in range(80_000, 80_020)
    # also with several variants of the password
    for text in (None, slow, middle, cheap, weak):
        assert clock.of(verifier, text, "e\u0301") in range(160_000, 160_020)


def test_correct_password_has_no_extra_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, verifier = Clock(monkeypatch), Verifier(frozenset(SCHEMES))
    verifier.learn([MD5, django(80_000)])
    assert verifier.verify(MD5, PASSWORD)
    assert clock.rounds == 0


def test_cost_class_found_later_takes_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, verifier = Clock(monkeypatch), Verifier(frozenset(SCHEMES))
    verifier.learn([django(10_000)])
    assert clock.of(verifier, None) == 10_000
    assert clock.of(verifier, django(70_000)) == 70_000
    for text in (None, django(10_000)):
        assert clock.of(verifier, text) in range(70_000, 70_020)
    # a complete list of hashes removes classes that no longer exist
    verifier.learn([django(10_000)], complete=True)
    assert clock.of(verifier, None) == 10_000


def test_sample_includes_the_newest_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLiteStore(tmp_path / "people.sqlite")
    for number in range(300):
        store.add(f"old-{number}", None, hash=django(1_000))
    store.add("new", None, hash=django(60_000))
    clock = Clock(monkeypatch)
    with closing(store.backend()) as backend:
        for name, refusal in (("nobody", UnknownUser), ("old-1", WrongPassword), ("new", WrongPassword)):
            before = clock.rounds
            with pytest.raises(refusal):
                backend.authenticate(name, "wrong")
            assert clock.rounds - before in range(60_000, 60_020)


def test_check_measures_each_cost_class(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "people.sqlite", schemes=("strong", "hex_md5"))
    store.add("ada", None, hash=MD5)
    with closing(store.backend()) as backend:
        assert "hash times" not in {check.name for check in backend.check()}
        store.add("eve", None, hash=django(40_000))
        (times,) = [check for check in backend.check() if check.name == "hash times"]
    assert times.ok
    assert times.detail.startswith("django_pbkdf2_sha256 ")
    assert re.search(r" ms, hex_md5 [0-9.]+ ms a check: a wrong password and an unknown name take as", times.detail)


def test_multithreaded_scheme_is_measured_in_wall_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[float] = []
    monkeypatch.setattr(time, "thread_time", lambda: 0.0)
    for lanes in (1, 4):
        scheme, match = identify(f"$argon2id$v=19$m=64,t=1,p={lanes}$c2FsdHNhbHRzYWx0$" + "A" * 43)
        hashes.verify(scheme, match, (b"x",), lambda seconds, _: found.append(seconds))
    assert found[0] == 0
    assert found[1] > 0
