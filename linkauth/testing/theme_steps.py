"""Contract tests for the pages of recovery and registration and for the mails of a theme."""

from __future__ import annotations

from typing import Any

from linkauth.testing.elements import Elements, check_buttons, check_final_buttons
from linkauth.themes import states
from linkauth.themes.fields import Field
from linkauth.themes.sign_in_states import OTPAUTH_URI, QR, RECOVERY_CODES, SECOND_FACTOR_ERRORS, SECRET, SETUP_ERRORS
from linkauth.themes.states import (
    CODE,
    CODE_ERRORS,
    FINAL_ERRORS,
    NEW_PASSWORD_ERRORS,
    PURPOSES,
    RECOVER_ERRORS,
    REGISTER_ERRORS,
    REGISTRATION_FIELDS,
    mail_states,
    page_states,
)
from linkauth.themes.theme import Theme

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"
STEP_ERRORS = {
    "recover": RECOVER_ERRORS,
    "code": CODE_ERRORS,
    "new_password": NEW_PASSWORD_ERRORS,
    "register": REGISTER_ERRORS,
    "second_factor": SECOND_FACTOR_ERRORS,
    "second_factor_setup": SETUP_ERRORS,
    "recovery_codes": states.STEP_ERRORS,
    "confirm": states.STEP_ERRORS,
}
"""The pages of recovery, registration, the second factor and the confirmation with their errors."""
HIDDEN_FIELDS = {
    "recover": ("page",),
    "code": ("challenge", "username"),
    "new_password": ("challenge", "code"),
    "register": ("page",),
    "second_factor": ("challenge", "method"),
    "second_factor_setup": ("challenge",),
    "recovery_codes": ("challenge",),
    "confirm": ("challenge",),
}
"""The values that each page must send back, besides the form token."""
CONTEXT: dict[str, Any] = {
    **{"client_id": "skill", "form_token": "1.token", "error": "", "retry_after": 0, "username": "ada"},
    **{"page": "1.page", "wait": "", "challenge": "1.challenge", "code": CODE, "purpose": "recovery"},
    **{"tries_left": 0, "minimum": 0, "registration": False, "fields": REGISTRATION_FIELDS},
    **{"method": "totp", "methods": ("totp", "recovery_code"), "remember_days": 0, "optional": False},
    "passkey_options": "",
    **{"secret": SECRET, "qr": QR, "uri": OTPAUTH_URI, "codes": RECOVERY_CODES},
    **{"scopes": ("order_car",), "provider_name": "Google", "account": "ada@example.com"},
}


def step(theme: Theme, page: str, language: str = "en", **changes: Any) -> str:
    """Returns the HTML of a page of recovery or registration."""
    (fresh, *_) = [state.context for state in page_states("skill", ()) if state.page == page]
    context = {name: CONTEXT[name] for name in fresh}
    return theme.render(page, language, **{**context, **changes})


class StepContract:
    """The tests of ThemeContract for recovery, registration and mails."""

    def test_each_step_has_its_fields_and_a_way_back(self, theme: Theme) -> None:
        for page, errors in STEP_ERRORS.items():
            for error in ("", *errors):
                elements = Elements(step(theme, page, error=error, retry_after=40))
                form = elements.form("post")
                assert form.all("form")[0].get("action", "") == ""
                inputs = form.inputs()
                assert inputs["form_token"]["value"] == CONTEXT["form_token"]
                for name in HIDDEN_FIELDS[page]:
                    assert {"type": "hidden", "value": CONTEXT[name]}.items() <= inputs[name].items()
                (check_final_buttons if error in FINAL_ERRORS else check_buttons)(form)
                assert page == "recovery_codes" or "/authorize" in [
                    button.get("formaction") for button in elements.all("button")
                ]

    def test_buttons_to_other_pages_keep_the_request_and_the_language(self, theme: Theme) -> None:
        query = (("state", "a+b/c=\"'<&"), ("unknown", ""))
        for language in theme.languages:
            for page in STEP_ERRORS:
                elements = Elements(step(theme, page, language, query=query))
                (ways,) = elements.forms("ways")
                assert ways.all("form")[0].get("method") == "get"
                sent = [(each["name"], each["value"]) for each in ways.all("input")]
                assert sent == [*query, ("ui_locales", language)]
                assert {each.get("form") for each in elements.all("button") if "formaction" in each} <= {"ways"}

    def test_the_wait_is_sent_only_where_there_is_one(self, theme: Theme) -> None:
        for page in ("recover", "register"):
            assert "wait" not in Elements(step(theme, page)).inputs()
            inputs = Elements(step(theme, page, error="throttled", retry_after=15, wait="1.wait")).inputs()
            assert {"type": "hidden", "value": "1.wait"}.items() <= inputs["wait"].items()

    def test_every_error_of_a_step_has_its_own_sentence_and_takes_the_focus(self, theme: Theme) -> None:
        for page, errors in STEP_ERRORS.items():
            for language in theme.languages:
                texts = {step(theme, page, language, error=error, retry_after=40) for error in ("", *errors)}
                assert len(texts) == 1 + len(errors)
            for error in errors:
                elements = Elements(step(theme, page, error=error, retry_after=40)).elements
                (alert,) = [attributes for _, attributes in elements if attributes.get("role") == "alert"]
                assert "autofocus" in alert
                assert alert["tabindex"] == "-1"
            assert "role=" not in step(theme, page)

    def test_the_code_field_is_for_one_time_codes(self, theme: Theme) -> None:
        for purpose in PURPOSES:
            for error in ("", "wrong_code"):
                code = Elements(step(theme, "code", purpose=purpose, error=error)).form("post").inputs()["code"]
                expected = {"autocomplete": "one-time-code", "autocapitalize": "characters", "dir": "ltr"}
                assert expected.items() <= code.items()
                assert code["type"] == "text"
                assert not code.get("value")
                assert (code.get("aria-invalid") == "true") == (error == "wrong_code")
        assert '"restart"' in step(theme, "code")

    def test_the_tries_left_and_the_least_length_are_said(self, theme: Theme) -> None:
        for language in theme.languages:
            said = "".join(Elements(step(theme, "code", language, error="wrong_code", tries_left=3)).texts)
            assert "3" in said
            # before anything was typed
            assert "14" in "".join(Elements(step(theme, "new_password", language, minimum=14)).texts)

    def test_the_new_password_is_for_password_managers(self, theme: Theme) -> None:
        for purpose in PURPOSES:
            inputs = Elements(step(theme, "new_password", purpose=purpose)).inputs()
            assert {"value": "ada", "autocomplete": "username"}.items() <= inputs["username"].items()
            assert "readonly" in inputs["username"]
            for name in ("new_password", "repeated_password"):
                assert {"type": "password", "autocomplete": "new-password"}.items() <= inputs[name].items()
                assert not inputs[name].get("value")

    def test_each_registration_field_has_a_label_and_its_own_error(self, theme: Theme) -> None:
        wrong = tuple(
            Field(each.name, each.kind, each.label, each.required, each.choices, "x", "invalid", each.example)
            for each in REGISTRATION_FIELDS
        )
        for fields in (REGISTRATION_FIELDS, wrong):
            form = Elements(step(theme, "register", fields=fields, error="invalid" if fields is wrong else ""))
            post = form.form("post")
            shown = {**post.inputs(), **{select["name"]: select for select in post.all("select")}}
            ids = {attributes.get("id") for _, attributes in form.elements}
            labelled = {label.get("for") for label in post.all("label")}
            for field in fields:
                attributes = shown[field.name]
                assert field.kind == "checkbox" or attributes["id"] in labelled
                assert ("required" in attributes) == field.required
                assert (attributes.get("aria-invalid") == "true") == (field.error != "")
                if field.error:
                    assert attributes["aria-errormessage"] in ids
                    assert f"#{attributes['id']}" in [link["href"] for link in form.all("a")]
            assert shown["email"]["autocomplete"] == "email"
            assert shown["phone"]["inputmode"] == "tel"
            assert shown["birthdate"]["type"] == "date"

    def test_hostile_text_in_a_step_stays_text(self, theme: Theme) -> None:
        texts = ((("", HOSTILE),), (("", "x"),))
        hostile, plain = (
            (Field("city", "choice", text, True, (("a", text),)), Field("name", value=value, error="pattern"))
            for text, value in zip(texts, (HOSTILE, "x"), strict=True)
        )
        for page in STEP_ERRORS:
            for language in theme.languages:
                values = {"client_id": "hostile", "username": HOSTILE, "fields": hostile}
                reference = Elements(step(theme, page, language, **({"fields": plain} if page == "register" else {})))
                given = {name: value for name, value in values.items() if name in _variables(page)}
                found = Elements(step(theme, page, language, **given))
                assert [tag for tag, _ in found.elements] == [tag for tag, _ in reference.elements]

    def test_mails_have_all_parts_in_every_language(self, theme: Theme) -> None:
        for language in theme.languages:
            subjects = set()
            for state in mail_states("skill"):
                parts = theme.mail(language=language, **state.context)
                assert parts.subject.strip() == parts.subject != ""
                assert "\n" not in parts.subject
                (root,) = Elements(parts.html).all("html")
                assert root["lang"] == language
                assert root["dir"] in ("ltr", "rtl")
                code = state.context["code"]
                written = f"{code[:4]}-{code[4:]}"
                assert not code or (written in parts.text and written in parts.html)
                assert not code or (written not in parts.subject and code not in parts.subject)
                for name in state.context["names"]:
                    assert name in parts.text
                    assert name in parts.html
                subjects.add(parts.subject)
            assert len(subjects) == len({state.context["kind"] for state in mail_states("skill")})

    def test_mails_load_nothing_and_their_texts_stay_text(self, theme: Theme) -> None:
        for language in theme.languages:
            for state in mail_states("skill"):
                reference = Elements(theme.mail(language=language, **state.context).html)
                assert not {"img", "script", "link", "style", "form"} & {tag for tag, _ in reference.elements}
                names = (HOSTILE,) * len(state.context["names"])
                hostile = theme.mail(language=language, **{**state.context, "client_id": "hostile", "names": names})
                assert [tag for tag, _ in Elements(hostile.html).elements] == [tag for tag, _ in reference.elements]
                assert not names or HOSTILE in hostile.text


def _variables(page: str) -> set[str]:
    return {name for state in page_states("skill", ()) if state.page == page for name in state.context}
