"""A person with a browser of their own, who also notices what no page of linkauth may do."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Locator, Request, Response

from tests.servers.development_server import DevelopmentServer

HOOKS = """
for (const name of ["alert", "confirm", "prompt", "open"]) {
  window[name] = () => { console.error("called window." + name); return null; };
}
document.addEventListener("securitypolicyviolation", (event) => {
  console.error("content security policy: " + event.violatedDirective + " " + event.blockedURI);
});
"""


class Visitor:
    """One browser context with one page. `faults` has what a page did wrong, in words; it must stay empty.

    Only `origins` may be asked for anything.
    """

    def __init__(self, context: BrowserContext, origins: tuple[str, ...]) -> None:
        self.context = context
        self.faults: list[str] = []
        self.requests: list[Request] = []
        self.responses: list[Response] = []
        self._origins = origins
        context.add_init_script(HOOKS)
        context.on("console", self._console)
        context.on("request", self._request)
        context.on("response", lambda response: self.responses.append(response))
        context.on("weberror", lambda error: self.faults.append(f"script error: {error.error}"))
        context.on("dialog", self._dialog)
        self.page = context.pages[0] if context.pages else context.new_page()

    def _console(self, message: ConsoleMessage) -> None:
        # Chromium itself writes the status of a page that says no into the console
        own_page = message.text.startswith("Failed to load resource: the server responded with a status of")
        if message.type in ("error", "warning") and not (own_page and message.location["url"] in self._documents()):
            self.faults.append(f"console: {message.text}")

    def _documents(self) -> set[str]:
        return {each.url for each in self.requests if each.is_navigation_request()}

    def _request(self, request: Request) -> None:
        self.requests.append(request)
        url = urlsplit(request.url)
        if url.scheme != "data" and f"{url.scheme}://{url.netloc}" not in self._origins:
            self.faults.append(f"request to another origin: {request.url[:80]}")

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.type}")
        dialog.dismiss()

    def enable(self, served: DevelopmentServer, language: str = "") -> None:
        """Enable the skill, without the simulator's front page: the login page is open."""
        self.page.goto(f"{served.url}/simulator/enable?language={language}")

    def type(self, username: str, password: str) -> None:
        """Fill in the form."""
        self.page.fill("#username", username)
        self.page.fill("#password", password)

    def sign_in(self, username: str, password: str) -> None:
        """Fill in the form and press the first button."""
        self.type(username, password)
        self.page.click("button.primary")

    @property
    def alert(self) -> Locator:
        """The block that says what went wrong."""
        return self.page.get_by_role("alert")

    @property
    def fragment(self) -> dict[str, str]:
        """What the address of the page has behind its #, read as Alexa reads it: a + stays a +."""
        return parameters(urlsplit(self.page.url).fragment)

    @property
    def sent_state(self) -> str:
        """The state of the authorization request, byte for byte."""
        requested = next(each.url for each in self.requests if urlsplit(each.url).path == "/authorize")
        return parameters(urlsplit(requested).query)["state"]

    def left_behind(self) -> list[str]:
        """What the pages left in the browser."""
        return [f"cookie: {cookie['name']}" for cookie in self.context.cookies()]

    def close(self) -> None:
        """Close the browser context; what was left behind counts as a fault too."""
        self.faults += self.left_behind()
        self.context.close()


def parameters(encoded: str) -> dict[str, str]:
    """The parameters of a query or a fragment, percent-decoded and no more."""
    pairs = (part.partition("=") for part in encoded.split("&"))
    return {unquote(name): unquote(value) for name, _, value in pairs}
