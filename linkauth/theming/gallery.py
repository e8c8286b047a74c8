"""The gallery: every page in every state, language, colour scheme and text size, over HTTP or as files.

The HTML is that of production. Only the addresses and the media queries for the colour scheme are changed. Over HTTP a
page has the headers of production, except that this server may frame it.
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
from markupsafe import escape
from webob import Request, Response

from linkauth.themes.languages import best_match
from linkauth.themes.states import State
from linkauth.themes.templates import describe_failure
from linkauth.theming import pseudo
from linkauth.theming.development import DevelopmentTheme
from linkauth.theming.reloading import Snapshot, ThemeReloader
from linkauth.theming.variants import SCHEMES, TEXT_SIZES, VARIANTS, Variant
from linkauth.web import headers

WIDTHS = (320, 360, 768)
"""CSS pixels: the narrowest width of WCAG 2.2 (success criterion 1.4.10), a phone, a tablet."""
LOOPBACK = ("127.0.0.1", "localhost")
_ASSETS = ("gallery.css", "gallery.js")
_FOCUS = re.compile(r"(<[a-z][^<>]*) autofocus\b")
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; frame-src 'self'; connect-src 'self'; img-src data:"
_PAGE_HEADERS = {
    **dict(headers.HEADERS),
    "Content-Security-Policy": headers.CONTENT_SECURITY_POLICY.replace(
        "frame-ancestors 'none'", "frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}


_MAIL_HEADERS = {
    **_PAGE_HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
}
"""A mail program applies the inline styles of a mail."""


class Gallery:
    """The WSGI application of the gallery. Its response to a form is empty."""

    def __init__(self, reloader: ThemeReloader) -> None:
        self._reloader = reloader

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = self._response(Request(environ))
        response.headers.setdefault("Cache-Control", "no-store")
        body: Iterable[bytes] = response(environ, start_response)
        return body

    def _response(self, request: Request) -> Response:
        if request.host.partition(":")[0] not in LOOPBACK:
            return _plain_text("the gallery can only be opened on the machine that runs it", 403)
        if request.method not in ("GET", "HEAD"):
            # the browser keeps the page
            return Response(status=204)
        snapshot = self._reloader.snapshot()
        match request.path_info.strip("/").split("/"):
            case [""]:
                return _with_headers(Response(index(snapshot, live=True)), {"Content-Security-Policy": _POLICY})
            case ["version"]:
                found = {"version": snapshot.version, "problem": snapshot.problem, "signature": signature(snapshot)}
                return Response(json_body=found)
            case [name] if name in _ASSETS:
                return Response(asset(name), content_type=mimetypes.guess_type(name)[0], charset="utf-8")
            case ["pages", theme, language, name] if theme in snapshot.themes:
                if chosen := best_match(request.GET.getall("ui_locales"), snapshot.themes[theme].languages):
                    # the choice of a language in the menu of a page
                    return Response(status=303, location=f"../{chosen}/{name}")
                framed = request.headers.get("Sec-Fetch-Dest") == "iframe"
                return _page(snapshot.themes[theme], language, name, framed)
            case ["authorize", *_]:
                # a button that leads to another page of linkauth
                return Response(status=204)
            case ["static", theme, variant, name] if theme in snapshot.themes and variant in VARIANTS:
                return _static(snapshot.themes[theme], VARIANTS[variant], name)
        return _plain_text("there is no such page", 404)


def _with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    response.headers.update(headers)
    return response


def _plain_text(text: str, status: int) -> Response:
    return Response(text, status=status, content_type="text/plain", charset="utf-8")


def _page(theme: DevelopmentTheme, language: str, name: str, framed: bool) -> Response:
    found = [(state, each) for state in theme.states for each in VARIANTS.values() if address(state, each) == name]
    if not found or language not in theme.languages:
        return _plain_text("there is no such page", 404)
    try:
        html = page(theme, *found[0], language)
        headers_sent = _MAIL_HEADERS if found[0][0].is_mail else _PAGE_HEADERS
        return _with_headers(Response(without_autofocus(html) if framed else html), headers_sent)
    except Exception as error:
        # a template may raise any exception; the theme's author sees the message
        return _plain_text(describe_failure(error, found[0][0].page + ".jinja2"), 500)


def _static(theme: DevelopmentTheme, variant: Variant, name: str) -> Response:
    body = static(theme, variant).get(name)
    if body is None:
        return _plain_text("there is no such file", 404)
    sent = {"Content-Type": theme.static[name].content_type, "X-Content-Type-Options": "nosniff"}
    return _with_headers(Response(body), sent)


def address(state: State, variant: Variant) -> str:
    """Returns the last segment of a page's address."""
    return f"{state.page}.{state.name}.{variant.name}.html"


def page(theme: DevelopmentTheme, state: State, variant: Variant, language: str) -> str:
    """Returns the HTML of a page at `pages/<theme>/<language>/<address>`. Raises what the template raises.

    Below a mail, its subject and its plain text are shown.
    """
    static_path = f"../../../static/{theme.name}/{variant.name}/"
    html = variant.page(theme.render_state(state, language)).replace(theme.static_path, static_path)
    if not state.is_mail:
        return html
    parts = theme.mail_parts(state, language)
    style = f":root {{ color-scheme: {variant.scheme}; font-size: {variant.size}% }}"
    text = f"<hr><pre style='white-space: pre-wrap'>{escape(parts.subject)}\n\n{escape(parts.text)}</pre>"
    return html.replace("</head>", f"<style>{style}</style></head>").replace("</body>", f"{text}</body>")


def without_autofocus(html: str) -> str:
    """Returns a page without `autofocus`, which would scroll the gallery to the page's error message."""
    return _FOCUS.sub(r"\1", html)


def static(theme: DevelopmentTheme, variant: Variant) -> dict[str, bytes]:
    """Returns the static files by name, as they are at `static/<theme>/<variant>/`."""
    found = {}
    for name, file in theme.static.items():
        body = file.body
        if file.content_type.startswith("text/"):
            # files refer to each other by their path in production
            body = body.replace(theme.static_path.encode(), b"")
        found[name] = variant.file(body, file.content_type)
    return found


def index(snapshot: Snapshot, live: bool) -> str:
    """Returns the HTML of the gallery itself. `live` is true for a server and false for an export."""
    template = jinja2.Environment(autoescape=True).from_string(asset("gallery.jinja2").decode("utf-8"))
    return template.render(choices=choices(snapshot, live))


def choices(snapshot: Snapshot, live: bool) -> dict[str, Any]:
    """Returns what a person can choose in the gallery, for its script."""
    return {
        "live": live,
        "version": snapshot.version,
        "signature": signature(snapshot),
        "problem": snapshot.problem,
        "themes": {name: _theme_choices(theme, live) for name, theme in snapshot.themes.items()},
        "widths": WIDTHS,
        "schemes": SCHEMES,
        "sizes": TEXT_SIZES,
    }


def _theme_choices(theme: DevelopmentTheme, live: bool) -> dict[str, Any]:
    languages = theme.languages if live else theme.real_languages
    return {
        "languages": {tag: language_name(tag) for tag in languages},
        "states": [[state.page, state.name] for state in theme.states],
    }


def signature(snapshot: Snapshot) -> str:
    """Returns a text that changes with the themes, languages and states to choose from."""
    return " ".join(
        f"{name}:{','.join(theme.languages)}:{len(theme.states)}" for name, theme in snapshot.themes.items()
    )


def language_name(tag: str) -> str:
    """Returns the English name of a language."""
    if tag in pseudo.LANGUAGES:
        return {pseudo.ACCENTED: "pseudo, longer", pseudo.BIDI: "pseudo, right to left"}[tag]
    try:
        return Locale.parse(tag, sep="-").get_display_name("en") or tag
    except (UnknownLocaleError, ValueError):
        return tag


def asset(name: str) -> bytes:
    """Returns a file of the gallery itself."""
    return (files("linkauth.theming") / name).read_bytes()


def export(snapshot: Snapshot, folder: Path) -> int:
    """Writes the gallery into the new folder `folder`. Returns the number of pages. Raises OSError.

    The files need no server, and their forms do nothing.
    """
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(index(snapshot, live=False), "utf-8")
    for name in _ASSETS:
        (folder / name).write_bytes(asset(name))
    count = 0
    for path, body in _files(snapshot):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
        count += path.endswith(".html")
    return count


def _files(snapshot: Snapshot) -> Iterator[tuple[str, bytes]]:
    for theme in snapshot.themes.values():
        for variant in VARIANTS.values():
            for name, body in static(theme, variant).items():
                yield f"static/{theme.name}/{variant.name}/{name}", body
            for language in theme.real_languages:
                for state in theme.states:
                    html = without_autofocus(page(theme, state, variant, language))
                    # browsers use the first of two method attributes; outside a <dialog> this one does nothing
                    html = html.replace("<form", '<form method="dialog"')
                    yield f"pages/{theme.name}/{language}/{address(state, variant)}", html.encode("utf-8")
