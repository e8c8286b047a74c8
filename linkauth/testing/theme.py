"""Contract tests for a theme. They render every page in every language and state and check the result."""

from __future__ import annotations

import gzip
from typing import Any, ClassVar

import pytest

from linkauth.config.plugins import load
from linkauth.testing.elements import Elements, check_buttons, check_final_buttons
from linkauth.testing.theme_sign_ins import SignInPagesContract
from linkauth.testing.theme_steps import HOSTILE, StepContract
from linkauth.themes.states import (
    CHANGE_URL,
    FINAL_ERRORS,
    PAGES,
    PASSWORD_ERRORS,
    PASSWORD_REASONS,
    SIGN_IN_ERRORS,
    page_states,
)
from linkauth.themes.theme import Theme, open_theme

TEXTS = {
    "service_name": {"": "Example Rides"},
    "clients": {"skill": {"": "Ride Hailer"}, "hostile": {"": HOSTILE}},
    "platforms": {"skill": "alexa", "hostile": "alexa"},
    "platform_labels": {"skill": "Alexa", "hostile": "Alexa"},
    "scope_texts": {"order_car": {"": "Order a taxi"}, "hostile": {"": HOSTILE}},
}
"""The texts for the service, its clients and their scopes in the rendered pages."""
WEIGHT_LIMIT = 30_000
"""The maximum size of the login page with its static files, compressed with gzip, in bytes."""


_PAGES: dict[type, list[tuple[str, Elements]]] = {}
"""The pages of each subclass of ThemeContract: parsing them takes seconds."""


class ThemeContract(StepContract, SignInPagesContract):
    """The base class for the tests of a theme. A subclass sets `name` to the name of the entry point.

    It also sets `parameters` if the theme has required parameters. A subclass cannot override the tests: defining such
    a class raises TypeError.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        contract_tests = [name for name in dir(ThemeContract) if name.startswith("test_")]
        # also finds a replacement in a base class that precedes this one in the MRO
        if replaced := [name for name in contract_tests if getattr(cls, name) is not getattr(ThemeContract, name)]:
            raise TypeError(f"{cls.__name__} replaces tests of its contract: {', '.join(replaced)}")

    name: ClassVar[str]
    parameters: ClassVar[Any] = None

    @pytest.fixture
    def theme(self) -> Theme:
        module = load("themes", self.name)
        parameters = self.parameters or getattr(module, "Parameters", lambda: None)()
        return open_theme(self.name, module, parameters, TEXTS, f"/static/{self.name}/")

    @staticmethod
    def login(theme: Theme, language: str = "en", **changes: Any) -> str:
        context = {
            "client_id": "skill",
            "scopes": ("order_car", "scope_without_a_text"),
            "form_token": "1.token",
            "username": "",
            "error": "",
            "retry_after": 0,
            "change_url": "",
            "recovery": False,
            "registration": False,
            "phone_example": "",
            "provider": "Google",
        }
        return theme.render("login", language, **{**context, **changes})

    @staticmethod
    def password(theme: Theme, language: str = "en", **changes: Any) -> str:
        context = {
            "client_id": "skill",
            "form_token": "1.token",
            "username": "ada",
            "reason": "",
            "error": "",
            "minimum": 0,
            "retry_after": 0,
        }
        return theme.render("password", language, **{**context, **changes})

    def password_states(self, theme: Theme, language: str) -> list[str]:
        """Returns the HTML of the password page for each reason and for each error."""
        return [*self.password_forms(theme, language), *self.final_password_pages(theme, language)]

    def password_forms(self, theme: Theme, language: str) -> list[str]:
        """Returns the HTML of the password page in the states in which it has fields."""
        reasons = [self.password(theme, language, reason=reason) for reason in PASSWORD_REASONS]
        errors = (error for error in PASSWORD_ERRORS if error not in FINAL_ERRORS)
        return reasons + [self.password(theme, language, error=error, retry_after=40) for error in errors]

    def final_password_pages(self, theme: Theme, language: str) -> list[str]:
        """Returns the HTML of the password page in the states in which the person can correct nothing."""
        return [self.password(theme, language, error=error) for error in PASSWORD_ERRORS if error in FINAL_ERRORS]

    def pages(self, theme: Theme) -> list[tuple[str, Elements]]:
        """Returns every page in every state and language, as (language, page). They are rendered once for all tests."""
        if type(self) not in _PAGES:
            states = page_states("skill", ("order_car", "scope_without_a_text"))
            _PAGES[type(self)] = [
                (language, Elements(theme.render(state.page, language, **state.context)))
                for language in theme.languages
                for state in states
            ]
        return _PAGES[type(self)]

    def test_every_page_is_shown_in_every_language(self, theme: Theme) -> None:
        assert set(PAGES) <= set(theme.pages)
        for language, page in self.pages(theme):
            (root,) = page.all("html")
            assert root["lang"] == language
            assert root["dir"] in ("ltr", "rtl")
            assert len(page.all("title")) == len(page.all("h1")) == 1
            assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")

    def test_every_state_has_its_own_sentence(self, theme: Theme) -> None:
        for language in theme.languages:
            headings = {self.login(theme, language, error=error, retry_after=40) for error in ("", *SIGN_IN_ERRORS)}
            assert len(headings) == 1 + len(SIGN_IN_ERRORS)
            states = set(self.password_states(theme, language))
            assert len(states) == len(PASSWORD_REASONS) + len(PASSWORD_ERRORS)

    def test_a_place_for_a_new_password_is_a_link_where_it_is_known(self, theme: Theme) -> None:
        for language in theme.languages:
            for error in PASSWORD_REASONS:
                page = Elements(self.login(theme, language, error=error, change_url=CHANGE_URL))
                assert [link["href"] for link in page.all("a")].count(CHANGE_URL) == 1
                assert CHANGE_URL not in self.login(theme, language, error=error)

    def test_the_least_length_is_said_where_it_is_known(self, theme: Theme) -> None:
        for language in theme.languages:
            for minimum in (1, 14):
                html = self.password(theme, language, error="too_short", minimum=minimum)
                assert str(minimum) in "".join(Elements(html).texts)
                assert html != self.password(theme, language, error="too_short")

    def test_the_rules_of_a_new_password_are_said_before_it_is_typed(self, theme: Theme) -> None:
        for language in theme.languages:
            page = Elements(self.password(theme, language, reason="password_expired", minimum=14))
            assert "14" in "".join(page.texts)
            ids = {attributes.get("id") for _, attributes in page.elements}
            described = page.inputs()["new_password"].get("aria-describedby", "").split()
            assert described
            assert set(described) <= ids

    def test_no_inline_script_or_style_and_nothing_from_elsewhere(self, theme: Theme) -> None:
        for _, page in self.pages(theme):
            assert not page.all("style")
            assert all("src" in script for script in page.all("script"))
            for tag, attributes in page.elements:
                assert not [name for name in attributes if name.startswith("on") or name in ("style", "target")]
                assert attributes.get("action", "/authorize").startswith("/authorize")
                if tag != "a":
                    links = [attributes[name] for name in ("src", "href") if name in attributes]
                    assert all(link.startswith((f"/static/{self.name}/", "data:,")) for link in links)

    def test_every_static_file_that_a_page_names_is_there(self, theme: Theme) -> None:
        for _, page in self.pages(theme):
            for _, attributes in page.elements:
                for link in (attributes.get("src", ""), attributes.get("href", "")):
                    if link.startswith("/static/"):
                        assert link.removeprefix(f"/static/{self.name}/") in theme.static

    def test_the_form_holds_what_sign_in_needs(self, theme: Theme) -> None:
        page = Elements(self.login(theme, username="ada", error="wrong_password"))
        form = page.form("post")
        # without an action attribute the browser posts to the URL of the page, with its query
        assert form.all("form")[0].get("action", "") == ""
        inputs = form.inputs()
        assert inputs["form_token"]["value"] == "1.token"
        assert inputs["username"]["value"] == "ada"
        expected = {"autocomplete": "username", "autocapitalize": "none", "autocorrect": "off", "spellcheck": "false"}
        assert expected.items() <= inputs["username"].items()
        assert inputs["username"]["type"] in ("text", "email")
        assert {"type": "password", "autocomplete": "current-password"}.items() <= inputs["password"].items()
        assert not inputs["password"].get("value")
        labelled = {label["for"] for label in form.all("label")}
        assert {inputs["username"]["id"], inputs["password"]["id"]} <= labelled
        check_buttons(form)

    def test_a_page_on_which_nothing_can_be_corrected_has_no_fields_and_only_leads_away(self, theme: Theme) -> None:
        for language in theme.languages:
            errors = [error for error in SIGN_IN_ERRORS if error in FINAL_ERRORS]
            logins = [self.login(theme, language, error=error, username="ada") for error in errors]
            for page in map(Elements, (*logins, *self.final_password_pages(theme, language))):
                form = page.form("post")
                assert form.inputs()["form_token"]["value"] == "1.token"
                check_final_buttons(form)
                assert [button.get("formaction") for button in page.all("button")].count("/authorize") == 1

    def test_the_field_for_a_telephone_number_opens_its_keyboard(self, theme: Theme) -> None:
        for language in theme.languages:
            page = Elements(self.login(theme, language, phone_example="020 7946 0000"))
            (field,) = (each for each in page.all("input") if each.get("name") == "username")
            assert {"inputmode": "tel", "autocomplete": "username tel", "dir": "ltr"}.items() <= field.items()
        page = Elements(self.login(theme))
        (field,) = (each for each in page.all("input") if each.get("name") == "username")
        assert field["inputmode"] != "tel"

    def test_another_language_is_a_choice_that_keeps_the_request(self, theme: Theme) -> None:
        """The language menu needs no script. It lists the languages of the theme by their own names."""
        query = (("state", "a+b/c=\"'<&"), ("unknown", ""), ("state", "again"))
        for language in theme.languages if len(theme.selectable_languages) > 1 else ():
            for html in (self.login(theme, language, query=query), self.password(theme, language, query=query)):
                form = Elements(html).form("get")
                assert form.all("form")[0].get("action", "") == ""
                hidden_fields = [
                    (field["name"], field["value"]) for field in form.all("input") if field["type"] == "hidden"
                ]
                assert hidden_fields == list(query)
                # inside the form, or anywhere with its id
                id_ = form.all("form")[0].get("id", "")
                buttons = form.all("button") + [
                    each for each in Elements(html).all("button") if each.get("form") == id_
                ]
                language_buttons = {each["value"]: each for each in buttons if each.get("name") == "ui_locales"}
                assert (
                    set(language_buttons)
                    == {choice.tag for choice in theme.selectable_languages}
                    <= set(theme.languages)
                )
                assert all(button["lang"] == tag for tag, button in language_buttons.items())
                assert all(choice.name in html for choice in theme.selectable_languages)
            assert "ui_locales" not in self.login(theme, language, query=None)

    def test_links_lead_where_a_phone_may_go(self, theme: Theme) -> None:
        for _, page in self.pages(theme):
            places = {f"#{attributes['id']}" for _, attributes in page.elements if "id" in attributes}
            links = [link["href"] for link in page.all("a")]
            assert all(link in places or link.startswith(("https://", "mailto:", "tel:", "otpauth:")) for link in links)

    def test_the_form_holds_what_a_change_of_the_password_needs(self, theme: Theme) -> None:
        for language in theme.languages:
            for html in self.password_forms(theme, language):
                form = Elements(html).form("post")
                assert form.all("form")[0].get("action", "") == ""
                inputs = form.inputs()
                assert inputs["form_token"]["value"] == "1.token"
                assert {"value": "ada", "autocomplete": "username"}.items() <= inputs["username"].items()
                assert "readonly" in inputs["username"]
                password_fields = {"password": "current", "new_password": "new", "repeated_password": "new"}
                for name, autocomplete in password_fields.items():
                    expected = {"type": "password", "autocomplete": f"{autocomplete}-password"}
                    assert expected.items() <= inputs[name].items()
                    assert not inputs[name].get("value")
                assert set(inputs) == {"form_token", "username", *password_fields}
                assert {inputs[name]["id"] for name in ("username", *password_fields)} <= {
                    lb["for"] for lb in form.all("label")
                }
                check_buttons(form)

    def test_the_field_that_is_wrong_is_marked(self, theme: Theme) -> None:
        wrong = {"wrong_password": "password", "too_short": "new_password", "mismatch": "repeated_password"}
        for error, name in wrong.items():
            inputs = Elements(self.password(theme, error=error)).inputs()
            invalid_fields = {field for field, attributes in inputs.items() if attributes.get("aria-invalid") == "true"}
            assert name in invalid_fields
            assert ("password" in invalid_fields) == (name == "password")
        assert "aria-invalid" not in self.password(theme, error="unavailable")

    def test_an_error_is_announced_and_takes_the_focus(self, theme: Theme) -> None:
        error_pages = [self.login(theme, error=error, retry_after=40) for error in SIGN_IN_ERRORS]
        error_pages += [self.password(theme, error=error, retry_after=40) for error in PASSWORD_ERRORS]
        for page in map(Elements, error_pages):
            (alert,) = [attributes for _, attributes in page.elements if attributes.get("role") == "alert"]
            assert "autofocus" in alert
            assert alert["tabindex"] == "-1"
        assert "role=" not in self.login(theme) + self.password(theme)

    def test_hostile_text_stays_text(self, theme: Theme) -> None:
        for language in theme.languages:
            reference = Elements(self.login(theme, language))
            page = Elements(
                self.login(theme, language, client_id="hostile", scopes=("hostile", HOSTILE), username=HOSTILE)
            )
            assert [tag for tag, _ in page.elements] == [tag for tag, _ in reference.elements]
            assert HOSTILE in "".join(page.texts)
            reference = Elements(self.password(theme, language))
            page = Elements(self.password(theme, language, client_id="hostile", username=HOSTILE))
            assert [tag for tag, _ in page.elements] == [tag for tag, _ in reference.elements]

    def test_the_first_view_is_light(self, theme: Theme) -> None:
        html = self.login(theme)
        names = [name for name in theme.static if f"/{name}" in html]
        compressed_size = sum(
            len(gzip.compress(body)) for body in [html.encode(), *(theme.static[n].body for n in names)]
        )
        assert compressed_size <= WEIGHT_LIMIT
