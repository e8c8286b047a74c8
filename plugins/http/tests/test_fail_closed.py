"""Tests that a value that is not understood refuses the sign-in, for every kind of rule."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured, BackendUnavailable, UnknownUser, WrongPassword
from linkauth.testing import settings_of
from linkauth_http import HTTPBackend, HTTPSettings

from .api import API, Reply
from .conftest import settings_for
from .protocols import HTML, JSON, jwt
from .test_outcomes import outcome

Make = Callable[..., HTTPBackend]
STRANGE: list[Any] = [
    *(
        "blocked",
        "pending",
        "failed",
        "denied",
        "gesperrt",
        "nein",
        "いいえ",
        "محظور",
        "inactive",
        "no problem",
        "E1017",
    ),
    *(
        "ERR_INVALID_PASSWORD_2",
        "account-locked-until-2026-11-29",
        "invalid username or password 1",
        "１",
        "tru",
        "- 1",
    ),
    *("1.0", 2, -1, 17, 1.0, 0.5, 1e300, {"code": 7}, {}, [], [[]], ["yes", "blocked"], [True, {}], [True, False]),
    *("none", "undefined", "NaN", "N/A", "-", "\u00a0", " ", ""),
]
YES: list[Any] = [True, 1, "true", "True", " YES ", "y", "on", "ok", "OK", "1", [True, "true"]]
TOKENS = ["d41d8cd98f00b204e9800998ecf8427e", "550e8400-e29b-41d4-a716-446655440000", jwt({"sub": "7"})]


def respond_with(api: API, value: Any, **more: Any) -> None:
    api.handler = lambda request: Reply(200, json.dumps({"flag": value, "id": 7, **more}), JSON)


class TestSelectorWithoutComparison:
    """Rules of success with a selector and no comparison."""

    def test_json_values(self, api: API, backend_on: Make) -> None:
        backend = backend_on(api.url, success="/flag")
        for value in [*STRANGE, False, None, 0, "false", "0", "null", "No", "n", "off", "F"]:
            respond_with(api, value)
            assert outcome(backend) is BackendUnavailable, value
        for value in [*YES, *TOKENS]:
            respond_with(api, value)
            assert outcome(backend) == "7", value

    def test_other_documents(self, api: API, backend_on: Make) -> None:
        for word, let_in in (("blocked", False), ("2", False), ("gesperrt", False), ("ok", True), ("1", True)):
            handler = {
                "xpath:.//flag": Reply(200, f"<r><flag>{word}</flag></r>"),
                "xpath:.//r/@flag": Reply(200, f'<x><r flag="{word}"/></x>'),
                "header:X-Flag": Reply(200, "{}", (*JSON, ("X-Flag", word))),
                "jwt:/t /flag": Reply(200, json.dumps({"t": jwt({"flag": word})}), JSON),
            }
            for rule, reply in handler.items():
                api.handler = lambda request, reply=reply: reply  # type: ignore[misc]
                backend = backend_on(api.url, success=rule, subject="username", statuses=())
                assert outcome(backend) == ("ada" if let_in else BackendUnavailable), (rule, word)

    def test_data_of_the_person_is_not_a_flag(self, api: API, backend_on: Make) -> None:
        respond_with(api, {"login": "blocked", "number": 17})
        assert outcome(backend_on(api.url, success="/flag/login", subject="/flag/login")) == "blocked"
        assert outcome(backend_on(api.url, success="/flag/number", subject="/flag/number")) == "17"
        for more in ({"claims": {"state": "/flag/login"}}, {"groups": "/flag/login"}):
            assert outcome(backend_on(api.url, success="/flag/login", **more)) is BackendUnavailable
        assert outcome(backend_on(api.url, success="/flag", username="/flag/login")) == "7"
        assert outcome(backend_on(api.url, success="/flag", username="/flagged")) is BackendUnavailable
        # a value that means no is refused even if it is data of the person
        respond_with(api, {"login": "no"})
        assert outcome(backend_on(api.url, success="/flag/login", subject="/flag/login")) is BackendUnavailable

    @pytest.mark.parametrize("kind", ["header:X-Flag", "header:X-Flag = yes"])
    def test_contradicting_headers(self, api: API, backend_on: Make, kind: str) -> None:
        for other, let_in in (("no", False), ("blocked", False), ("yes", True)):
            headers = (*JSON, ("X-Flag", "yes"), ("X-Flag", other))
            api.handler = lambda request, headers=headers: Reply(200, "{}", headers)  # type: ignore[misc]
            backend = backend_on(api.url, success=kind, subject="username")
            assert outcome(backend) == ("ada" if let_in else BackendUnavailable)


class TestComparison:
    def test_matches_only_the_expected_text(self, api: API, backend_on: Make) -> None:
        backend = backend_on(api.url, success="/flag = true")
        for value in [*STRANGE, "TRUE", "yes", 1, "1", "on", None]:
            respond_with(api, value)
            assert outcome(backend) is BackendUnavailable, value
        for value in (True, "true", ["true", True]):
            respond_with(api, value)
            assert outcome(backend) == "7"

    def test_success_accepts_only_the_listed_state(self, api: API, backend_on: Make) -> None:
        backend = backend_on(api.url, success="/ok = true and /flag = active", locked="/flag = locked")
        for value in STRANGE:
            respond_with(api, value, ok=True)
            assert outcome(backend) is BackendUnavailable
        for value, expected in (("active", "7"), ("locked", "locked")):
            respond_with(api, value, ok=True)
            assert outcome(backend) == expected

    def test_not_true_needs_no_or_a_missing_value(self, api: API, backend_on: Make) -> None:
        backend = backend_on(api.url, success="/ok = true and not /flag = true")
        for value in [*filter(None, STRANGE[:-3]), *YES]:
            respond_with(api, value, ok=True)
            assert outcome(backend) is BackendUnavailable, value
        for value in (False, None, "no", "false", 0, "0", ""):
            respond_with(api, value, ok=True)
            assert outcome(backend) == "7"
        api.handler = lambda request: Reply(200, '{"ok": true, "id": 7}', JSON)
        assert outcome(backend) == "7"

    def test_not_false_needs_yes(self, api: API, backend_on: Make) -> None:
        backend = backend_on(api.url, success="/ok = true and not /flag = false")
        for value in [*STRANGE, False, None, "no"]:
            respond_with(api, value, ok=True)
            assert outcome(backend) is BackendUnavailable, value
        api.handler = lambda request: Reply(200, '{"ok": true, "id": 7}', JSON)
        assert outcome(backend) is BackendUnavailable
        respond_with(api, True, ok=True)
        assert outcome(backend) == "7"


class TestRefusal:
    @pytest.mark.parametrize("name", ["locked", "disabled", "account_expired", "password_expired", "must_change"])
    def test_flag_that_is_not_understood_refuses(self, api: API, backend_on: Make, name: str) -> None:
        expected = "must_change_password" if name == "must_change" else name
        backend = backend_on(api.url, success="/ok = true", **{name: "/flag = true"})
        for value in [each for each in STRANGE if each not in ([], "", " ", "\u00a0")] + YES:
            respond_with(api, value, ok=True)
            assert outcome(backend) == expected, value
        for value in (False, None, 0, "no", "false", "", []):
            respond_with(api, value, ok=True)
            assert outcome(backend) == "7", value

    def test_comparison_with_false(self, api: API, backend_on: Make) -> None:
        backend = backend_on(api.url, success="/ok = true", disabled="/flag = false")
        for value in [each for each in STRANGE if each != []] + [False, None, "no", 0]:
            respond_with(api, value, ok=True)
            assert outcome(backend) == "disabled", value
        for value in YES:
            respond_with(api, value, ok=True)
            assert outcome(backend) == "7"

    def test_wrong_passwords_and_unknown_names(self, api: API, backend_on: Make) -> None:
        rules = {"wrong_password": "/flag = true and /kind = p", "unknown_user": "/flag = true"}
        backend = backend_on(api.url, success="/ok = true", **rules)
        respond_with(api, "maybe", ok=True, kind="p")
        assert outcome(backend) is WrongPassword
        respond_with(api, "maybe", ok=True)
        assert outcome(backend) is UnknownUser

    def test_value_compared_by_success_is_understood(self, api: API, backend_on: Make) -> None:
        """Result codes, two of which look like yes and no."""
        backend = backend_on(api.url, success="/flag = 3", wrong_password="/flag = 1", locked="/flag = 0")
        for value, expected in ((3, "7"), (1, WrongPassword), (0, "locked"), (4, BackendUnavailable)):
            respond_with(api, value)
            assert outcome(backend) == expected

    def test_refusal_takes_precedence_over_success(self, api: API, backend_on: Make) -> None:
        for rule in ("/flag", "/flag = true", "status:200", "header:X-State = locked", "not /missing"):
            backend = backend_on(api.url, success="/flag = true", locked=rule)
            api.handler = lambda request: Reply(200, '{"flag": true, "id": 7}', (*JSON, ("X-State", "locked")))
            assert outcome(backend) == "locked"
            backend = backend_on(api.url, success="/flag = true", misconfigured=rule)
            assert outcome(backend) is BackendMisconfigured


class TestRedirectsPagesAndStatuses:
    @pytest.mark.parametrize("rule", ["location:/home*", "location:*", "location:/home* and not location:/login*"])
    def test_two_location_headers_do_not_match(self, api: API, backend_on: Make, rule: str) -> None:
        headers = (("Location", "/home"), ("Location", "/login"))
        api.handler = lambda request: Reply(302, "", headers)
        success = "location:/home*" if rule == "location:*" else rule
        assert outcome(backend_on(api.url, success=success, subject="username")) is BackendUnavailable
        backend = backend_on(api.url, success="header:Location and not location:/login*", subject="header:Location")
        assert outcome(backend) is BackendUnavailable

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 503])
    @pytest.mark.parametrize(
        "rule", ["regex:Welcome", "header:X-OK = yes", "cookie:sid", "location:/home", "/ok = true"]
    )
    def test_marker_in_an_error_page_is_not_a_success(self, api: API, backend_on: Make, rule: str, status: int) -> None:
        headers = (("X-OK", "yes"), ("Set-Cookie", "sid=1"), ("Location", "/home"))
        body = '{"ok": true}' if rule.startswith("/") else "<h1>Welcome to our error page"
        api.handler = lambda request: Reply(status, body, headers)
        assert outcome(backend_on(api.url, success=rule, subject="username", statuses=())) is BackendUnavailable

    def test_marker_beside_the_login_form_is_not_a_success(self, api: API, backend_on: Make) -> None:
        page = "<p>Welcome<form method=post><input name=u><input type=password name=p></form>"
        api.handler = lambda request: Reply(200, page, HTML)
        form = {"preset": "html-form", "prefetch_url": "/", "subject": "username"}
        assert outcome(backend_on(api.url, success="regex:Welcome", **form)) is WrongPassword


class TestIdentity:
    @pytest.mark.parametrize(
        "value",
        [
            ["7", "8"],
            ["7", ""],
            ["7", None],
            [7, True],
            [7, {"a": 1}],
            [[7]],
            [None],
            "",
            " ",
            "\u2003",
            0,
            -0.0,
            7.5,
            {},
        ],
    )
    def test_invalid_subject_is_refused(self, api: API, backend_on: Make, value: Any) -> None:
        respond_with(api, value)
        assert outcome(backend_on(api.url, success="/id = 7", subject="/flag")) is BackendUnavailable
        respond_with(api, ["8", "8"])
        assert outcome(backend_on(api.url, success="/id = 7", subject="/flag")) == "8"

    def test_subjects_from_headers_and_elements(self, api: API, backend_on: Make) -> None:
        api.handler = lambda request: Reply(200, '{"ok": true}', (*JSON, ("X-Id", "7"), ("X-Id", "8")))
        assert outcome(backend_on(api.url, subject="header:X-Id")) is BackendUnavailable
        api.handler = lambda request: Reply(200, "<r><ok>true</ok><id>7</id><id/></r>")
        assert outcome(backend_on(api.url, success="xpath:.//ok = true", subject="xpath:.//id")) is BackendUnavailable

    def test_usernames(self, api: API, backend_on: Make) -> None:
        backend = backend_on(api.url, success="/id = 7", username="/flag")
        respond_with(api, ["ada", "root"])
        assert outcome(backend) is BackendUnavailable
        for value, name in ((["Ada", "Ada"], "Ada"), (" ", "typed"), (None, "typed"), (" Ada ", "Ada")):
            respond_with(api, value)
            assert backend.authenticate("typed", "x").username == name


class TestWarnings:
    def test_log_omits_credentials(self, api: API, backend_on: Make, caplog: pytest.LogCaptureFixture) -> None:
        backend = backend_on(api.url, success="/flag", locked="/other = true")
        for value in ("gesperrt", "gesperrt", "s3cret-word", "ada"):
            respond_with(api, value)
            with pytest.raises(BackendUnavailable, match=r"/flag.* is neither yes nor no") as raised:
                backend.authenticate("ada", "s3cret-word")
            assert "s3cret" not in str(raised.value)
        errors = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert [("gesperrt" in record.getMessage()) for record in errors] == [True, False]
        assert "s3cret" not in caplog.text
        respond_with(api, True, other="vielleicht")
        assert outcome(backend) == "locked"
        details = [check.detail for check in backend.check() if check.name == "answers" and check.warning]
        assert len(details) == 3
        assert "/flag = 'gesperrt'" in details[0]
        assert "treated as locked" in details[2]

    def test_logged_values_are_limited(self, api: API, backend_on: Make, caplog: pytest.LogCaptureFixture) -> None:
        backend = backend_on(api.url, success="/flag")
        for number in range(120):
            respond_with(api, f"word {number}")
            assert outcome(backend) is BackendUnavailable
        assert len(caplog.records) == 100

    @pytest.mark.parametrize(
        ("changes", "warned"),
        [
            ({"locked": "/state = locked"}, ["locked lists a value of /state"]),
            ({"locked": "/state = locked", "success": "/ok = true and /state = active"}, []),
            ({"success": "/ok = true and not /state = locked"}, ["success accepts every value of /state"]),
            ({"locked": "/locked = true", "success": "/ok = true and not /disabled = true"}, []),
            ({"locked": "status:403 and /state = locked"}, []),
        ],
    )
    def test_check_warns_of_rules_that_list_only_bad_values(
        self, api: API, backend_on: Make, changes: dict[str, Any], warned: list[str]
    ) -> None:
        found = [check for check in backend_on(api.url, **changes).check() if check.name == "rules"]
        assert all(check.ok and check.warning for check in found)
        assert [text in check.detail for text, check in zip(warned, found, strict=True)] == [True] * len(warned)

    @pytest.mark.parametrize("rule", ["/ok = *e", "/ok = *", "status:200", "not /error", "/ok = *a* and status:200"])
    def test_success_without_a_marker_is_refused_at_start(self, rule: str) -> None:
        changed = settings_of(HTTPSettings, **{**vars(settings_for("https://x")), "success": rule})
        assert ("success" in dict(changed.faults())) == (rule != "/ok = *a* and status:200")
