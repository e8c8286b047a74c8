"""Failures of account linking before the redirect that people report, each injected and named by `linkauth why`.

The number of a test is that of the failure. What linkauth cannot see, that a browser or Amazon stays away, is injected
by the next request not being sent.
"""

from __future__ import annotations

from webtest import TestApp

from tests.alexa import Alexa, basic
from tests.why.conftest import PITANGUI, SECRET, Linking, action, code_of, named

PUBLIC = "https://link.example.com"


def test_04_the_scope_offline_access_is_not_registered(linking: Linking) -> None:
    linking.alexa(scope="order_car offline_access").open(status=303)
    found = linking.last()
    assert (found["reached"], found["cause"]) == ("", "unknown_scope")
    assert named(found, "console field") == ["Scope"]
    assert "offline_access" in found["meaning"]


def test_07_only_the_redirect_uri_of_one_region_is_registered(linking: Linking) -> None:
    linking.alexa("region", PITANGUI).open(status=400)
    found = linking.last("region")
    assert (found["reached"], found["cause"]) == ("", "wrong_redirect_uri")
    assert PITANGUI in found["meaning"]
    assert named(found, "setting") == [
        "linkauth.client.region.alexa_vendor_id",
        "linkauth.client.region.redirect_uris",
    ]
    # without any attempt, the settings show it too
    problems = linking.why("--client", "region")["settings"]
    assert any("pitangui.amazon.com (North America)" in each["problem"] for each in problems)


def test_08_the_authorization_uri_was_pasted_with_its_query(linking: Linking) -> None:
    alexa = linking.alexa()
    pasted = alexa.url.replace("?", "?response_type=code&client_id=home&state=STATE&")
    linking.client.get(pasted, status=400)
    found = linking.last()
    assert found["cause"] == "repeated_parameter"
    assert action(found, "Your Web Authorization URI").startswith(f"it must be exactly {PUBLIC}/authorize")


def test_10_the_two_urls_are_swapped(linking: Linking) -> None:
    linking.client.get(linking.alexa().url.replace("/authorize", "/token"), status=400)
    found = linking.last()
    assert (found["reached"], found["cause"]) == ("", "swapped_urls")
    assert named(found, "console field") == ["Your Web Authorization URI", "Access Token URI"]
    linking.alexa().code()
    form = {"grant_type": "authorization_code", "code": "x" * 43, "client_id": "home", "client_secret": "x"}
    linking.client.post("/authorize", form, status=400)
    found = linking.last()
    assert (found["reached"], found["cause"]) == ("redirected_with_code", "swapped_urls")
    assert action(found, "Access Token URI") == f"it must be exactly {PUBLIC}/token"


def test_12_17_18_25_the_browser_or_amazon_never_arrives_after_the_redirect(linking: Linking) -> None:
    linking.alexa("pkce", code_challenge="a" * 43, code_challenge_method="S256").submit(
        "ada", "lovelace-1815", status=303
    )
    found = linking.last("pkce")
    assert (found["reached"], found["cause"]) == ("redirected_with_code", "")
    for cause in ("form-action", "pop-up blocker", "certificate", "firewall"):
        assert cause in found["meaning"]
    assert named(found, "command") == [f"linkauth doctor {linking.ini}"]
    assert named(found, "console field") == ["Access Token URI"]
    assert any("VPN" in each["action"] for each in found["corrections"])


def test_13_14_the_browser_does_not_come_back_from_a_sign_in_provider(linking: Linking) -> None:
    page = linking.alexa("provided").open()
    button = next(form for form in page.forms.values() if "/go/" in form.action)
    button.submit(
        headers={"Origin": PUBLIC, "User-Agent": "Mozilla/5.0 (Linux; Android 14; wv) Chrome/120"}, status=303
    )
    found = linking.last("provided")
    assert found["reached"] == "at_provider"
    assert "mailbox" in found["meaning"]
    assert named(found, "console field") == ["Domain List"]
    assert "linkauth.embedded_browsers" in named(found, "setting")


def at_provider(linking: Linking, browser: TestApp) -> str:
    """Begins a sign-in at the provider, and returns the URL to which the provider sends the browser back."""
    alexa = Alexa(browser, dict(linking.alexa("provided").parameters))
    button = next(form for form in alexa.open().forms.values() if "/go/" in form.action)
    state = button.submit(headers=alexa.headers, status=303).location.partition("state=")[2]
    return f"/authorize/return/mailbox?state={state}&code=x"


def test_16_the_browser_has_lost_its_cookie_on_the_way(linking: Linking) -> None:
    back = at_provider(linking, linking.client)
    linking.client.reset()
    linking.client.get(back, status=403)
    found = linking.last("provided")
    assert (found["reached"], found["cause"]) == ("at_provider", "other_browser")
    assert "SameSite=Strict" in found["meaning"]
    assert "linkauth.client.provided.password_form" in named(found, "setting")


def test_15_a_passkey_or_code_of_the_second_step_never_comes(linking: Linking) -> None:
    linking.alexa("careful").submit("ada", "lovelace-1815")
    found = linking.last("careful")
    assert found["reached"] == "second_factor"
    assert "linkauth.passkeys" in named(found, "setting")


def test_17_25_the_login_page_was_shown_and_nothing_else(linking: Linking) -> None:
    linking.alexa().open(status=200)
    found = linking.last()
    assert (found["reached"], found["cause"], found["is_recent"]) == ("opened", "", True)
    assert "linkauth theme check" in named(found, "command")
    assert "pop-up" in str(found["corrections"])


def test_18_the_request_came_without_https(linking: Linking) -> None:
    http = {**linking.client.extra_environ, "wsgi.url_scheme": "http"}
    linking.alexa().open(status=403, extra_environ=http)
    found = linking.last()
    assert found["cause"] == "insecure_transport"
    assert "linkauth.trusted_proxies" in named(found, "setting")
    assert "https://" in action(found, "Your Web Authorization URI")


def test_19_no_attempt_is_without_a_reason_and_names_are_found(linking: Linking) -> None:
    linking.alexa().submit("Grace", "wrong-password", status=403)
    text = linking.run("--person", " GRACE ", "--client", "home")
    assert "sign-in refused" in text
    assert "last step: the login page was shown" in text
    assert "meaning:" in text
    assert "correct:" in text
    everything = linking.why("--limit", "1000")
    assert all(each["meaning"] and each["corrections"] for each in everything["attempts"])
    assert "is not known" not in str(everything)


def test_23_a_strict_check_of_the_origin_refuses_the_form(linking: Linking) -> None:
    alexa = linking.alexa()
    alexa.headers = {"Origin": "https://link.example.com:8443"}
    alexa.submit("ada", "lovelace-1815", status=400)
    found = linking.last()
    assert (found["reached"], found["cause"]) == ("opened", "cross_site")
    assert named(found, "setting") == ["linkauth.public_url"]
    assert "https://link.example.com:8443" in found["meaning"]


def test_24_somebody_else_was_linked_than_expected(linking: Linking) -> None:
    alexa = linking.alexa()
    alexa.submit("grace", "wrong-password", status=403)
    code_of(alexa.submit("ada", "lovelace-1815", status=303))
    # whoever asks for grace learns that the attempt has ended with the link of ada
    found = linking.why("--person", "grace", "--client", "home", "--limit", "1")["attempts"][-1]
    assert found["person"] == "ada (staff)"
    assert found["reached"] == "redirected_with_code"


def test_an_unknown_client_id_is_shown_without_a_filter(linking: Linking) -> None:
    linking.alexa("ride-hailer").open(status=400)
    linking.client.post("/token", {"grant_type": "x"}, headers=basic("ride-hailer", SECRET), status=401)
    document = linking.why("--limit", "1")
    assert document["attempts"][-1]["cause"] == "unknown_client"
    assert "'ride-hailer'" in document["attempts"][-1]["meaning"]
    assert [each["cause"] for each in document["requests"] if not each["client_id"]] == ["unknown_client"]
