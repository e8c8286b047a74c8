"""The gallery: every page in every state, language, colour scheme and size of letters, over HTTP or as files.

A page is what production renders. Only its address, and what its style sheet asks the device, are settled beforehand;
over HTTP it comes with production's headers, but that this server may frame it.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from babel import Locale, UnknownLocaleError
from webob import Request, Response

from linkauth.themes.languages import best_match
from linkauth.themes.states import State
from linkauth.themes.theme import describe_failure
from linkauth.theming import pseudo
from linkauth.theming.drafts import Draft
from linkauth.theming.live import Live, Now
from linkauth.theming.variants import SCHEMES, TEXT_SIZES, VARIANTS, Variant
from linkauth.web import headers

WIDTHS = (320, 360, 768)
"""CSS pixels: the narrowest that counts (WCAG 2.2, success criterion 1.4.10), a phone, a tablet."""
LOOPBACK = ("127.0.0.1", "localhost")
_OWN = ("gallery.css", "gallery.js")
_FOCUS = re.compile(r"(<[a-z][^<>]*) autofocus\b")
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; frame-src 'self'; connect-src 'self'; img-src data:"
_PAGE_HEADERS = {
    **dict(headers.HEADERS),
    "Content-Security-Policy": headers.CONTENT_SECURITY_POLICY.replace(
        "frame-ancestors 'none'", "frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}


class Gallery:
    """A WSGI application over `live`. It posts nowhere: what a page's form sends is answered by nothing at all."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        answer = self._answer(request)
        answer.headers.setdefault("Cache-Control", "no-store")
        answered: Iterable[bytes] = answer(environ, start_response)
        return answered

    def _answer(self, request: Request) -> Response:
        if request.host.partition(":")[0] not in LOOPBACK:
            return _told("this gallery is for the machine that it runs on", 403)
        if request.method not in ("GET", "HEAD"):
            # the browser stays where it is
            return Response(status=204)
        now = self._live.now()
        match request.path_info.strip("/").split("/"):
            case [""]:
                return _with(Response(index(now, live=True)), {"Content-Security-Policy": _POLICY})
            case ["stamp"]:
                return Response(json_body={"stamp": now.stamp, "problem": now.problem, "shape": shape(now)})
            case [name] if name in _OWN:
                return Response(own(name), content_type=mimetypes.guess_type(name)[0], charset="utf-8")
            case ["pages", theme, language, name] if theme in now.drafts:
                if asked := best_match(request.GET.getall("ui_locales"), now.drafts[theme].languages):
                    # the choice at the foot of a page
                    return Response(status=303, location=f"../{asked}/{name}")
                return _page(now.drafts[theme], language, name, request.headers.get("Sec-Fetch-Dest") == "iframe")
            case ["static", theme, variant, name] if theme in now.drafts and variant in VARIANTS:
                return _static(now.drafts[theme], VARIANTS[variant], name)
        return _told("there is no such page", 404)


def _with(response: Response, headers: Mapping[str, str]) -> Response:
    response.headers.update(headers)
    return response


def _told(text: str, status: int) -> Response:
    return Response(text, status=status, content_type="text/plain", charset="utf-8")


def _page(draft: Draft, language: str, name: str, framed: bool) -> Response:
    found = [(state, each) for state in draft.states for each in VARIANTS.values() if address(state, each) == name]
    if not found or language not in draft.languages:
        return _told("there is no such page", 404)
    try:
        html = page(draft, *found[0], language)
        return _with(Response(unfocused(html) if framed else html), _PAGE_HEADERS)
    except Exception as error:
        # the theme's own templates are wrong, and its author is who looks
        return _told(describe_failure(error, found[0][0].page + ".jinja2"), 500)


def _static(draft: Draft, variant: Variant, name: str) -> Response:
    body = static(draft, variant).get(name)
    if body is None:
        return _told("there is no such file", 404)
    return _with(Response(body), {"Content-Type": draft.static[name].content_type, "X-Content-Type-Options": "nosniff"})


def address(state: State, variant: Variant) -> str:
    """The last part of a page's address."""
    return f"{state.page}.{state.name}.{variant.name}.html"


def page(draft: Draft, state: State, variant: Variant, language: str) -> str:
    """The HTML of a page at `pages/<theme>/<language>/<address>`; raises what the template raises."""
    where = f"../../../static/{draft.name}/{variant.name}/"
    return variant.page(draft.show(state, language)).replace(draft.static_path, where)


def unfocused(html: str) -> str:
    """A page among others: an error of it that takes the focus would scroll the whole gallery."""
    return _FOCUS.sub(r"\1", html)


def static(draft: Draft, variant: Variant) -> dict[str, bytes]:
    """The static files by name, as they are at `static/<theme>/<variant>/`."""
    found = {}
    for name, file in draft.static.items():
        # files name each other by the path that they have in production
        body = (
            file.body.replace(draft.static_path.encode(), b"") if file.content_type.startswith("text/") else file.body
        )
        found[name] = variant.file(body, file.content_type)
    return found


def index(now: Now, live: bool) -> str:
    """The gallery's own page; `live` if a server answers it."""
    template = jinja2.Environment(autoescape=True).from_string(own("gallery.jinja2").decode("utf-8"))
    return template.render(offer=offer(now, live), live=live)


def offer(now: Now, live: bool) -> dict[str, Any]:
    """What there is to choose from."""
    return {
        "live": live,
        "stamp": now.stamp,
        "shape": shape(now),
        "problem": now.problem,
        "themes": {name: _offer(draft, live) for name, draft in now.drafts.items()},
        "widths": WIDTHS,
        "schemes": SCHEMES,
        "sizes": TEXT_SIZES,
    }


def _offer(draft: Draft, live: bool) -> dict[str, Any]:
    languages = draft.languages if live else draft.real_languages
    return {
        "languages": {tag: called(tag) for tag in languages},
        "states": [[state.page, state.name] for state in draft.states],
    }


def shape(now: Now) -> str:
    """What there is to choose from, in a word that changes with it."""
    return " ".join(f"{name}:{','.join(draft.languages)}:{len(draft.states)}" for name, draft in now.drafts.items())


def called(tag: str) -> str:
    """The English name of a language."""
    if tag in pseudo.LANGUAGES:
        return {pseudo.LONGER: "pseudo, longer", pseudo.BACKWARDS: "pseudo, right to left"}[tag]
    try:
        return Locale.parse(tag, sep="-").get_display_name("en") or tag
    except (UnknownLocaleError, ValueError):
        return tag


def own(name: str) -> bytes:
    """A file of the gallery itself."""
    return (files("linkauth.theming") / name).read_bytes()


def export(now: Now, folder: Path) -> int:
    """Write the gallery into `folder`, which must not be there yet; gives the number of pages. Raises OSError.

    Its forms go nowhere, and it needs no server.
    """
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(index(now, live=False), "utf-8")
    for name in _OWN:
        (folder / name).write_bytes(own(name))
    count = 0
    for path, body in _files(now):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
        count += path.endswith(".html")
    return count


def _files(now: Now) -> Iterator[tuple[str, bytes]]:
    for draft in now.drafts.values():
        for variant in VARIANTS.values():
            for name, body in static(draft, variant).items():
                yield f"static/{draft.name}/{variant.name}/{name}", body
            for language in draft.real_languages:
                for state in draft.states:
                    # the first method counts, and outside a dialog this one does nothing
                    html = unfocused(page(draft, state, variant, language)).replace("<form", '<form method="dialog"')
                    yield f"pages/{draft.name}/{language}/{address(state, variant)}", html.encode("utf-8")
