"""Tests of the login page in the embedded browser of an app, in which some sign-in providers refuse people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.sign_ins.phone import Phone
from tests.unit.web.test_embedded_browsers import BROWSERS, EMBEDDED

GOOGLE = {
    "sign_in__google__use": "oidc",
    "sign_in__google__preset": "google",
    "sign_in__google__client_id": "linkauth",
    "sign_in__google__client_secret": "the secret of linkauth",
}
WEB_VIEW, SAFARI = EMBEDDED["Alexa app on Android"], BROWSERS["Safari, SFSafariViewController"]


def shown(app: Any, user_agent: str) -> tuple[list[str], str]:
    """Returns the providers whose buttons the login page has, and the sentence that explains how to go on, or ""."""
    page = Phone(app).client.get(Phone(app).alexa.url, headers={"User-Agent": user_agent})
    buttons = [button["form"].removeprefix("go-") for button in page.html.select("button.provider")]
    forms = [form["id"].removeprefix("go-") for form in page.html.select("form[id^=go-]")]
    assert buttons == forms
    sentence = page.html.select_one("p.elsewhere")
    return buttons, sentence.get_text(" ", strip=True) if sentence else ""


def test_a_provider_that_refuses_embedded_browsers_is_explained_there_and_offered_elsewhere(
    make_provider_app: Callable[..., Any],
) -> None:
    app = make_provider_app(**GOOGLE)
    # pages are kept, so each browser comes twice
    for _ in range(2):
        buttons, sentence = shown(app, WEB_VIEW)
        assert buttons == ["corp", "apple"]
        assert sentence.startswith("Google does not open inside an app.")
        assert shown(app, SAFARI) == (["google", "corp", "apple"], "")


def test_the_only_way_in_is_offered_everywhere(make_provider_app: Callable[..., Any]) -> None:
    only = {"client__alexa__password_form": "false", "client__alexa__sign_ins": "google"}
    buttons, sentence = shown(make_provider_app(**GOOGLE, **only), WEB_VIEW)
    assert buttons == ["google"]
    assert sentence.startswith("Google may refuse to open inside an app.")


def test_patterns_of_the_deployer_replace_the_table(make_provider_app: Callable[..., Any]) -> None:
    app = make_provider_app(**GOOGLE, embedded_browsers="Kiosk/*")
    assert shown(app, "Kiosk/3")[0] == ["corp", "apple"]
    assert shown(app, WEB_VIEW) == (["google", "corp", "apple"], "")
    assert shown(make_provider_app(**GOOGLE, embedded_browsers="none"), WEB_VIEW)[1] == ""
