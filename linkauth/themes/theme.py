"""The contract of a theme, and rendering with one.

A theme is a package behind the entry-point group `linkauth.themes` with `templates/`, `static/` and `locale/`, each
optional, and an `includeme(config)` that says `config.add_theme("package")`; a child theme first includes its parent.
A child overrides a block (its template begins with `{% extends "parent/login.jinja2" %}`, as `templates` explains), a
sentence, a static file, or a CSS custom property (its `page.css.jinja2` begins with
`{% include "parent/static/page.css.jinja2" %}`, so that it stays one file). Static files whose names end in `.jinja2`
are rendered once at the start, with the theme's parameters.

A package may have `Parameters`, a frozen dataclass that is filled from `linkauth.theme.<name>.*`; its optional method
`static_files()` gives further static files, name to path. Templates see it as `theme`; a child whose parent has
Parameters says `from parent import Parameters`, or derives its own.

One gettext domain, `linkauth`; English sentences are the msgids, so English needs no catalog. A regional catalog, such
as `fr_CA`, holds only what is said differently there.
"""

from __future__ import annotations

import gettext
import gzip
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from pyramid.exceptions import ConfigurationError

from linkauth.redaction import reason, redact
from linkauth.themes import languages, templates
from linkauth.themes.states import PAGES, State, page_states
from linkauth.themes.templates import TemplateLoader

DOMAIN = "linkauth"
PAGE_CACHE_SIZE = 1_000
_TOKEN_PLACEHOLDER = "form-token-4b1d5a0c"
_QUERY_PLACEHOLDER = Markup("query-4b1d5a0c")
_FIELD = Markup('<input type="hidden" name="{}" value="{}">')


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A static file under its content-hashed name, ready to be sent; `gzipped` is None where it does not pay."""

    name: str
    content_type: str
    body: bytes
    gzipped: bytes | None


class Theme:
    """A theme and its parents, `packages` with the child first.

    Every file is read and every template compiled at the start, and each page is rendered once. `linkauth theme check`
    renders every page in every state and language.

    `parameters` is the filled Parameters object or None, `texts` what every page may say (service_name, and by name:
    clients, their platforms and platform_labels, scope_texts), `static_path` the URL path before a static file's name;
    `language` is for people who ask for none.
    Raises ConfigurationError in one sentence.
    """

    def __init__(
        self,
        name: str,
        packages: list[str],
        parameters: Any,
        texts: Mapping[str, Any],
        static_path: str,
        language: str = "en",
    ) -> None:
        self.name = name
        self.roots = [Path(str(files(package))) for package in packages]
        self.parameters = parameters
        self._static_path = static_path
        self._catalogs: dict[str, gettext.NullTranslations] = {}
        self.environment = self._environment(texts)
        self.static: dict[str, StaticFile] = {}
        self._static_urls: dict[str, str] = {}
        self._load_static()
        self._read = [self.read_catalogs(root) for root in self.roots]
        # English needs no catalog
        self.languages = tuple(sorted({"en", *(tag for catalogs in self._read for tag in catalogs)}))
        self.selectable_languages = languages.selectable(self.languages)
        self.environment.globals.update(spoken=self.selectable_languages, languages=self.languages)
        self._catalogs = {tag: self.catalog(tag) for tag in self.languages}
        self.default_language = default_language(language, name, self.languages)
        self.pages = {page: self._template(page) for page in PAGES}
        # bounded, since a client may ask for any choice of its scopes
        self._cached_render = lru_cache(PAGE_CACHE_SIZE)(self._render)
        self.check_pages()

    def _environment(self, texts: Mapping[str, Any]) -> jinja2.Environment:
        environment = templates.environment(self.roots)
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            jinja2.pass_context(lambda context, message: context["catalog"].gettext(message)),
            jinja2.pass_context(lambda context, one, many, n: context["catalog"].ngettext(one, many, n)),
            newstyle=True,
        )
        environment.globals.update(texts, theme=self.parameters, static=lambda name: self._static_urls[name])
        environment.filters["text"] = jinja2.pass_context(
            lambda context, texts: languages.localized(texts, context["language"])
        )
        environment.filters["number"] = jinja2.pass_context(
            lambda context, value: languages.format_number(value, context["language"])
        )
        return environment

    def _template(self, page: str) -> jinja2.Template:
        try:
            return self.environment.get_template(page)
        except jinja2.TemplateNotFound as error:
            raise ConfigurationError(f"linkauth.theme: {self.name} has no template {error.name}") from None
        except jinja2.TemplateSyntaxError as error:
            raise ConfigurationError(f"linkauth.theme: {self.name}, {describe_failure(error, page)}") from None

    def check_pages(self) -> None:
        """Compile every template, and render each page as the first visitor sees it."""
        assert isinstance(self.environment.loader, TemplateLoader)
        for name in self.environment.loader.names():
            self._template(name)
        clients: Any = self.environment.globals["clients"]
        first: dict[str, State] = {}
        for state in page_states(next(iter(clients), ""), ()):
            first.setdefault(state.page, state)
        for page, state in first.items():
            if page in ("login", "password") and not clients:
                continue
            try:
                self._render(page, self.default_language, **state.context)
            except Exception as error:
                # a template may raise any exception
                what = f"cannot show {page} in {self.default_language}: {describe_failure(error, page + '.jinja2')}"
                raise ConfigurationError(f"linkauth.theme: {self.name} {what}") from None

    def _load_static(self) -> None:
        found: dict[str, Path] = dict(getattr(self.parameters, "static_files", dict)())
        for root in reversed(self.roots):
            if (root / "static").is_dir():
                for path in sorted((root / "static").iterdir()):
                    if path.is_file():
                        found[path.name.removesuffix(".jinja2")] = path
        # those that are rendered come last, for they may name the others
        for name, path in sorted(found.items(), key=lambda item: (item[1].suffix == ".jinja2", item[0])):
            body = path.read_bytes()
            if path.suffix == ".jinja2":
                try:
                    body = self.environment.get_template(f"static/{path.name}").render().encode("utf-8")
                except Exception as error:
                    what = describe_failure(error, f"static/{path.name}")
                    raise ConfigurationError(f"linkauth.theme: {self.name}, {path.name}: {what}") from None
            stem, dot, ending = name.rpartition(".")
            hashed = f"{stem}.{sha256(body).hexdigest()[:12]}{dot}{ending}"
            content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
            if content_type.startswith("text/"):
                content_type += "; charset=utf-8"
            gzipped = gzip.compress(body, 9, mtime=0)
            small = gzipped if len(gzipped) < len(body) * 0.9 else None
            self.static[hashed] = StaticFile(hashed, content_type, body, small)
            self._static_urls[name] = self._static_path + hashed

    def read_catalogs(self, root: Path) -> dict[str, gettext.GNUTranslations]:
        """The compiled catalogs of the package at `root`, by language tag."""
        return {tag: self.translations(path) for tag, path in compiled_catalogs(root)}

    def translations(self, path: Path) -> gettext.GNUTranslations:
        """A compiled catalog; raises ConfigurationError."""
        try:
            with path.open("rb") as file:
                return gettext.GNUTranslations(file)
        except Exception as error:
            # whatever gettext raises when it meets garbage
            what = f"{path} is no compiled catalog ({reason(error)}): linkauth catalogs {self.name} writes it anew"
            raise ConfigurationError(f"linkauth.theme: {self.name}: {what}") from None

    def catalog(self, tag: str) -> gettext.NullTranslations:
        """The sentences of a language: the child's before the parent's, `es-MX` before `es`, else the English msgid."""
        chain = gettext.NullTranslations()
        # what a child says in es it says to people in Mexico too, whatever its parent says to them
        for catalogs in reversed(self._read):
            for part in reversed(languages.fallbacks(tag)):
                if part in catalogs:
                    link = copy(catalogs[part])
                    link.add_fallback(chain)
                    chain = link
        return chain

    def render(
        self,
        page: str,
        language: str,
        form_token: str = "",
        query: Sequence[tuple[str, str]] | None = (),
        guess: bool = False,
        **context: Any,
    ) -> str:
        """The HTML of `page` ("login" for login.jinja2) in one of `languages`.

        `query` are the parameters that a choice of another language must keep, None for no such choice; `guess` asks
        the page's script for the browser's languages. What holds nothing that a person typed is rendered once and kept;
        only the form token and the query are put in anew.
        """
        fields = Markup("").join(_FIELD.format(name, value) for name, value in query or ())
        context |= {"guess": guess, "choice": query is not None}
        if context.get("username"):
            return self._render(page, language, form_token=form_token, query_fields=fields, **context)
        kept = self._cached_render(
            page, language, form_token=_TOKEN_PLACEHOLDER, query_fields=_QUERY_PLACEHOLDER, **context
        )
        return kept.replace(_TOKEN_PLACEHOLDER, form_token).replace(_QUERY_PLACEHOLDER, fields)

    def _render(self, page: str, language: str, **context: Any) -> str:
        listed = (
            each for tag in languages.fallbacks(language) for each in self.selectable_languages if each.tag == tag
        )
        return self.pages[page + ".jinja2"].render(
            {"form_token": "", "query_fields": "", "guess": False, "choice": True, **context},
            language=language,
            speaking=next(listed),
            direction=languages.describe(language).direction,
            catalog=self._catalogs[language],
        )


def default_language(wanted: str, theme: str, spoken: Sequence[str]) -> str:
    """The language, of those that a theme speaks, for people who say none; raises ConfigurationError for none."""
    found = languages.best_match([wanted], spoken)
    if found is None:
        raise ConfigurationError(
            f"linkauth.default_language: is none that the theme {theme} speaks: {', '.join(spoken)}"
        )
    return found


def compiled_catalogs(root: Path) -> Iterator[tuple[str, Path]]:
    """(language tag, path) of each compiled catalog of the package at `root`."""
    for path in sorted(root.glob(f"locale/*/LC_MESSAGES/{DOMAIN}.mo")):
        yield path.parts[-3].replace("_", "-"), path


def describe_failure(error: Exception, template: str) -> str:
    """What the template of that name, or one that belongs to it, raised, in words for the theme's author."""
    if isinstance(error, RecursionError):
        return f"a template extends itself: what stands behind it is called parent/{template}"
    if isinstance(error, jinja2.TemplateSyntaxError):
        # a name may begin with the place in the chain
        return f"{str(error.name).rpartition(':')[2]} line {error.lineno}: {redact(error.message)}"
    return f"{type(error).__name__}: {reason(error)}"


class _IncludeRecorder:
    """What a theme's `includeme` sees as `config`: its includes, parents first, become the chain."""

    def __init__(self) -> None:
        self.packages: list[str] = []

    def include(self, module: Any) -> None:
        if isinstance(module, str):
            module = __import__(module, fromlist=["includeme"])
        module.includeme(self)

    def add_theme(self, package: str) -> None:
        self.packages.insert(0, package)


def theme_packages(name: str, module: Any) -> list[str]:
    """The packages of the theme in `module` and of its parents, the child first; raises ConfigurationError."""
    chain = _IncludeRecorder()
    if not callable(getattr(module, "includeme", None)):
        raise ConfigurationError(f"linkauth.theme: {name} has no includeme(config) that says config.add_theme(...)")
    chain.include(module)
    return chain.packages


def open_theme(
    name: str, module: Any, parameters: Any, texts: Mapping[str, Any], static_path: str, language: str = "en"
) -> Theme:
    """The theme whose package is `module`; raises ConfigurationError in one sentence."""
    return Theme(name, theme_packages(name, module), parameters, texts, static_path, language)


def page_texts(settings: Any) -> dict[str, Any]:
    """What every page may say, as the settings have it."""
    return {
        "service_name": settings.service_name,
        "clients": {each.client_id or name: each.name for name, each in settings.clients.items()},
        "platforms": {each.client_id or name: each.platform for name, each in settings.clients.items()},
        "platform_labels": {each.client_id or name: each.preset.label for name, each in settings.clients.items()},
        "scope_texts": settings.scopes,
    }
