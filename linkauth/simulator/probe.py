"""Amazon and a skill, played against a running server over HTTP: one finding after the other."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import cycle
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from linkauth.config.settings import Settings
from linkauth.simulator import alexa
from linkauth.simulator.http_client import AGENT, Answer, HttpClient, Page

RESPONSE_SECONDS = 4.5
"""Amazon's limit for an answer of the token endpoint."""
MIN_LIFETIME = 360
STATE_LENGTHS = (alexa.STATE_LENGTH, 4096)

Ask = Callable[[dict[str, str]], Answer]


@dataclass(frozen=True)
class Finding:
    """One line of the checklist."""

    what: str
    ok: bool
    detail: str = ""


class Probe:
    """Plays Amazon for the client `name` of the ini, against the server at `url`.

    `person` is a name and password to sign in with, or None; `limit` the seconds that an answer may take.
    """

    def __init__(
        self, settings: Settings, name: str, url: str, person: tuple[str, str] | None, limit: float = RESPONSE_SECONDS
    ) -> None:
        self._client, self._person, self._limit = settings.clients[name], person, limit
        self._client_id = self._client.client_id or name
        self._code = "authorization_code" in self._client.grants
        self._verifier = secrets.token_urlsafe(48)
        origin = urlsplit(settings.public_url)
        self._origin = {"Origin": f"{origin.scheme}://{origin.netloc}"}
        self._basic = {"Authorization": "Basic " + alexa.basic(self._client_id, self._client.secret)}
        self._server = HttpClient(url.rstrip("/"), settings.https)
        self._active_tokens: list[str] = []
        shape = "/api/skill/link/" if self._code else "account-linking-status"
        known = self._client.all_redirect_uris
        # Amazon has one shape for each grant
        self._uris = [uri for uri in known if shape in uri] or list(known)

    def run(self) -> Iterator[Finding]:
        """The checklist, line by line; what is linked here is ended again, whatever happens."""
        answer = self._server.get("/authorize")
        yield Finding("the server answers", 0 < answer.status < 500, answer.status_text)
        if answer.status == 0:
            return
        yield from self._pages()
        if self._person is not None:
            try:
                yield from self._links()
            finally:
                left = self._end_all()
            yield Finding("every link made here is ended again", not left, f"{left} not" if left else "")
        seconds, what = self._server.slowest
        limit = f"every answer within {self._limit:g} s"
        yield Finding(limit, seconds <= self._limit, f"the slowest took {seconds:.2f} s: {what}")

    def _pages(self) -> Iterator[Finding]:
        """What needs nobody to sign in."""
        for uri in self._uris:
            page = self._open(redirect_uri=uri)
            hint = ": does the server know this redirect URI and this client?" if page.status == 400 else ""
            yield Finding(
                f"login page for {_location(uri)}", Page(page.text).has_password_field, page.status_text + hint
            )
        # browsers check it along the whole way back, and Amazon's redirects go on to other hosts
        policy = " ".join(page.headers.get_all("Content-Security-Policy", [])) if page.status else ""
        stopped = "form-action" in policy
        hint = "a proxy adds it; browsers would stop on the way back to Amazon" if stopped else ""
        yield Finding("no form-action in the page's Content-Security-Policy", not stopped, hint)
        for length in STATE_LENGTHS:
            page = self._open(state=_state(length))
            yield Finding(
                f"login page with a state of {length} characters", Page(page.text).has_password_field, page.status_text
            )
        yield self._languages()
        wrong = self._open(redirect_uri=self._uris[0] + "x")
        yield Finding("a wrong redirect URI gets a page, no redirect", wrong.status == 400, wrong.status_text)
        error = self._open(scope="a-scope-that-nobody-has")
        answer = urlsplit(error.location)
        mode = answer.query if self._code else answer.fragment
        told = error.location.startswith(self._uris[0]) and "error=invalid_scope" in mode
        yield Finding("a wrong scope is told by redirect", told, error.status_text)

    def _languages(self) -> Finding:
        """A page for every locale; which of them the theme does not speak is said, for the operator to judge."""
        pages = {tag: Page(self._open(language=tag).text) for tag in alexa.LANGUAGES}
        hidden = [tag for tag, page in pages.items() if not page.has_password_field]
        if hidden:
            return Finding("login page in every locale of Alexa's", False, f"none for {', '.join(hidden)}")
        other = [tag for tag, page in pages.items() if page.language.split("-")[0] != tag.split("-")[0]]
        spoken = pages[other[0]].language if other else ""
        detail = f"in {spoken}, for the theme lacks them: {', '.join(other)}" if other else ""
        return Finding("login page in every locale of Alexa's", True, detail)

    def _links(self) -> Iterator[Finding]:
        """Each region's redirect once, and each way of proving the client at least once."""
        styles: list[tuple[str, Ask]] = [("in the body", self._by_body)]
        if self._client.secret:
            styles.append(("by HTTP Basic", self._by_basic))
        uris = self._uris + self._uris[:1] * (len(styles) - len(self._uris) if self._code else 0)
        tokens: dict[str, Any] = {}
        for uri, length, style in zip(uris, cycle(STATE_LENGTHS), cycle(styles), strict=False):
            sent = _state(length)
            answer = self._sign_in(redirect_uri=uri, state=sent)
            if not answer.location:
                # no further try: it would count against the person
                hint = ": wrong name or password?" if answer.status == 403 else ""
                yield Finding("signing in", False, answer.status_text + hint)
                return
            finding, got = self._redirected(uri, sent, answer.location)
            yield finding
            if self._code and got.get("code"):
                form = {"grant_type": "authorization_code", "code": got["code"], "code_verifier": self._verifier}
                answer = self._record_token(style[1]({**form, "redirect_uri": uri}))
                yield self._token_answer(f"code for tokens, client credentials {style[0]}", answer)
                got = answer.json
            tokens = got if got.get("access_token") else tokens
        if tokens.get("refresh_token"):
            yield from self._refreshes(tokens["refresh_token"], styles[-1][1])
        if tokens:
            yield from self._skill(tokens)

    def _redirected(self, uri: str, sent: str, location: str) -> tuple[Finding, dict[str, str]]:
        """Is it Amazon's URL, with what Amazon looks for in the right part?"""
        parts = urlsplit(location)
        # to be ended, wherever it stands
        self._active_tokens += [
            text for name, text in parse_qsl(f"{parts.query}&{parts.fragment}") if name == "access_token"
        ]
        got = dict(parse_qsl(parts.query if self._code else parts.fragment))
        wanted = "code" if self._code else "access_token"
        problem = ""
        if not location.startswith(uri + ("&" if "?" in uri else "?") if self._code else uri + "#"):
            problem = "it goes to another place, or the answer is in the wrong part of it"
        elif got.get("state") != sent:
            spaces = got.get("state", "").replace(" ", "+") == sent
            problem = "the state came back changed" + (": a + became a space on the way" if spaces else "")
        elif not got.get(wanted) or (not self._code and got.get("token_type") != "Bearer"):
            problem = f"it lacks {wanted} or token_type: {got.get('error', '')}"
        elif not self._code and "expires_in" in got and int(got["expires_in"]) < MIN_LIFETIME:
            problem = f"expires_in is {got['expires_in']}, Alexa needs {MIN_LIFETIME} or more"
        part = "query" if self._code else "fragment"
        what = f"redirect to {_location(uri)}, {wanted} in the {part}, state of {len(sent)} byte for byte"
        return Finding(what, not problem, problem), got

    def _refreshes(self, token: str, ask: Ask) -> Iterator[Finding]:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        if not self._client.secret:
            yield self._token_answer("refresh", self._record_token(ask(form)))
            return
        with ThreadPoolExecutor(2) as pool:
            at_once = [self._record_token(answer) for answer in pool.map(ask, [form, form])]
        failed = next((answer for answer in at_once if answer.status != 200), at_once[0])
        yield self._token_answer("two refreshes at once", failed)
        yield self._token_answer("an old refresh token still works", self._record_token(ask(form)))

    def _record_token(self, answer: Answer) -> Answer:
        """The answer; its access token is to be ended."""
        self._active_tokens += [answer.json["access_token"]] if answer.json.get("access_token") else []
        return answer

    def _skill(self, tokens: dict[str, Any]) -> Iterator[Finding]:
        """The skill's side: whose token it is, and the end of it."""
        token = tokens["access_token"]
        if self._client.secret:
            told = self._post("/introspect", {"token": token}, self._basic)
            detail = told.json.get("sub") or f"{told.status_text} {told.json.get('error', '')}"
            yield Finding("introspection knows the token", told.json.get("active") is True, detail)
        bearer = {"Authorization": f"Bearer {token}"}
        told = self._server.get("/userinfo", bearer)
        yield Finding("userinfo knows the token", bool(told.json.get("sub")), told.json.get("sub") or told.status_text)
        proof = self._basic if self._client.secret else {}
        ended = self._post("/revoke", {"token": token}, proof)
        yield Finding("revocation", ended.status == 200, ended.status_text)
        told = self._server.get("/userinfo", bearer)
        yield Finding("a revoked token is refused", told.status == 401, told.status_text)
        if self._client.secret:
            told = self._post("/introspect", {"token": token}, self._basic)
            yield Finding("introspection tells that it is revoked", told.json == {"active": False}, told.status_text)

    def _end_all(self) -> int:
        """End what still lives, each access token being its own proof; gives how many could not be ended."""
        return sum(self._post("/revoke", {"token": token}, {}).status != 200 for token in self._active_tokens)

    def _token_answer(self, what: str, answer: Answer) -> Finding:
        found = answer.json
        lacks = [name for name in ("access_token", "refresh_token", "token_type") if not found.get(name)]
        lifetime = found.get("expires_in")
        problem = ""
        if answer.status != 200 or lacks:
            problem = f"{answer.status_text} {found.get('error', '')}, lacks {', '.join(lacks)}"
        elif lifetime is not None and lifetime < MIN_LIFETIME:
            problem = f"expires_in is {lifetime}, Alexa needs {MIN_LIFETIME} or more"
        elif answer.seconds > self._limit:
            problem = f"took {answer.seconds:.1f} s, Amazon waits for {self._limit:g}"
        elif "no-store" not in answer.headers.get("Cache-Control", ""):
            problem = "without Cache-Control: no-store"
        return Finding(what, not problem, problem or f"{answer.seconds * 1000:.0f} ms")

    def _authorize(self, **changes: str) -> str:
        asked = {"client_id": self._client_id, "response_type": "code" if self._code else "token"}
        if self._client.scopes:
            asked["scope"] = " ".join(self._client.scopes)
        asked |= {"redirect_uri": self._uris[0], "state": _state(alexa.STATE_LENGTH)}
        if self._code:
            challenge = urlsafe_b64encode(sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
            asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        return "/authorize?" + urlencode({**asked, **changes})

    def _open(self, language: str = "en-US", **changes: str) -> Answer:
        return self._server.get(self._authorize(**changes), {"Accept-Language": language})

    def _sign_in(self, **changes: str) -> Answer:
        """The answer to the filled form."""
        assert self._person
        path = self._authorize(**changes)
        form = {"form_token": Page(self._server.get(path).text).token, "username": self._person[0]}
        return self._post(path, {**form, "password": self._person[1]}, self._origin)

    def _by_body(self, form: dict[str, str]) -> Answer:
        secret = {"client_secret": self._client.secret} if self._client.secret else {}
        return self._post("/token", {**form, "client_id": self._client_id, **secret}, {"User-Agent": AGENT})

    def _by_basic(self, form: dict[str, str]) -> Answer:
        return self._post("/token", {**form, "client_id": self._client_id}, {**self._basic, "User-Agent": AGENT})

    def _post(self, path: str, form: dict[str, str], headers: dict[str, str]) -> Answer:
        return self._server.post(path, form, headers)


def _location(uri: str) -> str:
    return urlsplit(uri).netloc + urlsplit(uri).path


def _state(length: int) -> str:
    """A state as long as that, with +, / and =."""
    return ("+/" + secrets.token_urlsafe(length))[: length - 2] + "=="
