"""Measures what Chromium's Web Authentication API does on pages with linkauth's response headers.

docs/passkeys.md relies on it. The virtual authenticator is that of the Chrome DevTools Protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.browser.conftest import ARGUMENTS, TIMEOUT
from tests.servers.development_server import DevelopmentServer
from tests.servers.virtual_authenticator import add_authenticator

WEB_VIEWS = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP1A.240505.005; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)
DETECT = """async () => {
  if (!window.PublicKeyCredential) return {secure: isSecureContext};
  return {
    secure: isSecureContext,
    platform: await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable(),
    conditional: await PublicKeyCredential.isConditionalMediationAvailable(),
  };
}"""
CALL = """async ([name, options, milliseconds]) => {
  const publicKey = {
    challenge: crypto.getRandomValues(new Uint8Array(32)), rp: {name: "Rides"}, userVerification: "required",
    user: {id: new Uint8Array([1]), name: "ada", displayName: "Ada"},
    pubKeyCredParams: [{type: "public-key", alg: -7}, {type: "public-key", alg: -257}],
    authenticatorSelection: {userVerification: "required", residentKey: "preferred"}, timeout: 10, ...options,
  };
  try {
    const found = await navigator.credentials[name]({publicKey, signal: AbortSignal.timeout(milliseconds)});
    return JSON.parse(new TextDecoder().decode(found.response.clientDataJSON));
  } catch (error) { return error.name; }
}"""
WORKS = {"secure": True, "platform": True, "conditional": True}


@pytest.fixture(scope="module")
def server(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevelopmentServer]:
    """A server with development.ini at the host name localhost."""
    started = DevelopmentServer(tmp_path_factory.mktemp("localhost"), host="localhost")
    started.start()
    yield started
    started.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(TIMEOUT)
    yield context.new_page()
    context.close()


def call(page: Any, name: str, milliseconds: int = TIMEOUT, **options: Any) -> Any:
    """Calls `navigator.credentials.create` or `.get`. Returns the client data, or the name of the exception."""
    return page.evaluate(CALL, [name, options, milliseconds])


def open_login_page(page: Page, server: DevelopmentServer, url: str = "") -> None:
    page.goto(f"{url or server.url}/simulator/enable")
    assert page.locator("#password").is_visible()


def test_a_page_with_our_headers_can_create_and_use_a_passkey(page: Page, server: DevelopmentServer) -> None:
    add_authenticator(page)
    open_login_page(page, server)
    assert page.evaluate(DETECT) == WORKS
    created, used = call(page, "create"), call(page, "get")
    assert (created["type"], used["type"]) == ("webauthn.create", "webauthn.get")
    assert created["origin"] == used["origin"] == server.url
    # the next page, after a form was posted
    page.fill("#username", "ada")
    page.fill("#password", "wrong")
    page.click("button.primary")
    page.get_by_role("alert").wait_for()
    assert call(page, "get")["origin"] == server.url


def test_without_an_authenticator_a_call_outlasts_its_timeout(page: Page, server: DevelopmentServer) -> None:
    open_login_page(page, server)
    assert page.evaluate(DETECT) == {"secure": True, "platform": False, "conditional": True}
    # the option is 10 milliseconds
    assert [call(page, name, 1_000) for name in ("create", "get")] == ["TimeoutError"] * 2


@pytest.mark.parametrize("name", ["create", "get"])
def test_the_relying_party_must_be_the_host_of_the_page(page: Page, server: DevelopmentServer, name: str) -> None:
    add_authenticator(page)
    open_login_page(page, server)
    # Chromium then looks for a list of related origins at this host, which is loopback
    other = "other.localhost"
    assert call(page, name, rp={"name": "Rides", "id": other}, rpId=other, timeout=TIMEOUT) == "SecurityError"


def test_an_ip_address_has_no_passkeys_although_the_browser_reports_them(page: Page, server: DevelopmentServer) -> None:
    add_authenticator(page)
    page.goto(f"http://127.0.0.1:{server.port}/health/live")
    assert page.evaluate(DETECT) == WORKS
    assert [call(page, name) for name in ("create", "get")] == ["SecurityError"] * 2


def test_a_person_who_is_not_verified_is_refused_by_the_browser(page: Page, server: DevelopmentServer) -> None:
    authenticator = add_authenticator(page)
    open_login_page(page, server)
    assert call(page, "create")["type"] == "webauthn.create"
    authenticator.verify_user(False)
    assert call(page, "get") == "NotAllowedError"


def test_a_security_key_is_no_platform_authenticator(page: Page, server: DevelopmentServer) -> None:
    add_authenticator(page, transport="usb")
    open_login_page(page, server)
    assert page.evaluate(DETECT)["platform"] is False
    assert call(page, "create")["type"] == "webauthn.create"


@pytest.mark.parametrize("user_agent", WEB_VIEWS, ids=["android", "ios"])
def test_the_user_agent_of_a_web_view_does_not_take_passkeys_away(
    browser: Browser, server: DevelopmentServer, user_agent: str
) -> None:
    context = browser.new_context(user_agent=user_agent)
    page = context.new_page()
    add_authenticator(page)
    open_login_page(page, server)
    assert page.evaluate(DETECT) == WORKS
    assert call(page, "create")["type"] == "webauthn.create"
    context.close()


def test_a_permissions_policy_forbids_the_calls_but_does_not_change_what_is_reported(
    page: Page, server: DevelopmentServer
) -> None:
    add_authenticator(page)
    forbidden = "publickey-credentials-get=(), publickey-credentials-create=()"
    page.route("**/forbidden", lambda route: route.fulfill(body="", headers={"Permissions-Policy": forbidden}))
    page.goto(f"{server.url}/forbidden")
    assert page.evaluate(DETECT) == WORKS
    assert [call(page, name) for name in ("create", "get")] == ["NotAllowedError"] * 2


def test_a_frame_needs_the_permission_of_its_parent_and_our_pages_refuse_frames(
    page: Page, server: DevelopmentServer
) -> None:
    add_authenticator(page)
    other = f"http://localhost:{server.port + 1}"
    allow = 'allow="publickey-credentials-get *; publickey-credentials-create *"'

    def frames(source: str, attributes: str = "") -> Any:
        body = f'<iframe name="inner" src="{source}" {attributes}></iframe>'
        page.route(f"{other}/**", lambda route: route.fulfill(body=body, content_type="text/html"))
        page.goto(f"{other}/parent")
        frame = page.frame("inner")
        assert frame
        return frame

    page.route(f"{server.url}/framed", lambda route: route.fulfill(body="", content_type="text/html"))
    assert call(frames(f"{server.url}/framed"), "create") == "NotAllowedError"
    created = call(frames(f"{server.url}/framed", allow), "create")
    assert (created["crossOrigin"], created["topOrigin"]) == (True, other)
    assert frames(f"{server.url}/simulator/enable", allow).url.startswith("chrome-error:")


def test_a_page_without_tls_has_no_api(playwright: Playwright, chromium_path: str, server: DevelopmentServer) -> None:
    arguments = [*ARGUMENTS, "--host-resolver-rules=MAP link.example.com 127.0.0.1"]
    started = playwright.chromium.launch(executable_path=chromium_path, headless=True, args=arguments)
    context: BrowserContext = started.new_context()
    page = context.new_page()
    add_authenticator(page)
    page.goto(f"http://link.example.com:{server.port}/health/live")
    assert page.evaluate(DETECT) == {"secure": False}
    started.close()
