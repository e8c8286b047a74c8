"""Tests of the syntax of linkauth.previous_secrets, and of the signatures that former secrets verify."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkauth.config.plugins import settings_class
from linkauth.config.settings import SettingsError, read
from linkauth.simulator.alexa import State
from linkauth.web.forms import FormTokens

URL = "https://link.example.com"
OLD, OLDER, NEW = "old secret, " * 3, "older secret " * 3, "Vd8n1Qz7Lr0cXy4Tg6Hw2Ms9Kb5Pj3Fa"
INI = {
    "linkauth.public_url": URL,
    "linkauth.service_name": "Example",
    "linkauth.database": "sqlite:////tmp/x.sqlite",
    "linkauth.secret": NEW,
    "linkauth.backends": "staff",
    "linkauth.backend.staff.use": "sql",
    "linkauth.backend.staff.url": "sqlite:////tmp/y.sqlite",
    "linkauth.backend.staff.preset": "django",
    "linkauth.clients": "one",
    "linkauth.client.one.name": "One",
    "linkauth.client.one.grants": "implicit",
    "linkauth.client.one.alexa_vendor_id": "M2AAAAAAAAAAAA",
}


def previous(value: str) -> tuple[str, ...]:
    return read({**INI, "linkauth.previous_secrets": value}, settings_class).previous_secrets


def test_previous_secrets_are_empty_by_default() -> None:
    assert read(INI, settings_class).previous_secrets == ()


def test_each_line_is_one_secret_that_may_contain_spaces() -> None:
    assert previous(OLD) == (OLD.strip(),)
    assert previous(f"\n    {OLD}\n\n\t{OLDER}\n") == (OLD.strip(), OLDER.strip())


def test_each_secret_may_be_a_reference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OLD_SECRET", OLD)
    file = tmp_path / "in a folder with spaces"
    # `openssl rand -base64 64` wraps one secret over two lines
    file.write_text("a" * 64 + "\n" + "b" * 24 + "\n", "utf-8")
    wrapped = "a" * 64 + "\n" + "b" * 24
    assert previous(f"file:{file}") == (wrapped,)
    assert previous(f"env:OLD_SECRET\nfile:{file}\n{OLDER}") == (OLD.strip(), wrapped, OLDER.strip())
    # a list of references may also stand on one line
    assert previous(f"env:OLD_SECRET file:{file}") == (OLD.strip(), wrapped)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("c4n4ry", "less than 32 characters"),
        (f"{OLD}\nc4n4ry", "less than 32 characters"),
        ("", "is empty"),
        ("env:C4N4RY_NOT_SET", "environment variable .*, which is not set"),
        ("file:/nowhere/none", "file .*, which cannot be read"),
        ("\n".join(f"c4n4ry number {n} of far too many secrets" for n in range(9)), "more than 8"),
    ],
)
def test_wrong_previous_secrets_are_reported_without_the_value(value: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem) as error:
        previous(value)
    assert "linkauth.previous_secrets: " in str(error.value)
    assert "c4n4ry" not in str(error.value)


def test_repr_of_settings_contains_no_secret() -> None:
    assert "old secret" not in repr(read({**INI, "linkauth.previous_secrets": OLD}, settings_class))


def form_tokens(*secrets: str, now: float = 1_000_000) -> FormTokens:
    return FormTokens(secrets[0], URL, lambda: now, secrets[1:])


def test_form_token_is_valid_for_server_that_has_its_secret() -> None:
    old_only, both, new = form_tokens(OLD), form_tokens(NEW, OLD, OLDER), form_tokens(NEW)
    for issuer, verifier in (
        (old_only, both),
        (both, old_only),
        (both, new),
        (new, both),
        (form_tokens(OLDER), both),
    ):
        token = issuer.token("a=b")
        assert verifier.is_valid(token, "a=b")
        assert not verifier.is_valid(token, "a=c")
    assert not new.is_valid(old_only.token("a=b"), "a=b")
    assert not form_tokens(NEW, OLD, now=1_000_900).is_valid(both.token("a=b"), "a=b")


def test_changed_form_token_of_several_secrets_is_refused() -> None:
    both, token = form_tokens(NEW, OLD), form_tokens(NEW, OLD).token("a=b")
    expiry, _, signatures = token.partition(".")
    assert both.is_valid(f"{expiry}.{signatures[:24]}", "a=b")
    for forged in (
        f"{int(expiry) + 1}.{signatures}",
        f"0{token}",
        f"{token}=",
        f"{expiry}.{signatures[1:]}",
        f"{expiry}.",
        f"{expiry}.{signatures[12:36]}",
        f"{expiry}.{'A' * 240_000}",
        token * 2,
    ):
        assert not both.is_valid(forged, "a=b")


def test_simulator_accepts_state_of_previous_secret() -> None:
    assert State(NEW, OLD).problem(State(OLD).new()) == ""
    assert State(NEW).problem(State(OLD).new()) != ""
