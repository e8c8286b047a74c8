"""Tests of /links, where people see and end their own links."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from linkauth.login.pending import PENDING_SECONDS
from linkauth.storage.tables import challenges, links
from tests.alexa import Alexa, https
from tests.conftest import HIGH_THROTTLE_LIMITS
from tests.own_links.visit import Visit

OTHER = {"client_id": "other", "redirect_uri": "https://other.example.com/cb", "scope": "private"}


@pytest.fixture(scope="module")
def site(make_app: Callable[..., Any]) -> Any:
    return https(make_app(**HIGH_THROTTLE_LIMITS))


@pytest.fixture
def visit(site: Any) -> Iterator[Visit]:
    visit = Visit(site)
    with visit.services.engine.begin() as connection:
        connection.execute(update(links).where(links.c.ended_at.is_(None)).values(ended_at=1, end_reason="before"))
    return visit


def link(visit: Visit, username: str = "ada", **parameters: str) -> str:
    """Links as the Alexa app does, and returns the access token."""
    alexa = Alexa(visit.app)
    alexa.parameters |= parameters
    return str(alexa.link(username, {"ada": "lovelace-1815", "grace": "hopper-1906"}[username])["access_token"])


def is_active(visit: Visit, token: str, client: str = "alexa", secret: str = "the alexa client's secret") -> bool:
    return bool(Alexa(visit.app).introspect(token, client, secret).json["active"])


def test_a_person_sees_what_is_linked_and_ends_one_of_it(visit: Visit) -> None:
    token, other, of_grace = link(visit), link(visit, **OTHER), link(visit, "grace")
    assert is_active(visit, token)
    visit.sign_in()
    assert sorted(visit.skills) == ["Other Skill", "Ride Hailer"]
    assert "Linked on" in visit.text
    # with the email address of the account as the user name, and in another case
    assert Visit(visit.app).sign_in("ADA", "lovelace-1815").skills == visit.skills
    visit.send("end", "alexa")
    assert visit.heading == "Unlink Ride Hailer?"
    assert is_active(visit, token)
    visit.send("back")
    assert sorted(visit.skills) == ["Other Skill", "Ride Hailer"]
    visit.send("end", "alexa").send("confirmed")
    assert visit.skills == ["Other Skill"]
    assert "Ride Hailer is no longer linked" in visit.text
    assert not is_active(visit, token)
    assert is_active(visit, other, "other", "the other client's secret")
    assert is_active(visit, of_grace)
    with visit.services.engine.connect() as connection:
        reasons = select(links.c.client_id, links.c.end_reason, links.c.ended_at).order_by(links.c.id.desc()).limit(3)
        assert [tuple(row)[:2] for row in connection.execute(reasons)] == [
            ("alexa", None),
            ("other", None),
            ("alexa", "person"),
        ]


def test_all_links_end_at_once_and_those_of_one_client_are_one_entry(visit: Visit) -> None:
    tokens = [link(visit), link(visit)]
    link(visit, **OTHER)
    assert sorted(visit.sign_in().skills) == ["Other Skill", "Ride Hailer"]
    visit.send("end_all")
    assert visit.heading == "Unlink all skills?"
    visit.send("confirmed")
    assert visit.skills == []
    assert "Your skills are no longer linked" in visit.text
    assert "No skill is linked" in visit.text
    assert not any(is_active(visit, token) for token in tokens)


def test_a_sign_in_without_a_token_is_no_link_yet(visit: Visit) -> None:
    alexa = Alexa(visit.app)
    alexa.parameters |= {
        "client_id": "home",
        "redirect_uri": "https://layla.amazon.com/api/skill/link/M2HOME0000000",
        "scope": "profile",
        "response_type": "code",
    }
    alexa.code()
    assert visit.sign_in().skills == []


def test_a_client_that_was_removed_is_shown_by_its_id(visit: Visit) -> None:
    link(visit)
    with visit.services.engine.begin() as connection:
        active = update(links).where(links.c.ended_at.is_(None))
        connection.execute(active.values(client_id="<b>removed</b>"))
    assert visit.sign_in().skills == ["<b>removed</b>"]
    visit.send("end", "<b>removed</b>").send("confirmed")
    assert visit.skills == []


def test_what_is_refused_is_said_like_on_the_login_page(visit: Visit) -> None:
    visit.open().send(username="ada", password="wrong", status=403)
    assert "The name or the password is wrong" in visit.text
    assert visit.soup.select_one("#username")["value"] == "ada"
    visit.send(username="konrad", password="zuse-1910", status=403)
    assert "Your account is deactivated" in visit.text
    assert "Alexa" not in visit.text


def test_a_session_ends_after_fifteen_minutes_and_with_the_button(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(visit)
    visit.sign_in()
    kept = visit.page
    visit.send("sign_out", status=303)
    assert visit.page.location == "https://link.example.com/links"
    visit.page = kept
    visit.send("end", "alexa", status=400)
    assert "This page was open for too long" in visit.text
    visit.sign_in()
    own_links = visit.services.own_links
    assert own_links is not None
    clock = own_links._clock
    monkeypatch.setattr(own_links, "_clock", lambda: clock() + PENDING_SECONDS)
    visit.send("end", "alexa", status=400)
    assert "This page was open for too long" in visit.text


def test_a_form_is_bound_to_its_session_and_to_our_own_pages(visit: Visit) -> None:
    token = link(visit)
    ada, grace = visit.sign_in(), Visit(visit.app).sign_in("grace")
    fields = {name: text for name, text in ada.page.forms[0].submit_fields() if name}
    of_grace = {name: text for name, text in grace.page.forms[0].submit_fields() if name}
    confirmed = {"confirmed": "1", "client": "alexa"}
    # the token of another session, of no session, and none
    for wrong in (of_grace["form_token"], ada.open().page.forms[0]["form_token"].value, ""):
        ada.post({**fields, **confirmed, "form_token": wrong}, status=400)
    ada.headers["Origin"] = "https://evil.example"
    ada.post({**fields, **confirmed}, status=400)
    assert is_active(visit, token)
    # grace ends what is her own only
    grace.post({**of_grace, **confirmed})
    assert is_active(visit, token)
    ada.headers["Origin"] = "https://link.example.com"
    ada.post({**fields, **confirmed})
    assert not is_active(visit, token)


def test_the_page_needs_no_cookie_is_not_kept_and_must_not_be_framed(visit: Visit) -> None:
    link(visit)
    for page in (visit.open().page, visit.sign_in().page, visit.send("end", "alexa").page):
        # only that of the throttle, which no form needs: `Visit` never sends it
        assert all("known" in cookie for cookie in page.headers.getall("Set-Cookie"))
        assert page.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["Referrer-Policy"] == "same-origin"


def test_a_person_without_links_is_told_so_and_a_sign_in_creates_none(visit: Visit) -> None:
    assert "No skill is linked with your Example Rides account" in visit.sign_in("grace").text
    with visit.services.engine.connect() as connection:
        assert connection.execute(select(links.c.id).where(links.c.ended_at.is_(None))).all() == []
        kept = connection.execute(select(challenges.c.data).where(challenges.c.purpose == "own_links")).scalars()
        # encrypted with the value in the page
        assert all("hopper" not in data and "grace" not in data for data in kept)


def test_the_foot_of_the_login_page_leads_to_it_in_the_same_language(visit: Visit) -> None:
    alexa = Alexa(visit.app)
    page = visit.app.get(alexa.url + "&ui_locales=ar", headers={"Accept-Language": "de"})
    (anchor,) = page.html.select("footer a[href^='/links']")
    assert anchor["href"] == "/links?ui_locales=ar"
    assert visit.app.get(anchor["href"]).html.html["lang"] == "ar"
    # not after an error, from which one could not come back, and not inside an app
    username = {"username": "ada", "password": "wrong"}
    form = {**dict(page.forms[0].submit_fields()), **username}
    shown = visit.app.post(page.request.url, form, headers={"Origin": "https://link.example.com"}, status=403)
    assert not shown.html.select("footer a[href^='/links']")
    webview = "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 Version/4.0 Chrome/126.0 Mobile Safari"
    embedded = visit.app.get(alexa.url, headers={"User-Agent": webview})
    assert not embedded.html.select("footer a[href^='/links']")
    assert visit.app.get("/").html.select("footer a[href^='/links']")


def test_without_the_setting_there_is_no_page_and_no_link(make_app: Callable[..., Any]) -> None:
    app = https(make_app(links_page="false"))
    assert "There is no such page" in app.get("/links", status=404).text
    app.post("/links/go/google", {}, status=404)
    assert "/links" not in app.get(Alexa(app).url).text
    assert "/links" not in app.get("/").text
