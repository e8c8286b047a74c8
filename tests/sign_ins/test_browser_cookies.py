"""Tests of the cookie that binds a sign-in at a provider to its browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from webtest import TestApp

from tests.alexa import query
from tests.sign_ins.phone import ADA, BROWSER, OTHER, RETURN, Phone, answer
from tests.sign_ins.stand_in import code_of

CODE = code_of(**ADA)


def test_cookies_are_only_for_this_host_and_not_for_scripts(provider_app: Any) -> None:
    client = TestApp(provider_app, extra_environ=BROWSER)
    phone = Phone(provider_app)
    page = client.get(phone.alexa.url)
    cookies = page.headers.getall("Set-Cookie")
    expected = (("__Host-linkauth-browser", "Lax"), ("__Host-linkauth-browser-post", "None"))
    for cookie, (name, same_site) in zip(cookies, expected, strict=True):
        first, *attributes = cookie.split("; ")
        assert first.partition("=")[0] == name
        assert len(first.partition("=")[2]) == 43
        assert attributes == ["Path=/", "Secure", "HttpOnly", f"SameSite={same_site}"]
    # a kept page has no cookie of another person, and a browser keeps its own
    other = Phone(provider_app).alexa.open()
    assert not set(cookies) & set(other.headers.getall("Set-Cookie"))
    assert client.get(phone.alexa.url).headers.getall("Set-Cookie") == []
    forged = {"Cookie": "__Host-linkauth-browser=x; __Host-linkauth-browser-post=" + "\xe9" * 43}
    page = TestApp(provider_app, extra_environ=BROWSER).get(phone.alexa.url, headers=forged)
    assert len(page.headers.getall("Set-Cookie")) == 2
    phone.alexa.parameters |= OTHER
    (only,) = Phone(provider_app).client.get(phone.alexa.url).headers.getall("Set-Cookie")
    assert "SameSite=Lax" in only


def test_without_providers_no_cookie_is_set(phone: Phone) -> None:
    phone.alexa.parameters |= {"client_id": "single", "redirect_uri": "https://single.example.com/cb", "scope": ""}
    assert "Set-Cookie" not in phone.alexa.open().headers


def test_development_without_https_needs_no_secure_cookie(make_provider_app: Callable[..., Any]) -> None:
    app = make_provider_app(public_url="http://127.0.0.1:6543")
    client = TestApp(app, extra_environ={"HTTP_HOST": "127.0.0.1:6543"})
    phone = Phone(app)
    page = client.get(phone.alexa.url)
    (cookie,) = page.headers.getall("Set-Cookie")
    assert cookie.startswith("linkauth-browser=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
    for provider in ("google", "apple"):
        form = {"form_token": phone.form_token(page)}
        url = f"/authorize/go/{provider}?{phone.raw_query}"
        sent = query(client.post(url, form, headers={"Origin": "http://127.0.0.1:6543"}, status=303).location)
        if provider == "google":
            client.get(f"{RETURN}google?{urlencode(answer(sent, CODE))}", status=303)
        else:
            # the cookie cannot come with a form of another site, so the person confirms the link
            page = TestApp(app).post(f"{RETURN}apple", answer(sent, CODE), status=200)
            assert page.html.find("form", {"method": "post"})["action"].startswith("/authorize/confirm?")
