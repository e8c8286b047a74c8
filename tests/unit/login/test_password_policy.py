"""Tests of the rules for new passwords: common passwords, names, and the file of breached passwords."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import BackendUnavailable, PasswordRefused
from linkauth.login import password_policy
from linkauth.login.password_policy import LINE_LIMIT, LeakedPasswords, PasswordPolicy
from tests.login.breached_file import write_breached_file

ABOUT = ("a.smith@rides.example.co.uk", "CORP\\Ada", "Ada King-Smith")
SERVICE = ("Example Taxis", "\u30ec\u30a4\u30c9\u4ea4\u901a", "login.vellmoor")


def rule(new: str, rules: PasswordPolicy | None = None) -> str:
    """Returns the rule that refuses `new`, or "" if it is accepted."""
    try:
        (rules or PasswordPolicy(SERVICE)).check(new, ABOUT)
    except PasswordRefused as refused:
        return refused.rule
    return ""


def test_common_password_list_is_sorted_and_licensed() -> None:
    words = password_policy._common().split()
    assert len(words) >= 10_000
    assert words == sorted(set(words))
    license_text = Path(password_policy.__file__).with_name("common_passwords.LICENSE").read_text("utf-8")
    assert "MIT License" in license_text


@pytest.mark.parametrize(
    "new",
    [
        "password",
        "PassWord",
        "  password ",
        "password2026",
        "Password1!",
        "p@ssw0rd",
        "P@$$w0rd",
        "1qaz2wsx",
        "123456789",
        "!!Sunshine",
        "42sunshine42",
        "sunshinesunshine",
        "qwertyuiop",
        "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44",
        "aaaaaaaaaaaa",
        "121212121212",
        "abcdefgh",
        "Abcd1234",
        "hgfedcba!",
        "98765432",
        "Qwertzuiop1",
        "azertyuiop",
        "asdf1234",
        "aaaabbbbcccc",
        "Pass word 1",
        "P a s s w o r d",
        "password\u3000password",
        "pass\u00adword",
        "pass\u200bword2026",
        "\u00a0\u2003\u3000 ",
    ],
)
def test_common_password_is_refused(new: str) -> None:
    assert rule(new) == "too_common"


@pytest.mark.parametrize(
    "new",
    [
        "a.smith",
        "A.Smith1",
        "asmith",
        "smith2026!",
        "a.smith@rides.example.co.uk",
        "rides.example",
        "Rides-99",
        "corp-ada",
        "CorpAda!",
        "4da",
        "ada.king",
        "King Smith 7",
        "exampletaxis",
        "Example-Taxis-2026",
        "Ex@mpleT@xi5",
        "vellmoor1",
        "login@vellmoor",
        "xVellmoor",
        "\u30ec\u30a4\u30c9\u4ea4\u901a",
        "\u30ec\u30a4\u30c9\u4ea4\u901a1",
    ],
)
def test_password_made_of_names_is_refused(new: str) -> None:
    assert rule(new) == "personal"


@pytest.mark.parametrize(
    "new",
    [
        "Quartz-52-meadow-Lantern",
        "ada likes blue horses",
        "the taxis of Vellmoor are late",
        "7hf0q-zzk2m-adayy",
        "co.uk-harbour",
        "\u7d2b\u9678\u6e2f\u5c71\u5ddd\u6d77",
        "x" * 3 + "qpmvbhgt",
        "\ud800 lone but long",
    ],
)
def test_uncommon_password_is_accepted(new: str) -> None:
    assert rule(new) == ""


def test_rules_work_without_names() -> None:
    PasswordPolicy().check("Quartz-52-meadow-Lantern")
    with pytest.raises(PasswordRefused):
        PasswordPolicy().check("letmein")


@pytest.mark.parametrize("new", ["1" * 1023 + "a", "a1" * 512, "!" * 1024, "ab" * 511 + "cd", "\u0661" * 1024])
def test_long_password_has_bounded_number_of_readings(new: str) -> None:
    assert len(password_policy._variants(new)) <= 18


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_exactly_the_leaked_passwords_are_found(tmp_path: Path, count: int, end: str) -> None:
    leaked = [f"leaked {number}" for number in range(count)]
    result = LeakedPasswords(str(write_breached_file(tmp_path / "leaked", leaked, end)))
    assert all(text in result for text in leaked)
    assert not any(f"other {number}" in result for number in range(1000))
    assert rule("leaked 0", PasswordPolicy(leaked=result)) == "too_common"


def test_last_line_may_lack_line_end(tmp_path: Path) -> None:
    path = write_breached_file(tmp_path / "leaked", ["one", "two", "three"])
    path.write_bytes(path.read_bytes().rstrip())
    result = LeakedPasswords(str(path))
    assert all(text in result for text in ("one", "two", "three"))
    path.write_bytes(path.read_bytes().lower())
    assert all(text in LeakedPasswords(str(path)) for text in ("one", "two", "three"))


def test_search_reads_few_lines_of_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = LeakedPasswords(str(write_breached_file(tmp_path / "leaked", map(str, range(20_000)))))
    reads = []
    line_after = password_policy._next_line

    def counting(*arguments: Any) -> Any:
        reads.append(arguments)
        return line_after(*arguments)

    monkeypatch.setattr(password_policy, "_next_line", counting)
    assert "19999" in result
    assert "another" not in result
    # the file has about 2^20 bytes
    assert len(reads) <= 2 * 22


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8")).hexdigest().upper()


SORTED = sorted(sha1(str(number)) for number in range(3000))
SHUFFLED = random.Random(7).sample(SORTED, len(SORTED))
WRONG_FILES = {
    "empty": (b"", "empty"),
    "not sorted": ("\n".join(f"{each}:1" for each in SHUFFLED).encode(), "not sorted"),
    "descending": ("\n".join(f"{each}:1" for each in reversed(SORTED)).encode(), "not sorted"),
    "two lines, descending": (f"{SORTED[9]}:1\n{SORTED[3]}:1\n".encode(), "not sorted"),
    "no counts": ("\n".join(SORTED).encode(), "HASH:COUNT"),
    "NTLM": ("\n".join(f"{each[:32]}:1" for each in SORTED).encode(), "HASH:COUNT"),
    "SHA-256": (f"{'A' * 64}:1\n".encode(), "HASH:COUNT"),
    "passwords": (b"123456\npassword\n", "HASH:COUNT"),
    "one long line": (b"A" * 100_000, "HASH:COUNT"),
    "UTF-16": ("\n".join(f"{each}:1" for each in SORTED).encode("utf-16"), "HASH:COUNT"),
    "zeros": (bytes(100_000), "HASH:COUNT"),
    "a wrong end": ("\n".join([*(f"{each}:1" for each in SORTED), "rubbish"]).encode(), "HASH:COUNT"),
    "ends within a line": ("\n".join(f"{each}:1" for each in SORTED)[:-20].encode(), "HASH:COUNT"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_malformed_list_file_is_refused(case: str, tmp_path: Path) -> None:
    content, problem = WRONG_FILES[case]
    (tmp_path / "leaked").write_bytes(content)
    with pytest.raises(ValueError, match=problem):
        LeakedPasswords(str(tmp_path / "leaked"))


def test_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    for path, problem in (
        (tmp_path, "not name a file|names a folder"),
        (tmp_path / "none", "not name a file|names a folder"),
        ("leaked.txt", "absolute"),
    ):
        with pytest.raises(ValueError, match=problem):
            LeakedPasswords(str(path))


@pytest.mark.parametrize("content", [None, b"", b"rubbish\n" * 3000, b"A" * 5000])
def test_lost_or_broken_list_file_refuses_every_new_password(
    content: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_breached_file(tmp_path / "leaked", ["one", "two"])
    result = LeakedPasswords(str(path))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BackendUnavailable):
        PasswordPolicy(leaked=result).check("Quartz-52-meadow-Lantern")
    assert "linkauth.breached_passwords" in caplog.text
    assert "Quartz" not in caplog.text
    # the file may be replaced while the server runs
    write_breached_file(path, ["three"])
    assert "three" in result


def test_longest_line_fits_into_one_read() -> None:
    assert len(f"{SORTED[0]}:{10**18}\r\n") <= LINE_LIMIT
