"""Tests of the settings of sign-in providers."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from linkauth.config.plugins import settings_class
from linkauth.config.settings import Settings, SettingsError, read
from linkauth.config.sign_ins import Match, SignInSettings, parse_match
from tests.unit.config.test_settings import CANARY, SHAPES, VALID

ROUTE = {"linkauth.sign_ins": "google", "linkauth.sign_in.google.use": "oidc", "linkauth.sign_in.google.match": "own"}


@dataclass(frozen=True)
class ProviderSettings:
    client_id: str = "linkauth"
    client_secret: str = field(default="", repr=False)


def resolve(family: str, name: str) -> type | None:
    """Returns the settings class of a plugin, or of the provider `oidc`."""
    if family == "sign_ins" and name == "oidc":
        return ProviderSettings
    return settings_class(family, name)


def with_changes(changes: dict[str, str | None]) -> dict[str, str]:
    """Returns VALID with the provider google, and with `changes`, whose keys have no prefix; None removes a key."""
    ini: dict[str, str | None] = {**VALID, **ROUTE, **{f"linkauth.{key}": value for key, value in changes.items()}}
    return {key: value for key, value in ini.items() if value is not None}


def settings(changes: dict[str, str | None] | None = None) -> Settings:
    return read(with_changes(changes or {}), resolve)


def faults(changes: dict[str, str | None]) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        settings(changes)
    return {key.removeprefix("linkauth."): problem for key, problem in caught.value.faults}


def fault(changes: dict[str, str | None]) -> tuple[str, str]:
    """Returns (key, problem) of the only fault."""
    (found,) = faults(changes).items()
    return found


NO_BACKENDS: dict[str, str | None] = {
    "backends": None,
    **{f"backend.staff.{key}": None for key in ("use", "url", "query")},
}


def test_the_settings_of_a_provider() -> None:
    changes: dict[str, str | None] = {
        "sign_ins": "google corp",
        "sign_in.google.match": "email:staff",
        "sign_in.google.label": "Example",
        "sign_in.google.label.de": "Beispiel",
        "sign_in.google.client_secret": "a secret value",
        "sign_in.corp.use": "oidc",
        "sign_in.corp.match": "own",
    }
    read_settings = settings(changes)
    google, corp = read_settings.sign_ins
    assert google == SignInSettings(
        "google",
        "oidc",
        Match("email", "email", "staff"),
        {"": "Example", "de": "Beispiel"},
        options=ProviderSettings("linkauth", "a secret value"),
    )
    assert (corp.name, corp.match.own, corp.label, corp.registration) == ("corp", True, {}, False)
    assert "a secret value" not in repr(read_settings)
    assert dict(read_settings.texts())["sign_in.google.label"] == {"": "Example", "de": "Beispiel"}
    assert [key for key, _ in read_settings.texts() if key.startswith("sign_in.")] == ["sign_in.google.label"]


def test_the_forms_of_match() -> None:
    assert parse_match("own") == Match()
    assert Match().own
    assert parse_match("email:staff") == Match("email", "email", "staff")
    assert parse_match("upn:username:staff") == Match("upn", "username", "staff")
    assert parse_match("oid:subject:staff") == Match("oid", "subject", "staff")
    assert parse_match("email:username:staff") == Match("email", "username", "staff")
    # names of claims may be URLs (OpenID Connect Core section 5.1.2)
    claim = "https://example.com/number"
    assert parse_match(f"{claim}:username:staff") == Match(claim, "username", "staff")


@pytest.mark.parametrize(
    "value",
    ["staff", "own:staff", "upn:staff", "email:", ":username:staff", "upn:username:", "u p:username:staff", "OWN", ":"],
)
def test_a_match_of_a_wrong_form_is_refused(value: str) -> None:
    key, problem = fault({"sign_in.google.match": value})
    assert key == "sign_in.google.match"
    assert "write own, email:<backend> or <claim>:<attribute>:<backend>" in problem


def test_a_match_with_an_unknown_name_is_refused() -> None:
    key, problem = fault({"sign_in.google.match": "upn:mail:staff"})
    assert (key, problem.partition(":")[0]) == ("sign_in.google.match", "has an unknown attribute")
    assert problem.endswith("where the attribute is email, username or subject")
    key, problem = fault({"sign_in.google.match": "email:stuff"})
    assert (key, problem.partition(":")[0]) == (
        "sign_in.google.match",
        "names a backend that is not in linkauth.backends",
    )
    trial = {f"backend.trial.{key}": VALID[f"linkauth.backend.staff.{key}"] for key in ("use", "url", "query")}
    key, problem = fault(
        {**trial, "backends": "staff trial", "backend.trial.shadow": "true", "sign_in.google.match": "email:trial"}
    )
    assert (key, problem.partition(",")[0]) == ("sign_in.google.match", "names a backend with shadow = true")


def test_the_match_and_the_plugin_are_required() -> None:
    key, problem = fault({"sign_in.google.match": None})
    assert key == "sign_in.google.match"
    assert problem.startswith("is missing: write email:<backend>")
    key, problem = fault({"sign_in.google.use": None})
    assert key == "sign_in.google.use"
    assert problem.startswith("is missing: name the plugin")


def test_an_unknown_plugin_and_one_that_is_no_provider_are_refused(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, problem = fault({"sign_in.google.use": "odic"})
    assert key == "sign_in.google.use"
    assert problem.startswith("is not one of the installed sign_ins: ")
    (folder := tmp_path / "linkauth_odd-1.0.dist-info").mkdir()  # type: ignore[operator]
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: linkauth-odd\nVersion: 1.0\n", "utf-8")
    (folder / "entry_points.txt").write_text("[linkauth.sign_ins]\nodd = linkauth_sql:SQLBackend\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert fault({"sign_in.google.use": "odd"}) == (
        "sign_in.google.use",
        "names an entry point that is not a SignInProvider",
    )


def test_names_that_cannot_be_used_are_refused() -> None:
    key, problem = fault({"sign_ins": "staff", "sign_in.staff.use": "oidc", "sign_in.staff.match": "own"} | WITHOUT)
    assert key == "sign_ins"
    assert problem.startswith("contains the name of a backend")
    key, problem = fault({"sign_ins": "none", "sign_in.none.use": "oidc", "sign_in.none.match": "own"} | WITHOUT)
    assert key == "sign_ins"
    assert problem.startswith("contains none")
    assert "sign_in.google" in faults({"sign_ins": None})


WITHOUT: dict[str, str | None] = {"sign_in.google.use": None, "sign_in.google.match": None}


def test_registration_needs_a_backend_where_people_sign_up() -> None:
    on: dict[str, str | None] = {"sign_in.google.registration": "true"}
    fields: dict[str, str | None] = {"backend.staff.registration_fields": "email"}
    assert "does not apply to match = own" in fault({**on, **fields})[1]
    key, problem = fault({**on, "sign_in.google.match": "email:staff"})
    assert key == "sign_in.google.registration"
    assert "linkauth.backend.staff.registration_fields" in problem
    assert "the backend chooses the subject" in fault({**on, **fields, "sign_in.google.match": "oid:subject:staff"})[1]
    assert settings({**on, **fields, "sign_in.google.match": "email:staff"}).sign_ins[0].registration
    assert fault({"sign_in.google.registration": "maybe"}) == (
        "sign_in.google.registration",
        "is neither true nor false",
    )


def test_a_label_needs_a_line_without_a_language() -> None:
    assert fault({"sign_in.google.label.de": "Beispiel"})[0] == "sign_in.google.label"


def test_what_the_login_page_of_a_client_offers() -> None:
    def offered(changes: dict[str, str | None]) -> tuple[list[str], bool]:
        read_settings = settings(changes)
        alexa = read_settings.clients["alexa"]
        return [each.name for each in read_settings.sign_ins_of(alexa)], read_settings.has_password_form(alexa)

    assert offered({}) == (["google"], True)
    assert offered({"password_form": "false"}) == (["google"], False)
    assert offered({"password_form": "false", "client.alexa.password_form": "true"}) == (["google"], True)
    assert offered({"client.alexa.password_form": "false"}) == (["google"], False)
    assert offered({"client.alexa.sign_ins": "google"}) == (["google"], True)
    assert offered({"client.alexa.sign_ins": "none"}) == ([], True)
    assert offered(NO_BACKENDS) == (["google"], False)


@pytest.mark.parametrize(
    ("changes", "key", "problem"),
    [
        (
            {"client.alexa.sign_ins": "gogle"},
            "client.alexa.sign_ins",
            "contains a name that is not in linkauth.sign_in",
        ),
        (
            {"client.alexa.sign_ins": "google none"},
            "client.alexa.sign_ins",
            "contains a name that is not in linkauth.sign_ins",
        ),
        (
            {"client.alexa.sign_ins": "none", "client.alexa.password_form": "false"},
            "client.alexa.password_form",
            "is false for a client without providers",
        ),
        (
            {"client.alexa.sign_ins": "none", "password_form": "false"},
            "client.alexa.sign_ins",
            "must name a provider, because linkauth.password_form is false",
        ),
        (
            {"sign_ins": None, **WITHOUT, "password_form": "false"},
            "password_form",
            "is false, but linkauth.sign_ins is missing",
        ),
        ({**NO_BACKENDS, "client.alexa.sign_ins": "none"}, "client.alexa.sign_ins", "must name a provider"),
        ({**NO_BACKENDS, "client.alexa.password_form": "true"}, "client.alexa.password_form", "must be false"),
        ({"client.server.sign_ins": "google"}, "client.server.sign_ins", "applies only to clients with grants"),
        ({"client.server.password_form": "false"}, "client.server.password_form", "applies only to clients with grant"),
        ({**NO_BACKENDS, "sign_ins": None, **WITHOUT}, "backends", "is missing"),
    ],
)
def test_settings_with_which_nobody_could_sign_in_are_refused(
    changes: dict[str, str | None], key: str, problem: str
) -> None:
    found_key, found = fault(changes)
    assert (found_key, found[: len(problem)]) == (key, problem)


def test_keys_of_backends_are_unknown_without_backends() -> None:
    changes = {key: value for key, value in NO_BACKENDS.items() if key != "backend.staff.use"}
    assert "backend.staff" in faults(changes)


def test_patterns_of_embedded_browsers_are_lines() -> None:
    assert settings().embedded_browsers is None
    assert settings({"embedded_browsers": "none"}).embedded_browsers == ()
    lines = "*FBAN/*\n  Mozilla/5.0 (*; wv)*"
    assert settings({"embedded_browsers": lines}).embedded_browsers == ("*FBAN/*", "Mozilla/5.0 (*; wv)*")


def test_hidden_locks_are_accepted_only_by_a_setting_and_for_people_of_a_backend() -> None:
    accepting: dict[str, str | None] = {"sign_in.google.accept_hidden_locks": "true"}
    assert not settings().sign_ins[0].accept_hidden_locks
    assert settings({**accepting, "sign_in.google.match": "email:staff"}).sign_ins[0].accept_hidden_locks
    key, problem = fault(accepting)
    assert (key, problem) == ("sign_in.google.accept_hidden_locks", "does not apply to match = own: remove the line")
    assert fault({"sign_in.google.accept_hidden_locks": "maybe"})[1] == "is neither true nor false"


@pytest.mark.parametrize(
    "key",
    [
        *(f"sign_in.google.{name}" for name in ("use", "match", "label", "label.de", "registration", "client_secret")),
        *("sign_in.google.accept_hidden_locks", "sign_in.google.unknown", "sign_in.other.use", "client.alexa.sign_ins"),
        *("client.alexa.password_form", "client.alexa.second_factor", "second_factor.backends", "embedded_browsers"),
    ],
)
def test_a_message_never_contains_the_value(key: str) -> None:
    messages = []
    for shape in SHAPES:
        try:
            settings({key: shape})
        except SettingsError as error:
            messages.append(str(error))
    assert not [message for message in messages if CANARY in message]
