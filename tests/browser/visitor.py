"""A visitor with a browser context, who records what no page of linkauth may do."""

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
    """A browser context with one page. `faults` lists forbidden actions of pages, and must stay empty.

    Requests are permitted only to `origins`. Cookies whose names begin with one of `permitted_cookies` are no faults.
    """

    def __init__(self, context: BrowserContext, origins: tuple[str, ...]) -> None:
        self.permitted_cookies: tuple[str, ...] = ()
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
        # Chromium logs the error status of a document to the console
        own_page = message.text.startswith("Failed to load resource: the server responded with a status of")
        if message.type in ("error", "warning") and not (own_page and message.location["url"] in self._documents()):
            self.faults.append(f"console: {message.text}")

    def _documents(self) -> set[str]:
        return {request.url for request in self.requests if request.is_navigation_request()}

    def _request(self, request: Request) -> None:
        self.requests.append(request)
        url = urlsplit(request.url)
        if url.scheme != "data" and f"{url.scheme}://{url.netloc}" not in self._origins:
            self.faults.append(f"request to another origin: {request.url[:80]}")

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.type}")
        dialog.dismiss()

    def enable(self, demo_server: DevelopmentServer, language: str = "") -> None:
        """Opens the login page through the simulator, as the Alexa app does when a skill is enabled."""
        self.page.goto(f"{demo_server.url}/simulator/enable?language={language}")

    def type(self, username: str, password: str) -> None:
        """Enters user name and password without submitting the form."""
        self.page.fill("#username", username)
        self.page.fill("#password", password)

    def sign_in(self, username: str, password: str) -> None:
        """Enters user name and password and clicks the first button."""
        self.type(username, password)
        self.page.click("button.primary")

    @property
    def alert(self) -> Locator:
        """The element that shows the error of the page."""
        return self.page.get_by_role("alert")

    @property
    def fragment(self) -> dict[str, str]:
        """The parameters in the fragment of the page URL. A plus sign is not decoded, as in the Alexa app."""
        return parameters(urlsplit(self.page.url).fragment)

    @property
    def sent_state(self) -> str:
        """The state in the authorization request."""
        url = next(request.url for request in self.requests if urlsplit(request.url).path == "/authorize")
        return parameters(urlsplit(url).query)["state"]

    def cookie_problems(self) -> list[str]:
        """Returns a problem for each cookie in the browser that is not permitted."""
        names = [cookie["name"] for cookie in self.context.cookies()]
        return [f"cookie: {name}" for name in names if not name.startswith(self.permitted_cookies)]

    def close(self) -> None:
        """Closes the browser context. Cookies that are not permitted count as faults."""
        self.faults += self.cookie_problems()
        self.context.close()


def parameters(encoded: str) -> dict[str, str]:
    """Returns the percent-decoded parameters of a query or a fragment. A plus sign is not decoded."""
    pairs = (part.partition("=") for part in encoded.split("&"))
    return {unquote(name): unquote(value) for name, _, value in pairs}
