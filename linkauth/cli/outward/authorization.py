"""The authorization requests that are sent to the public URL, and the findings about their answers.

They use a configured client. Nobody signs in: the login page is requested, and an error that linkauth returns by
redirect.

The login page contains a form token that linkauth signs with `linkauth.secret`, and that is bound to the query. So a
valid token proves two things: a linkauth with this secret has answered, and the query has arrived unchanged.
"""

from __future__ import annotations

import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from urllib.parse import parse_qsl, urlencode

from linkauth.cli.findings import Finding, failed, ok, warning
from linkauth.cli.outward.observations import Answer, Seen
from linkauth.config.settings import Settings
from linkauth.oauth2.authorization import STATE_LIMIT
from linkauth.oauth2.registry import GRANTS
from linkauth.web.forms import FormTokens

REQUEST_ADVICE = (
    "allow URLs of 16 KB (nginx: large_client_header_buffers 4 32k, Apache: LimitRequestLine 32768, HAProxy: "
    "tune.bufsize 32768, IIS: maxQueryString and maxUrl)"
)
RESPONSE_ADVICE = (
    "allow response headers of 16 KB (nginx: proxy_buffer_size 32k and proxy_buffers 8 16k, Apache: "
    "responsefieldsize=32768 in ProxyPass, HAProxy: tune.bufsize 32768)"
)
_AROUND_VALUES = str.maketrans(dict.fromkeys("\"'<>=", " "))
"""The characters of HTML around the value of an attribute become spaces."""
_TOKEN_LIMIT = 10
"""The number of possible form tokens of a page that are tried."""
_EXCERPT = 80
"""The number of characters of a header that are shown."""
_REQUEST_TOO_LONG = (400, 404, 414, 431)
GATEWAY_PROBLEMS = {
    502: "the proxy cannot reach linkauth, or got no valid response from it: is linkauth running, at that address?",
    503: "the proxy has no server to pass the request to: is linkauth running?",
    504: "linkauth did not answer the proxy in time",
}


@dataclass(frozen=True)
class Requests:
    """The queries of the authorization requests for one client.

    `page` has a short state and `long_page` a long one. `redirect` has the long state too, and an unknown scope, which
    linkauth reports by a redirect with the state. `redirect_uri` is where that must go, and `state` the long state.
    """

    client: str
    redirect_uri: str
    state: str
    page: str
    long_page: str
    redirect: str


def requests(settings: Settings) -> Requests | None:
    """Returns the requests for the first client with a grant, or None if there is none."""
    for name, client in settings.clients.items():
        grant = next((GRANTS[each] for each in client.grants if each in GRANTS), None)
        if grant is None or not client.all_redirect_uris:
            continue
        uri, state = client.all_redirect_uris[0], _long_state()
        fields = {"client_id": client.client_id or name, "response_type": grant.response_type, "redirect_uri": uri}
        if grant.pkce:
            challenge = urlsafe_b64encode(sha256(secrets.token_bytes(32)).digest()).decode("ascii").rstrip("=")
            fields |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        return Requests(
            name,
            uri,
            state,
            urlencode({**fields, "state": secrets.token_hex(8)}),
            urlencode({**fields, "state": state}),
            urlencode({**fields, "state": state, "scope": secrets.token_hex(16)}),
        )
    return None


def page_findings(seen: Seen, sent: Requests) -> Iterator[Finding]:
    """Yields whether the login page comes from a linkauth with the settings of this ini file."""
    page = seen.page or Answer(problem="no answer before the time was over")
    subject = f"{seen.target.public_url}/authorize"
    if is_from_this_linkauth(page, sent.page, seen.settings):
        yield ok("public.login_page", subject, "the login page is from a linkauth with this linkauth.secret")
    else:
        yield failed("public.login_page", subject, page_problem(page, seen))


def state_findings(seen: Seen, sent: Requests) -> Iterator[Finding]:
    """Yields whether a long state arrives and comes back. Expects that the login page with a short one has arrived."""
    subject = f"state of {len(sent.state):,} characters"
    if not is_from_this_linkauth(seen.long_page, sent.long_page, seen.settings):
        answer = seen.long_page or Answer(problem="no answer before the time was over")
        yield failed("public.state", subject, _long_request_problem(answer))
        return
    answer = seen.redirect or Answer(problem="no answer before the time was over")
    if answer.status != 303:
        yield failed("public.state", subject, f"arrives, but does not come back: {_long_response_problem(answer)}")
        return
    location = answer.header("Location")
    if not location.startswith(sent.redirect_uri):
        yield failed("public.state", subject, "arrives, but the proxy changes the header Location of the redirect")
        return
    # redirect URIs have no fragment, so the response is what follows it, after a separator
    response = dict(parse_qsl(location[len(sent.redirect_uri) + 1 :]))
    if response.get("state") != sent.state:
        yield failed("public.state", subject, "arrives, but the proxy changes it in the redirect back to the platform")
        return
    yield ok("public.state", subject, f"arrives and comes back unchanged (client {sent.client})")


def no_client_finding() -> Finding:
    return warning("public.login_page", "/authorize", "not checked, because no client in linkauth.clients has a grant")


def is_from_this_linkauth(answer: Answer | None, query: str, settings: Settings) -> bool:
    """Returns whether an answer is a login page with a form token for this query, signed with `linkauth.secret`."""
    if answer is None or answer.status != 200:
        return False
    signer = FormTokens(settings.secret, settings.public_url, previous_secrets=settings.previous_secrets)
    return any(signer.is_valid(token, query) for token in _form_tokens(answer.text))


def is_insecure(tokens: Sequence[Answer]) -> bool:
    """Returns whether linkauth answered a token request with the error that it was sent over plain http."""
    return any(
        each.status == 403 and str(each.json.get("error_description")).startswith("https only") for each in tokens
    )


def page_problem(page: Answer, seen: Seen) -> str:
    """Returns why an answer is not the login page of this linkauth."""
    if not page.status:
        return page.problem
    if page.status in GATEWAY_PROBLEMS:
        return f"status {page.status}: {GATEWAY_PROBLEMS[page.status]}"
    if is_insecure(seen.tokens):
        return _insecure_advice(seen.settings)
    if 300 <= page.status < 400:
        return f"status {page.status}: the proxy redirects to {_site(page)} instead of asking linkauth"
    if page.status in (401, 407):
        return f"status {page.status}: the proxy asks for a login of its own; phones and Amazon cannot log in there"
    if page.status in (403, 429):
        return f"status {page.status}: the proxy or a firewall refuses the request, as it may refuse phones and Amazon"
    if page.status == 200 and "form_token" in page.text and _form_tokens(page.text):
        problem = "a linkauth answers, but with another linkauth.secret or public_url than this ini file"
        return f"{problem}: restart the server, or check the host that the proxy passes requests to"
    if page.status in (400, 404) and any(is_linkauths_refusal(each) for each in seen.tokens):
        problem = f"status {page.status}: a linkauth answers, but does not know this client or its redirect URI"
        return f"{problem}: restart the server with this ini file"
    server = page.header("Server")[:_EXCERPT]
    by = f" by {server}" if server else ""
    return f"status {page.status}{by}, which is not linkauth's login page: the proxy must pass all paths to linkauth"


def is_linkauths_refusal(answer: Answer) -> bool:
    """Returns whether an answer of /token is linkauth's refusal of a request without client credentials."""
    challenge = answer.header("WWW-Authenticate")
    return answer.status == 401 and answer.json.get("error") == "invalid_client" and 'realm="linkauth"' in challenge


def _long_state() -> str:
    """Returns a state as long as linkauth accepts, in standard base64 with +, / and =, as Alexa's."""
    while True:
        state = b64encode(secrets.token_bytes(STATE_LIMIT // 4 * 3 - 1)).decode("ascii")
        if "+" in state and "/" in state:
            return state


def _long_request_problem(answer: Answer) -> str:
    if not answer.status:
        return answer.problem
    if answer.status in _REQUEST_TOO_LONG:
        return f"the proxy refuses it with status {answer.status}: {REQUEST_ADVICE}"
    if answer.status in GATEWAY_PROBLEMS:
        return f"status {answer.status}: the proxy does not pass it to linkauth: {REQUEST_ADVICE}"
    if answer.status == 200:
        return "the proxy changes the query on its way to linkauth, so that Amazon would not get its own state back"
    return f"status {answer.status}: the proxy or a firewall refuses it, although it accepts a short one"


def _long_response_problem(answer: Answer) -> str:
    if not answer.status:
        return answer.problem
    if answer.status in (500, 502):
        return f"the proxy turns linkauth's redirect into status {answer.status}: {RESPONSE_ADVICE}"
    return f"status {answer.status} instead of linkauth's redirect"


def _form_tokens(html: str) -> list[str]:
    """Returns the parts of a page that look like form tokens, at most _TOKEN_LIMIT."""
    words = (word.partition(".") for word in html.translate(_AROUND_VALUES).split())
    # a form token begins with its expiry in seconds since 1970; other numbers with a point are coordinates of pictures
    tokens = (f"{time}.{signatures}" for time, _, signatures in words if len(time) >= 10 and time.isdecimal())
    return list(islice(tokens, _TOKEN_LIMIT))


def _site(answer: Answer) -> str:
    """Returns the scheme and the host of the header Location."""
    return "/".join(answer.header("Location").split("/")[:3])[:_EXCERPT] or "no URL"


def _insecure_advice(settings: Settings) -> str:
    names = "Forwarded with proto=" if settings.forwarded_header == "forwarded" else "X-Forwarded-Proto"
    trusted = " ".join(settings.trusted_proxies) or "nothing"
    return (
        f"linkauth takes the request for plain http. The proxy must set {names} (nginx: proxy_set_header "
        "X-Forwarded-Proto $scheme), and linkauth.trusted_proxies must contain the address that the proxy connects "
        f"from: it contains {trusted}. The log of the server names that address"
    )
