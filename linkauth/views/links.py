"""/links: a person's own page, which shows the skills that are linked with their account, and ends links.

There is no client and no cookie. The sign-in is that of linking, with the same throttle and the same second step. After
it, each form has the value of a session of 15 minutes, and a form token that is bound to it. All forms but the buttons
of sign-in providers are posted to /links; their fields tell which one it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from linkauth.login.visit import Visit
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.views.authorize import submitted_username
from linkauth.views.completion import step_page
from linkauth.web.request import Request

VALUE_LIMIT = 64


def links(request: Request) -> Response:
    """Show the page to sign in, or process a form."""
    if request.services.own_links is None:
        raise HTTPNotFound("not_found")
    request.begin_own_links()
    return process(request) if request.method == "POST" else sign_in_page(request)


def go(request: Request) -> Response:
    """Process the button of a provider: redirect to the provider."""
    if request.services.own_links is None:
        raise HTTPNotFound("not_found")
    request.begin_own_links()
    # the pages that this URL may show belong to /links
    request.resume(_query(request), request.language, own_links=True)
    modes, name = request.offer("").modes, request.matchdict["provider"]
    if name not in modes:
        raise HTTPNotFound("not_found")
    if request.method != "POST":
        # the address was typed, or reloaded
        return _begin_again(request)
    if "username" in request.form:
        # a theme that does not know `action` has sent its form to the URL of the page
        return process(request)
    request.form_tokens.check_origin(request.environ)
    if not _is_valid(request):
        return sign_in_page(request, "stale", 400)
    browser = request.browser_cookies.value(request.environ, modes[name])
    with request.sign_in_place():
        location = request.services.provider_sign_in.begin(name, _visit(request), browser)
    return Response(status=303, location=location)


def process(request: Request) -> Response:
    """Process a posted form of the page."""
    form = request.form
    request.form_tokens.check_origin(request.environ)
    if not _is_valid(request):
        return second_step_page(request, "stale") if "challenge" in form else sign_in_page(request, "stale", 400)
    if "cancel" in form:
        return _begin_again(request)
    if "challenge" in form and request.services.second_step is not None:
        with request.sign_in_place():
            step = request.services.second_step.answer(_visit(request), form)
        return _shown(request, step)
    if "session" in form:
        return _act(request)
    if not request.offer("").password_form:
        return sign_in_page(request, "stale", 403)
    with request.sign_in_place():
        # not client_addr, which uses X-Forwarded-For from any peer
        username, password, address = form.get("username", ""), form.get("password", ""), request.remote_addr or ""
        device = request.known_device_cookie.value(request.environ)
        person = request.services.sign_in(username, password, address, device)
    return signed_in(request, person)


def signed_in(request: Request, person: Any) -> Response:
    """Ask `person` (a Person), who has signed in, for the second factor if they have one; else show their links."""
    response = _next_step(request, person)
    if person.device:
        # only where the browser keeps it
        seconds = request.services.throttle.devices.seconds
        response.headerlist.append(request.known_device_cookie.header(person.device, seconds))
    return response


def _next_step(request: Request, person: Any) -> Response:
    second_step = request.services.second_step
    if second_step is None:
        return _opened(request, person)
    cookie = request.device_cookie.value(request.environ)
    return _shown(request, second_step.begin(_visit(request), person, cookie))


def second_step_page(request: Request, error: str, retry_after: int = 0) -> Response:
    """Show the page of the posted form of the second step again, with an error."""
    second_step = request.services.second_step
    if second_step is None:
        return sign_in_page(request, error, 400)
    try:
        step = second_step.shown_again(_visit(request), request.form, error, retry_after)
    except StorageUnavailableError:
        # this page may already be the answer to an error
        step = second_step.shown_again(_visit(request), request.form, "unavailable", retry_after)
    return _shown(request, step)


def sign_in_page(
    request: Request, error: str = "", status: int = 200, retry_after: int = 0, change_url: str = "", provider: str = ""
) -> Response:
    """Render the page to sign in. The arguments are those of `authorize.login_page`."""
    offer = request.offer("")
    response = _page(
        request,
        "links_sign_in",
        status,
        retry_after,
        username=submitted_username(request) if error else "",
        error=error,
        change_url=change_url,
        scopes=(),
        recovery=False,
        registration=False,
        phone_example=request.services.sign_in.phone_example,
        password_form=offer.password_form,
        sign_ins=offer.buttons,
        embedded=offer.buttons != () and request.is_embedded,
        provider=provider,
        prefill="",
    )
    if offer.buttons:
        modes = frozenset(offer.modes.values())
        response.headerlist.extend(request.browser_cookies.new(request.environ, modes))
    return response


def _shown(request: Request, step: Any) -> Response:
    """Respond to a Step of the second factor: show the links of its person, or its page."""
    if step.person is None:
        token = request.form_tokens.token(_query(request))
        action = f"{request.links_path}?{_query(request)}"
        return step_page(request, step, token, action, authorize_path=request.links_path)
    response = _opened(request, step.person)
    if step.cookie:
        response.headerlist.append(request.device_cookie.header(step.cookie, step.cookie_seconds))
    return response


def _opened(request: Request, person: Any) -> Response:
    return _list_page(request, person, _own_links(request).begin(person))


def _act(request: Request) -> Response:
    """Process a form of a person who has signed in."""
    form, own_links = request.form, _own_links(request)
    session = form["session"]
    person = own_links.person(session)
    if person is None:
        return sign_in_page(request, "stale", 400)
    if "sign_out" in form:
        own_links.sign_out(session)
        return _begin_again(request)
    shown, _ = _visible(request, person)
    known = [each.client_id for each in shown]
    if "confirmed" in form:
        chosen = [each for each in known if form.get("client") in (each, "")]
        ended = own_links.end(person, chosen, request.language)
        return _list_page(request, person, session, ended)
    if "end_all" in form and known:
        return _end_page(request, session, "")
    if form.get("end") in known:
        return _end_page(request, session, form["end"])
    return _list_page(request, person, session)


def _visible(request: Request, person: Any) -> tuple[Sequence[Any], bool]:
    """Return the links that `person` sees after this way to sign in, and whether there are others.

    A client for which people sign in at a provider only must not be within reach of a password.
    """
    found = _own_links(request).links(person)
    settings = request.services.settings
    known = {client.client_id or name for name, client in settings.clients.items()}

    def is_reached(client_id: str) -> bool:
        if client_id not in known:
            # it was removed from the ini file
            return bool(person.provider) or settings.password_form
        offer = request.offer(client_id)
        return person.provider in offer.modes if person.provider else offer.password_form

    shown = [each for each in found if is_reached(each.client_id)]
    return shown, len(shown) < len(found)


def _list_page(request: Request, person: Any, session: str, ended: Sequence[str] = ()) -> Response:
    shown, has_others = _visible(request, person)
    account = person.identity.email or person.identity.name or person.identity.username
    values = {"links": tuple(shown), "has_others": has_others, "ended": tuple(ended), "account": account}
    return _page(request, "links", session=session, **values)


def _end_page(request: Request, session: str, client_id: str) -> Response:
    """Render the page that asks before links end. `client_id` is "" for all of them."""
    return _page(request, "links_end", session=session, ending=client_id)


def _page(
    request: Request, name: str, status: int = 200, retry_after: int = 0, session: str = "", **context: Any
) -> Response:
    token = request.form_tokens.token(_bound(request, session))
    response: Response = request.page(
        name,
        status,
        client_id="",
        form_token=token,
        action=request.action,
        authorize_path=request.links_path,
        retry_after=retry_after,
        **({"session": session} if session else {}),
        **context,
    )
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _is_valid(request: Request) -> bool:
    """Report whether the token of the posted form is valid for its query and its session."""
    form = request.form
    return request.form_tokens.is_valid(form.get("form_token", ""), _bound(request, form.get("session", "")))


def _bound(request: Request, session: str) -> str:
    """Return what the token of a form is bound to: a token of another session, or of no session, is not valid."""
    return f"{_query(request)}\0{session[:VALUE_LIMIT]}" if session else _query(request)


def _begin_again(request: Request) -> Response:
    query = _query(request)
    # the links of the site's own pages are relative to the public URL
    return Response(status=303, location=f"{request.services.oauth2.url}/links{'?' if query else ''}{query}")


def _visit(request: Request) -> Visit:
    # not client_addr, which uses X-Forwarded-For from any peer
    return Visit(_query(request), "", request.language, request.remote_addr or "", request.is_embedded)


def _query(request: Request) -> str:
    query: str = request.environ.get("QUERY_STRING", "")
    return query


def _own_links(request: Request) -> Any:
    assert request.services.own_links is not None
    return request.services.own_links


def includeme(config: Any) -> None:
    config.add_view(links, route_name="links", request_method=("GET", "POST"))
    config.add_view(go, route_name="links_go", request_method=("GET", "POST"))
