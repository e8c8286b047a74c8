"""Tests of /links with a second factor, with sign-in providers, with mails, and beside other themes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from linkauth.storage.mail_rows import MailRows
from linkauth.storage.tables import links, outbox
from linkauth.themes.states import MAIL, PAGES
from tests.alexa import Alexa, https, query
from tests.conftest import HIGH_THROTTLE_LIMITS
from tests.own_links.visit import Visit
from tests.second_factor.browser import Site
from tests.second_factor.conftest import ASKING
from tests.sign_ins.conftest import PROVIDERS, sign_in_plugin
from tests.sign_ins.phone import ADA, OTHER, answer
from tests.sign_ins.stand_in import code_of

__all__ = ["sign_in_plugin"]

# nothing listens on this port, so the mails stay in the outbox
SMTP = {
    "mail__host": "127.0.0.1",
    "mail__port": "9",
    "mail__security": "none",
    "mail__sender": "Rides <rides@example.com>",
}


def test_whoever_has_a_second_factor_is_asked_for_it_and_others_set_up_none(make_app: Callable[..., Any]) -> None:
    site = Site(https(make_app(**{**ASKING, **HIGH_THROTTLE_LIMITS})))
    browser = site.browser().enrol("ada")
    visit = Visit(site.app, "/links?ui_locales=de").sign_in()
    assert "challenge" in visit.page.text
    assert "Ride Hailer" not in visit.text
    challenge = visit.fields["challenge"]
    visit.send(code="000000" if browser.code() != "000000" else "111111", status=403)
    # the value of the second step is no session, and a session cannot be made up
    fields = {"form_token": visit.fields["form_token"], "session": challenge, "end_all": "1"}
    visit.post(fields, status=400)
    visit.sign_in().send(code=browser.code())
    assert visit.skills == ["Ride Hailer"]
    visit.send("end", "alexa").send("confirmed")
    assert visit.skills == []
    # the other direction: a second step that began here does not link
    assert Visit(site.app).sign_in("grace").skills == []
    assert site.enrolled() == 1


def test_a_second_step_of_the_page_does_not_link(make_app: Callable[..., Any]) -> None:
    site = Site(https(make_app(**{**ASKING, **HIGH_THROTTLE_LIMITS})))
    browser = site.browser().enrol("ada")
    before = site.links()
    visit = Visit(site.app).sign_in()
    challenge = visit.fields["challenge"]
    assert browser.sign_in() == "second_factor"
    browser.send(challenge=challenge, code=browser.code())
    assert browser.page.status_int == 403
    assert site.links() == before
    assert visit.send("cancel", status=303).page.location == "https://link.example.com/links"


@pytest.fixture(scope="module")
def provider_site(make_app: Callable[..., Any], sign_in_plugin: None) -> Any:
    return https(make_app(**{**PROVIDERS, **HIGH_THROTTLE_LIMITS, "client__home__password_form": "false"}))


def go(visit: Visit, provider: str) -> dict[str, str]:
    """Presses the button of a provider, and returns the parameters that the provider receives."""
    # WebTest has each form twice, by its number and by its id
    form = next(each for each in visit.page.forms.values() if each.action.startswith(f"/links/go/{provider}"))
    response = visit.app.post(form.action, dict(form.submit_fields()), headers=visit.headers, status=303)
    return query(response.location)


def test_people_sign_in_at_a_provider_without_cookies_and_see_their_links(provider_site: Any) -> None:
    Alexa(provider_site).link("ada", "lovelace-1815")
    for provider in ("google", "apple"):
        visit = Visit(provider_site, "/links?ui_locales=en").open()
        sent = go(visit, provider)
        visit.app.reset()
        returned = answer(sent, code_of(**ADA))
        url = f"/authorize/return/{provider}"
        if provider == "google":
            visit.page = visit.app.get(f"{url}?{urlencode(returned)}")
            # `own`: a person of the provider apple is another account, with other links
            assert visit.skills == ["Ride Hailer"]
            visit.send("end", "alexa")
            assert visit.page.request.path_qs == "/links?ui_locales=en"
            visit.send("confirmed")
        else:
            visit.page = visit.app.post(url, returned, headers={"Origin": "https://login.example.net"})
        assert visit.skills == []
    with visit.services.engine.connect() as connection:
        assert set(connection.execute(select(links.c.end_reason)).scalars()) == {"person"}


def test_errors_of_a_provider_are_shown_on_the_page(provider_site: Any) -> None:
    for failure, text in (("cancelled", "The sign-in was cancelled"), ("invalid", "did not work")):
        visit = Visit(provider_site).open()
        sent = go(visit, "google")
        visit.app.reset()
        visit.page = visit.app.get(f"/authorize/return/google?{urlencode(answer(sent, failure))}", status=403)
        assert text in visit.text
        assert "linked with it" in visit.text
        assert "Alexa" not in visit.text
        # the page goes on
        visit.send(username="ada", password="lovelace-1815")
        assert visit.heading == "Your linked skills"
    visit.page = visit.app.get(f"/authorize/return/google?{urlencode(answer(sent, failure))}", status=403)
    assert "already ended" in visit.text


def test_a_password_does_not_reach_a_client_for_which_it_is_not_offered(
    make_app: Callable[..., Any], sign_in_plugin: None
) -> None:
    settings = {**PROVIDERS, **HIGH_THROTTLE_LIMITS}
    site = https(make_app(**settings))
    Alexa(site).link("ada", "lovelace-1815")
    visit = Visit(site)
    assert visit.sign_in().skills == ["Ride Hailer"]
    database = f"sqlite:///{visit.services.engine.url.database}"
    without = https(make_app(**{**settings, "client__alexa__password_form": "false", "database": database}))
    visit = Visit(without).sign_in()
    assert visit.skills == []
    assert "Skills that need another way to sign in are not shown." in visit.text
    visit.send("end", "alexa")
    assert visit.heading == "Your linked skills"
    visit.send("confirmed", client="")
    with visit.services.engine.connect() as connection:
        assert connection.execute(select(links.c.ended_at)).scalars().all() == [None]


def test_a_mail_says_which_links_have_ended(make_app: Callable[..., Any]) -> None:
    site = https(make_app(**{**HIGH_THROTTLE_LIMITS, **SMTP}))
    alexa = Alexa(site)
    alexa.link("ada", "lovelace-1815")
    alexa.parameters |= OTHER
    alexa.link("ada", "lovelace-1815")
    visit = Visit(site, "/links?ui_locales=de").sign_in()
    visit.send("end_all").send("confirmed")
    services = visit.services
    with services.engine.connect() as connection:
        (row,) = connection.execute(select(outbox.c.sealed, outbox.c.key_id)).all()
    found = MailRows(services.settings.secret).read(*row)
    assert found is not None
    mail, _ = found
    assert (mail.kind, mail.recipient, mail.language) == ("links_ended", "ada@example.com", "de")
    parts = services.themes["default"].mail(
        mail.kind, mail.language, mail.client_id, mail.names, mail.code, mail.minutes
    )
    assert "Ride Hailer" in parts.text
    assert "Other Skill" in parts.html
    assert "Beispiel Fahrten" in parts.subject


def test_a_theme_without_these_pages_has_those_of_the_default_theme(
    make_app: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "plain_theme/templates").mkdir(parents=True)
    (tmp_path / "plain_theme/__init__.py").write_text("def includeme(config):\n    config.add_theme('plain_theme')\n")
    for page in (*PAGES, MAIL):
        blocks = "".join(f"{{% block {name} %}}{{% endblock %}}" for name in ("subject", "text", "html"))
        (tmp_path / "plain_theme/templates" / page).write_text(f"<p>plain</p>{blocks}")
    (tmp_path / "plain_theme-1.dist-info").mkdir()
    (tmp_path / "plain_theme-1.dist-info/METADATA").write_text("Name: plain-theme\nVersion: 1\n")
    (tmp_path / "plain_theme-1.dist-info/entry_points.txt").write_text("[linkauth.themes]\nplain = plain_theme\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    app = https(make_app(theme="plain", **HIGH_THROTTLE_LIMITS))
    assert app.get(Alexa(app).url).text == "<p>plain</p>"
    visit = Visit(app).sign_in()
    assert visit.heading == "Your linked skills"
    (sheet, *_) = [each["href"] for each in visit.soup.select("link[rel=stylesheet]")]
    assert sheet.startswith("/static/default/")
    assert app.get(sheet).content_type == "text/css"
    # a child theme inherits them
    assert "/static/vellmoor/page." in Visit(https(make_app(theme="vellmoor"))).open().page.text


def test_the_page_has_the_theme_of_the_site_and_not_that_of_a_client(make_app: Callable[..., Any]) -> None:
    app = https(make_app(client__alexa__theme="vellmoor", **HIGH_THROTTLE_LIMITS))
    assert "/static/vellmoor/" in app.get(Alexa(app).url).text
    for url in ("/links", "/links?client_id=alexa"):
        assert "/static/default/" in app.get(url).text
