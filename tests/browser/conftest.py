"""Chromium, the servers it looks at, and a visitor who watches every page."""

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
"""Debian's packages of the fonts that fonts.conf names, and a file of each."""
PHONE = {"width": 360, "height": 740}
TIMEOUT = 60_000
"""Milliseconds after which something that should happen is taken as not happening."""
LONG_NAME = "Versicherungsgesellschaft Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamte"
LONG_AND_FULL = {
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
"""Settings with the longest names, and with everything on the pages that there can be."""


def chromium(path: str | None, ci: bool, fonts: Path = Path("/usr/share/fonts/truetype")) -> str:
    """Chromium's path. Without it or its fonts the tests are skipped, but not on CI, where a skip would hide them."""
    missing = [] if path else ["chromium"]
    missing += [package for package, file in FONTS.items() if not (fonts / file).is_file()]
    message = f"the browser's tests need Debian's packages; install them with: sudo apt-get install {' '.join(missing)}"
    if missing and ci:
        pytest.fail(message, pytrace=False)
    if missing:
        pytest.skip(message)
    return str(path)


@pytest.fixture(scope="session")
def chromium_path() -> Iterator[str]:
    """Chromium's path, while what is started sees the fonts of fonts.conf and no others."""
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
def third() -> Iterator[RedirectingOrigin]:
    """Where the second origin sends the browser in the end."""
    origin = RedirectingOrigin()
    origin.start()
    yield origin
    origin.stop()


@pytest.fixture(scope="session")
def second(third: RedirectingOrigin) -> Iterator[RedirectingOrigin]:
    """A redirect endpoint that redirects on, as Amazon's does."""
    origin = RedirectingOrigin(f"{third.url}/done")
    origin.start()
    yield origin
    origin.stop()


def redirect_uri(second: RedirectingOrigin) -> str:
    return f"{second.url}/spa/skill/account-linking-status.html?vendorId=M2SECOND"


@pytest.fixture(scope="session")
def served(
    chromium_path: str, tmp_path_factory: pytest.TempPathFactory, second: RedirectingOrigin
) -> Iterator[DevelopmentServer]:
    """development.ini as it is, but that three failures of one account are enough."""
    changes = {"throttle.account_failures": "3", "throttle.address_failures": "100000"}
    server = DevelopmentServer(tmp_path_factory.mktemp("served"), changes, (redirect_uri(second),))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def bare(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevelopmentServer]:
    """A server without the simulator, whose directory is down, with long names and every link of the theme."""
    changes = {"simulator.client": None, "simulator.people": None, **LONG_AND_FULL}
    server = DevelopmentServer(tmp_path_factory.mktemp("bare"), changes)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def stated(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevelopmentServer]:
    """A server that shows every page in every state, with long names and every link of the theme."""
    server = DevelopmentServer(tmp_path_factory.mktemp("scripted"), LONG_AND_FULL, include="tests.browser.states")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def changing_app(
    chromium_path: str, tmp_path_factory: pytest.TempPathFactory, backend_plugins: Path
) -> Iterator[DevelopmentServer]:
    """A server with a further backend, whose people must change their passwords first."""
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
def in_domain(
    chromium_path: str, tmp_path_factory: pytest.TempPathFactory, domain: SambaAD
) -> Iterator[DevelopmentServer]:
    """A server whose people are those of an Active Directory."""
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
def visit(
    browser: Browser,
    served: DevelopmentServer,
    bare: DevelopmentServer,
    stated: DevelopmentServer,
    changing_app: DevelopmentServer,
    request: pytest.FixtureRequest,
    second: RedirectingOrigin,
    third: RedirectingOrigin,
) -> Iterator[Callable[..., Visitor]]:
    """`visit(**options)`: a visitor with a browser context of their own; no page may do what `faults` names."""
    visitors: list[Visitor] = []
    own = [request.getfixturevalue("in_domain").url] if "in_domain" in request.fixturenames else []

    def new(**options: object) -> Visitor:
        settings = {"locale": "en-US", "viewport": PHONE, **options}
        context = browser.new_context(**settings)
        context.set_default_timeout(TIMEOUT)
        visitors.append(
            Visitor(context, (served.url, bare.url, stated.url, changing_app.url, *own, second.url, third.url))
        )
        return visitors[-1]

    yield new
    for each in visitors:
        each.close()
    assert [fault for each in visitors for fault in each.faults] == []


@pytest.fixture
def visitor(visit: Callable[..., Visitor]) -> Visitor:
    """Somebody with an English phone."""
    return visit()


@pytest.fixture
def bare_login(bare: DevelopmentServer) -> str:
    """The URL of the login page of the server without a simulator."""
    uri = f"{bare.url}/simulator/pitangui/spa/skill/account-linking-status.html?vendorId=M2SIMULATOR"
    return f"{bare.url}/authorize?client_id=ride-hailer&response_type=token&redirect_uri={uri}&state=S"
