"""Contract tests for the buttons of sign-in providers and for the pages of the second factor of a theme."""

from __future__ import annotations

from typing import Any

from linkauth.testing.elements import Elements
from linkauth.testing.theme_steps import HOSTILE, step
from linkauth.themes.providers import ProviderButton
from linkauth.themes.sign_in_states import (
    EVERY_PROVIDER,
    FACTOR_METHODS,
    OTPAUTH_URI,
    PROVIDER_ERRORS,
    PROVIDERS,
    RECOVERY_CODES,
    SECRET,
)
from linkauth.themes.states import page_states
from linkauth.themes.theme import Theme

QUERY = "client_id=skill&state=%22%3Ca&ui_locales=en"
ACTION = f"/authorize?{QUERY}"


def login(theme: Theme, language: str = "en", **changes: Any) -> str:
    """Returns the HTML of the login page with the example providers."""
    (context, *_) = [state.context for state in page_states("skill", ("order_car",)) if state.page == "login"]
    given = {"form_token": "1.token", "sign_ins": PROVIDERS, "raw_query": QUERY}
    return theme.render("login", language, **{**context, **given, **changes})


def offered(page: Elements) -> list[str]:
    """Returns the names of the providers with a button, and checks that each button sends a form of its own."""
    forms = {form.all("form")[0]["id"]: form for form in page.provider_forms()}
    buttons = [button for button in page.all("button") if button.get("form") in forms]
    assert [button["form"] for button in buttons] == list(forms)
    for button in buttons:
        assert button.get("type", "submit") == "submit"
        form = forms[button["form"]]
        assert form.all("form")[0]["method"] == "post"
        assert [(field["name"], field["value"]) for field in form.all("input")] == [("form_token", "1.token")]
    addresses = [form.all("form")[0]["action"].partition("?") for form in forms.values()]
    assert {query for _, _, query in addresses} <= {QUERY}
    assert all(path.startswith("/authorize/go/") for path, _, _ in addresses)
    return [path.removeprefix("/authorize/go/") for path, _, _ in addresses]


class SignInPagesContract:
    """The tests of ThemeContract for sign-in providers and the second factor."""

    def test_each_provider_has_a_button_that_needs_no_script(self, theme: Theme) -> None:
        for language in theme.languages:
            for password_form in (True, False):
                html = login(theme, language, sign_ins=EVERY_PROVIDER, password_form=password_form)
                page = Elements(html)
                assert offered(page) == [each.name for each in EVERY_PROVIDER]
                names = "".join(page.texts)
                assert all(each.brand_name in names for each in EVERY_PROVIDER)
                assert ("password" in page.form("post").inputs()) == password_form
                assert "cancel" in [button.get("name") for button in page.form("post").all("button")]
            assert not Elements(login(theme, language, sign_ins=())).provider_forms()

    def test_a_provider_that_refuses_embedded_browsers_is_hidden_only_if_there_is_another_way(
        self, theme: Theme
    ) -> None:
        google = PROVIDERS[:1]
        for language in theme.languages:
            plain = {embedded: Elements(login(theme, language, embedded=embedded)) for embedded in (False, True)}
            assert offered(plain[False]) == ["google", "amazon"]
            assert offered(plain[True]) == ["amazon"]
            # the sentence that explains it
            assert "Google" in "".join(plain[True].texts)
            assert offered(Elements(login(theme, language, embedded=True, sign_ins=google))) == []
            others = Elements(login(theme, language, embedded=True, password_form=False))
            assert offered(others) == ["amazon"]
            only = [
                login(theme, language, sign_ins=google, password_form=False, embedded=embedded)
                for embedded in (False, True)
            ]
            assert [offered(Elements(html)) for html in only] == [["google"]] * 2
            assert len("".join(Elements(only[1]).texts)) > len("".join(Elements(only[0]).texts))

    def test_errors_of_a_provider_name_it_and_offer_every_way(self, theme: Theme) -> None:
        for language in theme.languages:
            pages = [login(theme, language, error=error, provider="Google") for error in PROVIDER_ERRORS]
            assert len(set(pages)) == len(PROVIDER_ERRORS)
            for page in map(Elements, pages):
                assert offered(page) == ["google", "amazon"]
                assert "password" in page.form("post").inputs()
            new = login(theme, language, error="provider_unmatched", provider="Google", registration=True)
            assert "/authorize/register" in [button.get("formaction") for button in Elements(new).all("button")]
            known = login(theme, error="provider_unmatched", registration=True, prefill="1.prefill")
            (form,) = Elements(known).forms("prefilled")
            assert form.all("form")[0]["action"] == f"/authorize/register?{QUERY}"
            assert {name: field["value"] for name, field in form.inputs().items()} == {
                "form_token": "1.token",
                "prefill": "1.prefill",
            }
            assert "prefilled" in [button.get("form") for button in Elements(known).all("button")]

    def test_every_form_is_posted_to_the_action(self, theme: Theme) -> None:
        for state in page_states("skill", ("order_car",)):
            if "form_token" not in state.context:
                continue
            context = {**state.context, "action": ACTION}
            form = Elements(theme.render(state.page, "en", **context)).form("post")
            assert form.all("form")[0]["action"] == ACTION
        # another language is not asked of the page of a provider's answer
        languages = Elements(login(theme, action=ACTION, query=[("state", "x")])).form("get")
        assert languages.all("form")[0]["action"] == "/authorize"

    def test_hostile_names_of_providers_stay_text(self, theme: Theme) -> None:
        pages = []
        for text in ("x", HOSTILE):
            button = ProviderButton("corp", HOSTILE, (("", text),), text, True)
            values: dict[str, Any] = {
                "sign_ins": (button,),
                "error": "provider_failed",
                "provider": text,
                "embedded": True,
            }
            pages += [
                Elements(login(theme, password_form=False, raw_query=text, action=f"/authorize?{text}", **values))
            ]
        plain, hostile = pages
        assert [tag for tag, _ in plain.elements] == [tag for tag, _ in hostile.elements]
        assert HOSTILE in "".join(hostile.texts)

    def test_each_method_has_its_field_and_leads_to_the_others(self, theme: Theme) -> None:
        fills = {"totp": "one-time-code", "mail": "one-time-code", "recovery_code": "off"}
        for language in theme.languages:
            pages = {}
            for method in FACTOR_METHODS:
                html = step(theme, "second_factor", language, method=method, methods=FACTOR_METHODS)
                form = Elements(html).form("post")
                pages[method] = html.replace(method, "")
                others = [button["value"] for button in form.all("button") if button.get("name") == "switch"]
                assert others == [each for each in FACTOR_METHODS if each != method]
                if method in fills:
                    field = form.inputs()["code"]
                    assert {"autocomplete": fills[method], "dir": "ltr", "type": "text"}.items() <= field.items()
                    assert (field.get("inputmode") == "numeric") == (method == "totp")
                    assert field["id"] in {label["for"] for label in form.all("label") if "for" in label}
            assert len(set(pages.values())) == len(FACTOR_METHODS)
        assert '"switch"' not in step(theme, "second_factor", methods=("totp",))

    def test_passkeys_are_hidden_until_a_script_shows_them_and_the_script_gets_the_options(self, theme: Theme) -> None:
        options = '{"rpId": "link.example.com", "challenge": "<&\'"}'
        for language in theme.languages:
            form = Elements(step(theme, "second_factor", language, methods=FACTOR_METHODS)).form("post")
            (button,) = (each for each in form.all("button") if each.get("value") == "passkey")
            assert "hidden" in button
            for page, values in (
                ("second_factor", {}),
                ("second_factor", {"method": "passkey", "methods": FACTOR_METHODS}),
                ("second_factor_setup", {}),
            ):
                html = step(theme, page, language, passkey_options=options, **values)
                field = Elements(html).form("post").inputs()["passkey"]
                assert (field["type"], field["data-passkey"], field.get("value", "")) == ("hidden", options, "")
                assert "passkey" not in Elements(step(theme, page, language, **values)).form("post").inputs()

    def test_the_device_is_remembered_only_for_a_known_time(self, theme: Theme) -> None:
        for language in theme.languages:
            page = Elements(step(theme, "second_factor", language, remember_days=30))
            assert page.inputs()["remember"]["type"] == "checkbox"
            assert "checked" not in page.inputs()["remember"]
            assert "30" in "".join(page.texts)
            assert "remember" not in Elements(step(theme, "second_factor", language)).inputs()

    def test_the_key_of_an_app_is_a_link_a_text_and_a_code(self, theme: Theme) -> None:
        for language in theme.languages:
            html = step(theme, "second_factor_setup", language)
            page = Elements(html)
            assert OTPAUTH_URI in [link["href"] for link in page.all("a")]
            assert SECRET in "".join("".join(page.texts).split())
            assert "<path" in html
            assert "skip" not in [button.get("name") for button in page.all("button")]
            later = Elements(step(theme, "second_factor_setup", language, optional=True)).form("post")
            assert "skip" in [button.get("name") for button in later.all("button")]
            mailed = Elements(step(theme, "second_factor_setup", language, methods=("mail",))).form("post")
            assert ("switch", "mail") in [(button.get("name"), button.get("value")) for button in mailed.all("button")]
            assert {"inputmode": "numeric", "autocomplete": "one-time-code"}.items() <= page.inputs()["code"].items()

    def test_the_confirmation_shows_the_client_the_scopes_and_the_account(self, theme: Theme) -> None:
        for language in theme.languages:
            page = Elements(step(theme, "confirm", language, scopes=("order_car", "unknown_scope"), account=HOSTILE))
            texts = [text.strip() for text in page.texts]
            assert {HOSTILE, "Google", "Order a taxi", "unknown_scope"} <= set(texts)
            assert all(name in "".join(texts) for name in ("Ride Hailer", "Alexa"))
            assert set(page.form("post").inputs()) == {"form_token", "challenge"}
            without = Elements(step(theme, "confirm", language, scopes=()))
            assert len(without.all("li")) == len(page.all("li")) - 2

    def test_recovery_codes_are_texts_and_the_person_confirms_them(self, theme: Theme) -> None:
        for language in theme.languages:
            page = Elements(step(theme, "recovery_codes", language))
            assert set(RECOVERY_CODES) <= {text.strip() for text in page.texts}
            assert {"type": "checkbox", "required": ""}.items() <= page.form("post").inputs()["saved"].items()
