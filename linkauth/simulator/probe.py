"""Tests a running server over HTTP with the requests of Amazon and a skill, and yields findings."""

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
from linkauth.simulator.http_client import AGENT, HttpClient, HttpResponse, Page

RESPONSE_SECONDS = 4.5
"""Amazon's time limit for a response of the token endpoint."""
MIN_LIFETIME = 360
STATE_LENGTHS = (alexa.STATE_LENGTH, 4096)

TokenRequest = Callable[[dict[str, str]], HttpResponse]


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    what: str
    ok: bool
    detail: str = ""


class Probe:
    """Simulates Amazon for the client `name` and one of its grants, against the server at `url`.

    `person` is the user name and password for sign-ins, or None. `limit` is the maximum duration of a response in
    seconds. `ca_file` is that of `HttpClient`, with the same exceptions.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        grant: str,
        url: str,
        person: tuple[str, str] | None,
        limit: float = RESPONSE_SECONDS,
        ca_file: str = "",
    ) -> None:
        self._client, self._person, self._limit = settings.clients[name], person, limit
        self._client_id = self._client.client_id or name
        self._code = grant == "authorization_code"
        self._verifier = secrets.token_urlsafe(48)
        origin = urlsplit(settings.public_url)
        self._origin = {"Origin": f"{origin.scheme}://{origin.netloc}"}
        self._basic = {"Authorization": "Basic " + alexa.basic(self._client_id, self._client.secret)}
        self._server = HttpClient(url.rstrip("/"), settings.https, ca_file)
        self._active_tokens: list[str] = []
        path = "/api/skill/link/" if self._code else "account-linking-status"
        known = self._client.all_redirect_uris
        # Amazon uses another redirect URI for each grant
        self._uris = [uri for uri in known if path in uri] or list(known)

    def run(self) -> Iterator[Finding]:
        """Yields the findings. Links that were created are ended in any case."""
        response = self._server.get("/authorize")
        yield Finding("the server responds", 0 < response.status < 500, response.status_text)
        if response.status == 0:
            return
        yield from self._check_pages()
        if self._person is not None:
            try:
                yield from self._check_linking()
            finally:
                remaining = self._revoke_tokens()
            yield Finding("all test links are ended", not remaining, f"{remaining} not ended" if remaining else "")
        seconds, what = self._server.slowest
        within_limit = f"every response within {self._limit:g} s"
        yield Finding(within_limit, seconds <= self._limit, f"the slowest took {seconds:.2f} s: {what}")

    def _check_pages(self) -> Iterator[Finding]:
        """Yields the checks that need no sign-in."""
        for uri in self._uris:
            page = self._open(redirect_uri=uri)
            hint = ": does the server know this redirect URI and this client?" if page.status == 400 else ""
            yield Finding(
                f"login page for {_location(uri)}", Page(page.text).has_password_field, page.status_text + hint
            )
        # browsers apply form-action to the whole redirect chain, and Amazon redirects to further hosts
        policy = " ".join(page.headers.get_all("Content-Security-Policy", [])) if page.status else ""
        has_form_action = "form-action" in policy
        hint = "a proxy adds it; browsers would block the redirect to Amazon" if has_form_action else ""
        yield Finding("no form-action in the page's Content-Security-Policy", not has_form_action, hint)
        for length in STATE_LENGTHS:
            page = self._open(state=_state(length))
            yield Finding(
                f"login page with a state of {length} characters", Page(page.text).has_password_field, page.status_text
            )
        yield self._check_languages()
        wrong = self._open(redirect_uri=self._uris[0] + "x")
        yield Finding(
            "a wrong redirect URI gives an error page and no redirect", wrong.status == 400, wrong.status_text
        )
        error = self._open(scope="unknown-scope")
        target = urlsplit(error.location)
        parameters = target.query if self._code else target.fragment
        is_reported = error.location.startswith(self._uris[0]) and "error=invalid_scope" in parameters
        yield Finding("a wrong scope is reported by redirect", is_reported, error.status_text)

    def _check_languages(self) -> Finding:
        """Checks that there is a page for every locale. The detail names locales without their own translation."""
        pages = {tag: Page(self._open(language=tag).text) for tag in alexa.LANGUAGES}
        missing = [tag for tag, page in pages.items() if not page.has_password_field]
        if missing:
            return Finding("login page in every Alexa locale", False, f"none for {', '.join(missing)}")
        other = [tag for tag, page in pages.items() if page.language.split("-")[0] != tag.split("-")[0]]
        fallback = pages[other[0]].language if other else ""
        detail = f"in {fallback}, because the theme lacks {', '.join(other)}" if other else ""
        return Finding("login page in every Alexa locale", True, detail)

    def _check_linking(self) -> Iterator[Finding]:
        """Yields the checks of account linking, for every redirect URI and every method of client authentication."""
        methods: list[tuple[str, TokenRequest]] = [("in the body", self._post_with_body_secret)]
        if self._client.secret:
            methods.append(("by HTTP Basic", self._post_with_basic))
        uris = self._uris + self._uris[:1] * (len(methods) - len(self._uris) if self._code else 0)
        tokens: dict[str, Any] = {}
        for uri, length, method in zip(uris, cycle(STATE_LENGTHS), cycle(methods), strict=False):
            sent = _state(length)
            response = self._sign_in(redirect_uri=uri, state=sent)
            if not response.location:
                # no further attempt: it would count as a failure of the user
                yield Finding("sign-in", False, _refusal(response))
                return
            finding, parameters = self._check_redirect(uri, sent, response.location)
            yield finding
            if self._code and parameters.get("code"):
                form = {"grant_type": "authorization_code", "code": parameters["code"], "code_verifier": self._verifier}
                response = self._record_token(method[1]({**form, "redirect_uri": uri}))
                yield self._check_token_response(f"code for tokens, client credentials {method[0]}", response)
                parameters = response.json
            tokens = parameters if parameters.get("access_token") else tokens
        if tokens.get("refresh_token"):
            yield from self._check_refresh(tokens["refresh_token"], methods[-1][1])
        if tokens:
            yield from self._check_skill(tokens)

    def _check_redirect(self, uri: str, sent: str, location: str) -> tuple[Finding, dict[str, str]]:
        """Checks a redirect against Amazon's requirements. Returns the finding and the response parameters."""
        parts = urlsplit(location)
        # recorded from the query too, so that a token in the wrong part is revoked as well
        self._active_tokens += [
            text for name, text in parse_qsl(f"{parts.query}&{parts.fragment}") if name == "access_token"
        ]
        parameters = dict(parse_qsl(parts.query if self._code else parts.fragment))
        wanted = "code" if self._code else "access_token"
        problem = ""
        if not location.startswith(uri + ("&" if "?" in uri else "?") if self._code else uri + "#"):
            problem = "the target is wrong, or the response is in the wrong part of the URL"
        elif parameters.get("state") != sent:
            has_spaces = parameters.get("state", "").replace(" ", "+") == sent
            problem = "the state was modified" + (": a + became a space" if has_spaces else "")
        elif not parameters.get(wanted) or (not self._code and parameters.get("token_type") != "Bearer"):
            problem = f"{wanted} or token_type is missing or wrong: {parameters.get('error', '')}"
        elif not self._code and "expires_in" in parameters and int(parameters["expires_in"]) < MIN_LIFETIME:
            problem = f"expires_in is {parameters['expires_in']}, Alexa needs {MIN_LIFETIME} or more"
        part = "query" if self._code else "fragment"
        what = f"redirect to {_location(uri)}, {wanted} in the {part}, state of {len(sent)} characters unchanged"
        return Finding(what, not problem, problem), parameters

    def _check_refresh(self, token: str, request: TokenRequest) -> Iterator[Finding]:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        if not self._client.secret:
            yield self._check_token_response("refresh", self._record_token(request(form)))
            return
        with ThreadPoolExecutor(2) as pool:
            concurrent = [self._record_token(response) for response in pool.map(request, [form, form])]
        failed = next((response for response in concurrent if response.status != 200), concurrent[0])
        yield self._check_token_response("two concurrent refreshes", failed)
        yield self._check_token_response("an old refresh token still works", self._record_token(request(form)))

    def _record_token(self, response: HttpResponse) -> HttpResponse:
        """Records the access token for `_revoke_tokens` and returns the response."""
        self._active_tokens += [response.json["access_token"]] if response.json.get("access_token") else []
        return response

    def _check_skill(self, tokens: dict[str, Any]) -> Iterator[Finding]:
        """Yields the checks of introspection, userinfo and revocation."""
        token = tokens["access_token"]
        if self._client.secret:
            response = self._post("/introspect", {"token": token}, self._basic)
            detail = response.json.get("sub") or f"{response.status_text} {response.json.get('error', '')}"
            yield Finding("introspection accepts the token", response.json.get("active") is True, detail)
        bearer = {"Authorization": f"Bearer {token}"}
        response = self._server.get("/userinfo", bearer)
        subject = response.json.get("sub")
        yield Finding("userinfo accepts the token", bool(subject), subject or response.status_text)
        proof = self._basic if self._client.secret else {}
        ended = self._post("/revoke", {"token": token}, proof)
        yield Finding("revocation", ended.status == 200, ended.status_text)
        response = self._server.get("/userinfo", bearer)
        yield Finding("a revoked token is refused", response.status == 401, response.status_text)
        if self._client.secret:
            response = self._post("/introspect", {"token": token}, self._basic)
            is_inactive = response.json == {"active": False}
            yield Finding("introspection reports the revoked token as inactive", is_inactive, response.status_text)

    def _revoke_tokens(self) -> int:
        """Revokes the recorded access tokens, which ends their links. Returns how many could not be revoked."""
        return sum(self._post("/revoke", {"token": token}, {}).status != 200 for token in self._active_tokens)

    def _check_token_response(self, what: str, response: HttpResponse) -> Finding:
        found = response.json
        lacks = [name for name in ("access_token", "refresh_token", "token_type") if not found.get(name)]
        lifetime = found.get("expires_in")
        problem = ""
        if response.status != 200 or lacks:
            problem = f"{response.status_text} {found.get('error', '')}, lacks {', '.join(lacks)}"
        elif lifetime is not None and lifetime < MIN_LIFETIME:
            problem = f"expires_in is {lifetime}, Alexa needs {MIN_LIFETIME} or more"
        elif response.seconds > self._limit:
            problem = f"took {response.seconds:.1f} s; Amazon's limit is {self._limit:g} s"
        elif "no-store" not in response.headers.get("Cache-Control", ""):
            problem = "without Cache-Control: no-store"
        return Finding(what, not problem, problem or f"{response.seconds * 1000:.0f} ms")

    def _authorize(self, **changes: str) -> str:
        parameters = {"client_id": self._client_id, "response_type": "code" if self._code else "token"}
        if self._client.scopes:
            parameters["scope"] = " ".join(self._client.scopes)
        parameters |= {"redirect_uri": self._uris[0], "state": _state(alexa.STATE_LENGTH)}
        if self._code:
            challenge = urlsafe_b64encode(sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
            parameters |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        return "/authorize?" + urlencode({**parameters, **changes})

    def _open(self, language: str = "en-US", **changes: str) -> HttpResponse:
        return self._server.get(self._authorize(**changes), {"Accept-Language": language})

    def _sign_in(self, **changes: str) -> HttpResponse:
        """Submits the login form and returns the response."""
        assert self._person
        path = self._authorize(**changes)
        form = {"form_token": Page(self._server.get(path).text).token, "username": self._person[0]}
        return self._post(path, {**form, "password": self._person[1]}, self._origin)

    def _post_with_body_secret(self, form: dict[str, str]) -> HttpResponse:
        secret = {"client_secret": self._client.secret} if self._client.secret else {}
        return self._post("/token", {**form, "client_id": self._client_id, **secret}, {"User-Agent": AGENT})

    def _post_with_basic(self, form: dict[str, str]) -> HttpResponse:
        return self._post("/token", {**form, "client_id": self._client_id}, {**self._basic, "User-Agent": AGENT})

    def _post(self, path: str, form: dict[str, str], headers: dict[str, str]) -> HttpResponse:
        return self._server.post(path, form, headers)


def _refusal(response: HttpResponse) -> str:
    """Returns why a sign-in failed: the status, the wait that the server demands, and the message of the page."""
    wait = response.headers.get("Retry-After", "") if response.status else ""
    message = Page(response.text).message
    parts = [response.status_text]
    if wait:
        parts.append(f"try again in {wait} seconds")
    if message:
        parts.append(f"the page says: {message}")
    if response.status == 200 and 'name="challenge"' in response.text:
        parts.append("the page asks for a second factor (linkauth.client.<name>.second_factor), which cannot be tested")
    return "; ".join(parts)


def _location(uri: str) -> str:
    return urlsplit(uri).netloc + urlsplit(uri).path


def _state(length: int) -> str:
    """Returns a state of `length` characters with +, / and =."""
    return ("+/" + secrets.token_urlsafe(length))[: length - 2] + "=="
