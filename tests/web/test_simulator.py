"""Tests of the simulator: it plays both grants for every client, in every region, and disables the skill."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from webtest import TestApp

from linkauth.simulator.alexa import State
from linkauth.testing.elements import Elements

ORIGIN = "http://127.0.0.1:6543"
SECRET = "only for tests, 32 characters or more"
SETTINGS = {
    "public_url": ORIGIN,
    "simulator__client": "overlap",
    # a client of another platform
    "client__single__platform": "google",
    "client__single__google_project_id": "example-rides-1234",
    "client__single__redirect_uris": None,
}


@pytest.fixture(scope="module")
def app(make_app: Callable[..., Any]) -> TestApp:
    environ = {"HTTP_HOST": "127.0.0.1:6543", "HTTP_ORIGIN": ORIGIN, "HTTP_ACCEPT_LANGUAGE": "en"}
    return TestApp(make_app(**SETTINGS), extra_environ=environ)


class Phone:
    """The browser of a person who enables a skill on the page of the simulator."""

    def __init__(self, app: TestApp) -> None:
        self.app = app
        self.location = ""

    def link(self, **query: str) -> Any:
        """Enables the skill, signs in as ada, follows the redirect, and returns the page with the result."""
        page = self.app.get("/simulator/enable", query).follow()
        form = page.forms[0]
        form["username"], form["password"] = "ada", "lovelace-1815"
        self.location = form.submit(page.request.url.partition("6543")[2]).location
        return self.process()

    def process(self) -> Any:
        """Loads the page of the redirect endpoint and sends its form, as its script does."""
        url = urlsplit(self.location)
        page = self.app.get(f"{url.path}?{url.query}")
        prefilled = page.forms["response"]["response"].value
        return self.app.post(url.path, {"response": prefilled or url.fragment})

    @property
    def response(self) -> dict[str, str]:
        url = urlsplit(self.location)
        return dict(parse_qsl(url.fragment or url.query))


def headline(page: Any) -> str:
    return re.sub(r"<[^>]+>", "", page.text.partition("<h1")[2].partition(">")[2].partition("</h1>")[0])


def cards(app: TestApp) -> list[dict[str, list[str]]]:
    """Returns the form of each client on the front page: its hidden fields and the values of its selects."""
    found = []
    for form in app.get("/").forms.values():
        fields = {name: [field] for name, (field,) in form.fields.items() if name}
        found.append(
            {
                name: [value for value, _, _ in field.options] if hasattr(field, "options") else [field.value]
                for name, (field,) in fields.items()
            }
        )
    return found


def test_every_client_links_with_each_of_its_grants_in_each_region(app: TestApp) -> None:
    found = cards(app)
    names = [card["client"][0] for card in found]
    # the first one is that of linkauth.simulator.client; a resource server has no grants
    assert names == ["overlap", "alexa", "other", "single", "expiring", "home", "app"]
    for card in found:
        assert "region" in card or card["client"][0] not in ("alexa", "home")
        for grant in card.get("grant", [""]):
            for region in card.get("region", [""]):
                chosen = {"client": card["client"][0], "grant": grant, "region": region}
                phone = Phone(app)
                page = phone.link(**{name: value for name, value in chosen.items() if value})
                assert headline(page) == "Linked as ada", (chosen, page.text)
                assert not re.search(r'class="bad"', page.text), chosen
                assert region in urlsplit(phone.location).path
                by_code = "code" in phone.response
                assert by_code == (grant == "authorization_code" or chosen["client"] in ("home", "app")), chosen


def test_the_pages_speak_the_language_of_the_browser(app: TestApp) -> None:
    for header, language, direction, heading, linked in (
        ("de-AT, en;q=0.5", "de", "ltr", "Alexa-Simulator", "Verknüpft als ada"),
        ("ar-SA", "ar", "rtl", "محاكي Alexa", "تم الربط باسم \u2068ada\u2069"),
        ("ja", "ja", "ltr", "Alexaシミュレーター", "adaとしてリンクしました"),
        ("pt-PT", "pt-BR", "ltr", "Simulador da Alexa", "Conta vinculada: ada"),
        ("xx", "en", "ltr", "Alexa simulator", "Linked as ada"),
    ):
        phone = Phone(app)
        phone.app = TestApp(app.app, extra_environ={**app.extra_environ, "HTTP_ACCEPT_LANGUAGE": header})
        page = phone.app.get("/")
        html = Elements(page.text).all("html")[0]
        assert (html["lang"], html["dir"]) == (language, direction)
        assert page.headers["Content-Language"] == language
        assert page.headers["Vary"] == "Accept-Language"
        assert headline(page) == heading
        result = phone.link(client="home")
        assert headline(result) == linked
        # a chosen language is kept until the link is made, and in the forms of its page
        chosen = Phone(phone.app).link(client="home", ui_locales="hi")
        assert headline(chosen) == "ada के रूप में लिंक हो गया"
        assert headline(chosen.forms[1].submit()) == "लिंक खत्म हो गया"


def test_the_regions_of_alexa_have_names(app: TestApp) -> None:
    text = app.get("/").text
    for host, name in (
        ("pitangui.amazon.com", "North America"),
        ("layla.amazon.com", "Europe and India"),
        ("alexa.amazon.co.jp", "Far East"),
    ):
        assert f'<option value="{host}">{name}</option>' in text
        page = app.get(f"/simulator/{host}/api/skill/link/M2HOME0000000")
        assert f"Redirect endpoint · {name}" in page
    assert '<option value="oauth-redirect.googleusercontent.com">' in text


def test_the_code_grant_uses_pkce_and_shows_every_token_whole(app: TestApp) -> None:
    phone = Phone(app)
    page = phone.link(client="home")
    sent = dict(parse_qsl(urlsplit(app.get("/simulator/enable?client=home").location).query))
    assert (sent["response_type"], sent["code_challenge_method"]) == ("code", "S256")
    assert len(phone.response["state"]) == 1108
    texts = "".join(Elements(page.text).texts)
    # whole, although only its beginning is in view
    assert phone.response["state"] in texts
    assert f"{phone.response['state'][:24]}… Show all 1108 characters" in texts
    assert "the access token is valid for 3600 seconds" in texts
    # the scope `profile` gives the name
    assert '"name": "Ada Lovelace"' in texts
    refreshed = page.forms[0].submit()
    assert headline(refreshed) == "Tokens refreshed"
    old, new = (re.search(r'name="access_token" value="([^"]+)"', each.text) for each in (page, refreshed))
    assert old
    assert new
    assert old[1] != new[1]
    assert new[1] in "".join(Elements(refreshed.text).texts)


@pytest.mark.parametrize("client", ["alexa", "home", "app"])
def test_disabling_the_skill_ends_the_link(app: TestApp, client: str) -> None:
    page = Phone(app).link(client=client)
    disabled = page.forms[0 if client == "alexa" else 1].submit()
    assert headline(disabled) == "Link ended"
    assert "the access token is no longer valid" in disabled
    assert not disabled.forms
    if client != "app":
        assert '"active": false' in "".join(Elements(disabled.text).texts)
    if client == "home":
        again = page.forms[0].submit()
        assert headline(again) == "Tokens not refreshed"
        assert "invalid_grant" in again


def test_a_response_that_alexa_would_refuse_is_explained(app: TestApp, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = Phone(app)
    phone.link(client="home")
    # the same code a second time
    page = phone.process()
    assert headline(page) == "Not linked"
    assert "the server answered: 400 invalid_grant" in page
    state = State(SECRET).new(client="5", grant="authorization_code", language="en")
    path = "/simulator/layla.amazon.com/api/skill/link/M2HOME0000000"
    for response, problem in (
        ("", "the address of this page contains no response"),
        ("code=x", "the state is missing"),
        (f"state={state.replace('+', ' ')}&code=x", "the state was modified"),
        (f"state={state[:-8]}AAAAAAA%3D&code=x", "the state differs from the one that was sent"),
        (f"state={state}&error=access_denied&error_description=The+user", "the server answered: access_denied: The"),
        (f"state={state}", "code is missing"),
        (f"state={state}&code=x", "400 invalid_grant"),
        (f"state={state}&code=%00%ff%3Cscript%3E", "400"),
    ):
        page = app.post(path, {"response": response})
        assert headline(page) == "Not linked"
        assert problem in page.text, response
        assert "<script>" not in page
    monkeypatch.setattr("linkauth.simulator.alexa.STATE_SECONDS", -1)
    assert "older than an hour" in app.post(path, {"response": f"state={state}&code=x"})


def test_what_the_simulator_does_not_know_is_refused(app: TestApp) -> None:
    for path in (
        "/simulator/enable?client=nobody",
        "/simulator/enable?client=skill-backend",
        "/simulator/enable?client=alexa&grant=authorization_code",
        "/simulator/enable?client=alexa&grant=x",
        "/simulator/enable?client=alexa&region=mars",
        "/simulator/static/views.py",
    ):
        app.get(path, status=404)
    for path in ("/simulator/refresh", "/simulator/disable"):
        app.post(path, {"client": "nobody"}, status=404)
        app.post(path, {"client": "home"}, extra_environ={"HTTP_ORIGIN": "https://evil.example.com"}, status=400)
    page = app.post("/simulator/refresh", {"client": "home"})
    assert headline(page) == "Tokens not refreshed"


def test_an_application_without_the_simulator_has_no_redirect_uris_for_it(make_app: Callable[..., Any]) -> None:
    app = TestApp(make_app(public_url=ORIGIN), extra_environ={"HTTP_HOST": "127.0.0.1:6543"})
    uri = f"{ORIGIN}/simulator/layla.amazon.com/api/skill/link/M2HOME0000000"
    query = {"client_id": "home", "response_type": "code", "redirect_uri": uri}
    assert app.get("/authorize", query, status=400).content_type == "text/html"
    app.get("/simulator/enable", status=404)
