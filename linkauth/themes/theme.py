"""Loads a theme and renders its pages. This docstring is the contract of a theme.

A theme is a package with an entry point in the group `linkauth.themes`. It has the folders `templates/`, `static/` and
`locale/`, all optional, and a function `includeme(config)` that calls `config.add_theme("package")`. The `includeme`
of a child theme includes its parent first.

A child theme can override blocks, texts, static files and CSS custom properties. To override a block, its template
begins with `{% extends "parent/login.jinja2" %}` (see `templates`). To override a CSS property, its `page.css.jinja2`
begins with `{% include "parent/static/page.css.jinja2" %}`. Static files `*.jinja2` are rendered once at the start.

A package may have a frozen dataclass `Parameters`. Its fields are set from `linkauth.theme.<name>.*`; templates access
it as `theme`. Its optional method `static_files()` returns additional static files (name to path). A child theme must
import or extend the `Parameters` of its parent.

The gettext domain is `linkauth`. The msgids are English sentences, so English needs no catalog. A regional catalog,
such as `fr_CA`, contains only the texts that differ.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from markupsafe import Markup, escape
from pyramid.exceptions import ConfigurationError

from linkauth.mail.parts import Parts
from linkauth.redaction import reason
from linkauth.themes import languages, mails, static_files, templates
from linkauth.themes.page_cache import PageCache
from linkauth.themes.states import FINAL_ERRORS, MAIL, PAGES, State, mail_states, page_states
from linkauth.themes.templates import TemplateLoader, describe_failure

DOMAIN = "linkauth"
DEFAULTS: Mapping[str, Any] = {
    **{
        "action": "",
        "sign_ins": (),
        "embedded": False,
        "password_form": True,
        "provider": "",
        "raw_query": "",
        "prefill": "",
    },
}
"""Variables that a page has even if its view does not give them: an included template of any page may read them."""


class Theme:
    """A theme and its parents. The constructor reads every file, compiles every template and renders each page once.

    `packages` are those of the theme and its parents, child first. `parameters` is the Parameters object or None.
    `texts` are the global variables of the templates (see `page_texts`). `static_path` is the URL path of static files.
    `language` is the default language. Raises ConfigurationError with a one-sentence message.
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
        self.roots = [templates.package_folder(name, package) for package in packages]
        self.parameters = parameters
        self._catalogs: dict[str, gettext.NullTranslations] = {}
        self.environment = self._environment(texts)
        self.static = static_files.load(name, self.roots, parameters, self.environment, static_path)
        self._catalogs_by_root = [self.read_catalogs(root) for root in self.roots]
        # English needs no catalog
        self.languages = tuple(sorted({"en", *(tag for catalogs in self._catalogs_by_root for tag in catalogs)}))
        self.selectable_languages = languages.selectable(self.languages)
        self.environment.globals.update(spoken=self.selectable_languages, languages=self.languages)
        self._catalogs = {tag: self.catalog(tag) for tag in self.languages}
        self.default_language = default_language(language, name, self.languages)
        self.pages = {page: self._template(page) for page in (*PAGES, MAIL)}
        self._page_cache = PageCache(self._render)
        self.check_pages()

    def _environment(self, texts: Mapping[str, Any]) -> jinja2.Environment:
        environment = templates.environment(self.roots)
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            jinja2.pass_context(lambda context, message: context["catalog"].gettext(message)),
            jinja2.pass_context(lambda context, one, many, n: context["catalog"].ngettext(one, many, n)),
            newstyle=True,
        )
        environment.globals.update({"authorize_path": "/authorize", **texts}, theme=self.parameters)
        environment.globals["final_errors"] = FINAL_ERRORS
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
        """Compiles every template, and renders each page in its first state."""
        assert isinstance(self.environment.loader, TemplateLoader)
        for name in self.environment.loader.names():
            self._template(name)
        clients: Any = self.environment.globals["clients"]
        first: dict[str, State] = {}
        for state in page_states(next(iter(clients), ""), ()):
            first.setdefault(state.page, state)
        for page, state in first.items():
            if "client_id" in state.context and not clients:
                continue
            self._check_page(page, partial(self._render, page, self.default_language, **state.context))
        for state in mail_states(next(iter(clients), "")):
            self._check_page("mail", partial(self.mail, language=self.default_language, **state.context))

    def _check_page(self, page: str, render: Callable[[], object]) -> None:
        try:
            render()
        except Exception as error:
            failure = describe_failure(error, page + ".jinja2")
            problem = f"cannot render {page} in {self.default_language}: {failure}"
            raise ConfigurationError(f"linkauth.theme: {self.name} {problem}") from None

    def read_catalogs(self, root: Path) -> dict[str, gettext.GNUTranslations]:
        """Returns the compiled catalogs of the package at `root`, by language tag."""
        return {tag: self.translations(path) for tag, path in compiled_catalogs(root)}

    def translations(self, path: Path) -> gettext.GNUTranslations:
        """Reads a compiled catalog. Raises ConfigurationError."""
        try:
            with path.open("rb") as file:
                return gettext.GNUTranslations(file)
        except Exception as error:
            # gettext may raise any exception for an invalid file
            problem = (
                f"{path} is not a compiled catalog ({reason(error)}); to rewrite it: linkauth catalogs {self.name}"
            )
            raise ConfigurationError(f"linkauth.theme: {self.name}: {problem}") from None

    def catalog(self, tag: str) -> gettext.NullTranslations:
        """Returns the translations for a language.

        The search order is: the catalogs of the child (`es-MX` before `es`), those of its parents, the English msgid.
        """
        translations = gettext.NullTranslations()
        for catalogs in reversed(self._catalogs_by_root):
            for part in reversed(languages.fallbacks(tag)):
                if part in catalogs:
                    catalog = copy(catalogs[part])
                    catalog.add_fallback(translations)
                    translations = catalog
        return translations

    def render(
        self,
        page: str,
        language: str,
        /,
        query: Sequence[tuple[str, str]] | None = (),
        guess: bool = False,
        **context: Any,
    ) -> str:
        """Returns the HTML of `page` ("login" for login.jinja2) in `language`, one of `languages`.

        `query` are the request parameters to preserve when the user selects another language; None omits the language
        menu. With `guess`, the script of the page adds the languages of the browser to the request.

        A page is rendered once and kept. The values of hidden fields, the query and the user name are inserted for each
        request. If a template does more with `username` than print it or test it with `if`, its page is rendered for
        each request, as is a registration page with typed values.
        """
        # an f-string, because Markup.format takes six times as long
        inputs = [f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in query or ()]
        fields = Markup("".join(inputs))  # noqa: S704
        context |= {"guess": guess, "choice": query is not None}
        return self._page_cache.page(page, language, query_fields=fields, **context)

    def _render(self, page: str, language: str, /, **context: Any) -> str:
        speaking = languages.describe(language)
        values = {"form_token": "", "query_fields": "", "guess": False, "choice": True, "speaking": speaking}
        return self.pages[page + ".jinja2"].render(values, **{**DEFAULTS, **context}, **self._language_values(language))

    def _language_values(self, language: str) -> dict[str, Any]:
        direction = languages.describe(language).direction
        return {"language": language, "direction": direction, "catalog": self._catalogs[language]}

    def mail(
        self,
        kind: str,
        language: str,
        client_id: str = "",
        names: Sequence[str] = (),
        code: str = "",
        minutes: int = 0,
    ) -> Parts:
        """Returns the texts of a mail. The arguments are those of `linkauth.mail.message.Mail`.

        A language that the theme does not have is replaced by the best match or the default language, because the mail
        may be older than the settings. `client_id` may be unknown for the same reason.
        """
        found = languages.best_match([language], self.languages) or self.default_language
        values = {"kind": kind, "client_id": client_id, "names": tuple(names), "code": code, "minutes": minutes}
        return mails.render(self.pages[MAIL], {**values, **self._language_values(found)})


def default_language(wanted: str, theme: str, available: Sequence[str]) -> str:
    """Returns the default language for requests without a known language: the best match of `wanted`.

    Raises ConfigurationError if the theme has no such language.
    """
    found = languages.best_match([wanted], available)
    if found is None:
        tags = ", ".join(available)
        raise ConfigurationError(f"linkauth.default_language: is not a language of the theme {theme}: {tags}")
    return found


def compiled_catalogs(root: Path) -> Iterator[tuple[str, Path]]:
    """Yields (language tag, path) of each compiled catalog of the package at `root`."""
    for path in sorted(root.glob(f"locale/*/LC_MESSAGES/{DOMAIN}.mo")):
        yield path.parts[-3].replace("_", "-"), path


class _IncludeRecorder:
    """The `config` argument of a theme's `includeme`. It records the packages of the theme and its parents."""

    def __init__(self) -> None:
        self.packages: list[str] = []

    def include(self, module: Any) -> None:
        if isinstance(module, str):
            module = __import__(module, fromlist=["includeme"])
        module.includeme(self)

    def add_theme(self, package: str) -> None:
        self.packages.insert(0, package)


def theme_packages(name: str, module: Any) -> list[str]:
    """Returns the packages of the theme `module` and its parents, child first. Raises ConfigurationError."""
    recorder = _IncludeRecorder()
    if not callable(getattr(module, "includeme", None)):
        raise ConfigurationError(f"linkauth.theme: {name} has no includeme(config) that calls config.add_theme(...)")
    recorder.include(module)
    return recorder.packages


def open_theme(
    name: str, module: Any, parameters: Any, texts: Mapping[str, Any], static_path: str, language: str = "en"
) -> Theme:
    """Loads the theme in the package `module`. Raises ConfigurationError with a one-sentence message."""
    return Theme(name, theme_packages(name, module), parameters, texts, static_path, language)


def page_texts(settings: Any) -> dict[str, Any]:
    """Returns the global variables of the templates.

    They are texts, by client_id the names and platforms of clients, and the URL path of the login page. The pages of
    recovery and registration are below this path. The login page may also be shown there, so it has no relative links.
    """
    return {
        "authorize_path": f"{urlsplit(settings.public_url).path}/authorize",
        "service_name": settings.service_name,
        "clients": {each.client_id or name: each.name for name, each in settings.clients.items()},
        "platforms": {each.client_id or name: each.platform for name, each in settings.clients.items()},
        "platform_labels": {each.client_id or name: each.preset.label for name, each in settings.clients.items()},
        "scope_texts": settings.scopes,
    }
