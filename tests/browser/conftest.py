"""Fixtures of the browser tests: Chromium, the servers whose pages it opens, and a visitor that checks every page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.browser.visitor import Visitor
from tests.conftest import ROOT
from tests.servers import samba
from tests.servers.development_server import DevelopmentServer
from tests.servers.redirecting_origin import RedirectingOrigin
from tests.servers.samba import SambaAD

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FONTS = {
    "fonts-dejavu-core": "dejavu/DejaVuSans.ttf",
    "fonts-lohit-deva": "lohit-devanagari/Lohit-Devanagari.ttf",
    "fonts-vlgothic": "vlgothic/VL-Gothic-Regular.ttf",
}
"""The Debian packages of the fonts in fonts.conf, and one file of each package."""
PHONE = {"width": 360, "height": 740}
EXTRA_SERVERS = (
    *("ad_server", "account_server", "sign_in_server", "second_factor_server", "optional_server", "posting_server"),
    "openid",
)
"""Fixtures of servers that only some tests use."""
TIMEOUT = 60_000
"""The time limit for conditions in a page, in milliseconds."""
LONG_NAME = "Versicherungsgesellschaft Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamte"
FULL_PAGE_SETTINGS = {
    "service_name": LONG_NAME,
    "client.ride-hailer.name": LONG_NAME,
    "theme.default.support_url": "https://example.com/help",
    "theme.default.support_text": "Service desk: 030 1234-0",
    "theme.default.recovery_url": "https://example.com/password",
    "theme.default.sign_up_url": "https://example.com/join",
    "theme.default.username_example": "a.smith or CORP\\asmith",
    "theme.default.privacy_url": "https://example.com/privacy",
    "theme.default.terms_url": "https://example.com/terms",
    "theme.default.username_hint": "For example ada@example.com",
}
"""Settings with very long names, with which the pages contain every optional element."""


def chromium(path: str | None, ci: bool, fonts: Path = Path("/usr/share/fonts/truetype")) -> str:
    """Returns `path`. Skips the test if Chromium or one of the fonts is not installed. In CI the test fails instead."""
    missing = [] if path else ["chromium"]
    missing += [package for package, file in FONTS.items() if not (fonts / file).is_file()]
    message = f"the browser tests need Debian packages. To install them, run: sudo apt-get install {' '.join(missing)}"
    if missing and ci:
        pytest.fail(message, pytrace=False)
    if missing:
        pytest.skip(message)
    return str(path)


@pytest.fixture(scope="session")
def chromium_path() -> Iterator[str]:
    """The path of Chromium. While this fixture is active, started processes use only the fonts in fonts.conf."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FONTCONFIG_FILE", str(Path(__file__).with_name("fonts.conf")))
        yield chromium(shutil.which("chromium"), bool(os.environ.get("CI")))


@pytest.fixture(scope="session")
def playwright(chromium_path: str) -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium_path: str) -> Iterator[Browser]:
    expect.set_options(timeout=TIMEOUT)
    started = playwright.chromium.launch(executable_path=chromium_path, headless=True, args=ARGUMENTS)
    yield started
    started.close()


@pytest.fixture(scope="session")
def final_origin() -> Iterator[RedirectingOrigin]:
    """The origin to which the redirect endpoint redirects."""
    origin = RedirectingOrigin()
    origin.start()
    yield origin
    origin.stop()


@pytest.fixture(scope="session")
def redirect_endpoint(final_origin: RedirectingOrigin) -> Iterator[RedirectingOrigin]:
    """A redirect endpoint on another origin that redirects to a third origin, as Amazon's does."""
    origin = RedirectingOrigin(f"{final_origin.url}/done")
    origin.start()
    yield origin
    origin.stop()


def redirect_uri(redirect_endpoint: RedirectingOrigin) -> str:
    return f"{redirect_endpoint.url}/spa/skill/account-linking-status.html?vendorId=M2SECOND"


@pytest.fixture(scope="session")
def demo_server(
    chromium_path: str, tmp_path_factory: pytest.TempPathFactory, redirect_endpoint: RedirectingOrigin
) -> Iterator[DevelopmentServer]:
    """A server with development.ini, in which the throttle permits three failures for an account."""
    changes = {"throttle.account_failures": "3", "throttle.address_failures": "100000"}
    server = DevelopmentServer(tmp_path_factory.mktemp("demo"), changes, (redirect_uri(redirect_endpoint),))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def full_page_server(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevelopmentServer]:
    """A server without the simulator and with an unavailable backend. Its pages have long names and every link."""
    changes = {"simulator.client": None, "simulator.people": None, **FULL_PAGE_SETTINGS}
    server = DevelopmentServer(tmp_path_factory.mktemp("full"), changes)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def state_server(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevelopmentServer]:
    """A server that shows every page in every state, with long names and every link."""
    server = DevelopmentServer(tmp_path_factory.mktemp("states"), FULL_PAGE_SETTINGS, include="tests.browser.states")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def changing_app(
    chromium_path: str, tmp_path_factory: pytest.TempPathFactory, backend_plugins: Path
) -> Iterator[DevelopmentServer]:
    """A server with an additional backend, whose people must change their passwords."""
    changes = {"backends": "staff changing", "backend.changing.use": "changing"}
    server = DevelopmentServer(tmp_path_factory.mktemp("changing"), changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join((str(backend_plugins), str(ROOT))))
        server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def domain() -> Iterator[SambaAD]:
    with samba.running() as controller:
        yield controller


@pytest.fixture(scope="session")
def ad_server(
    chromium_path: str, tmp_path_factory: pytest.TempPathFactory, domain: SambaAD
) -> Iterator[DevelopmentServer]:
    """A server whose first backend is an Active Directory."""
    corp = {
        "use": "ldap",
        "preset": "activedirectory",
        "uris": domain.ldaps,
        "tls_ca_file": domain.ca_file,
        "bind_dn": domain.bind_dn,
        "bind_password": domain.bind_password,
        "user_base": domain.people_base,
        "username_domains": "EXAMPLE ad.example.org",
        "password_change": "self",
    }
    changes = {"backends": "corp staff", **{f"backend.corp.{key}": value for key, value in corp.items()}}
    server = DevelopmentServer(tmp_path_factory.mktemp("domain"), changes)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def new_visitor(
    browser: Browser,
    demo_server: DevelopmentServer,
    full_page_server: DevelopmentServer,
    state_server: DevelopmentServer,
    changing_app: DevelopmentServer,
    request: pytest.FixtureRequest,
    redirect_endpoint: RedirectingOrigin,
    final_origin: RedirectingOrigin,
) -> Iterator[Callable[..., Visitor]]:
    """`new_visitor(**options)` returns a visitor with a new browser context. The test fails if a visitor has faults."""
    visitors: list[Visitor] = []
    extra_servers = [name for name in EXTRA_SERVERS if name in request.fixturenames]
    extra_origins = [request.getfixturevalue(name).url for name in extra_servers]

    def new(**options: object) -> Visitor:
        settings = {"locale": "en-US", "viewport": PHONE, **options}
        context = browser.new_context(**settings)
        context.set_default_timeout(TIMEOUT)
        visitors.append(
            Visitor(
                context,
                (
                    demo_server.url,
                    full_page_server.url,
                    state_server.url,
                    changing_app.url,
                    *extra_origins,
                    redirect_endpoint.url,
                    final_origin.url,
                ),
            )
        )
        return visitors[-1]

    yield new
    for visitor in visitors:
        visitor.close()
    assert [fault for visitor in visitors for fault in visitor.faults] == []


@pytest.fixture
def visitor(new_visitor: Callable[..., Visitor]) -> Visitor:
    """A visitor whose browser prefers English."""
    return new_visitor()


@pytest.fixture
def full_login_page(full_page_server: DevelopmentServer) -> str:
    """The URL of the login page of `full_page_server`."""
    uri = f"{full_page_server.url}/simulator/pitangui/spa/skill/account-linking-status.html?vendorId=M2SIMULATOR"
    return f"{full_page_server.url}/authorize?client_id=ride-hailer&response_type=token&redirect_uri={uri}&state=S"
