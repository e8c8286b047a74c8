"""Renders the pages of the simulator in the language of the browser."""

from __future__ import annotations

import gettext
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from pyramid.response import Response

from linkauth.themes import languages
from linkauth.themes.theme import compiled_catalogs

FOLDER = Path(__file__).parent
"""The folder with `templates`, `static`, and the catalogs in `locale`."""
CONTENT_SECURITY_POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
# the mails in the frames have style attributes, as mail programs require
MAILS_POLICY = f"{CONTENT_SECURITY_POLICY}; script-src 'none'; style-src 'self' 'unsafe-inline'"


class Pages:
    """The templates and their translations. `base` is the URL path of the simulator without a slash at its end."""

    def __init__(self, base: str, default_language: str) -> None:
        self._catalogs: dict[str, gettext.NullTranslations] = {"en": gettext.NullTranslations()}
        for tag, path in compiled_catalogs(FOLDER):
            with path.open("rb") as file:
                self._catalogs[tag] = gettext.GNUTranslations(file)
        self._default = languages.best_match([default_language], list(self._catalogs)) or "en"
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER / "templates"),
            extensions=["jinja2.ext.i18n"],
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.policies["ext.i18n.trimmed"] = True
        self._environment.install_gettext_callables(  # type: ignore[attr-defined]
            jinja2.pass_context(lambda context, message: context["catalog"].gettext(message)),
            jinja2.pass_context(lambda context, one, many, n: context["catalog"].ngettext(one, many, n)),
            newstyle=True,
        )
        self._environment.filters["text"] = jinja2.pass_context(
            lambda context, texts: languages.localized(texts, context["language"])
        )
        self._environment.filters["number"] = jinja2.pass_context(
            lambda context, value: languages.format_number(value, context["language"])
        )
        self._environment.filters["readable"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
        self._environment.globals.update(base=base, spoken=languages.selectable(self._catalogs))

    def language(self, wanted: Sequence[str], accept_language: str) -> str:
        """Returns the language of a page: the best match of `wanted`, else of the Accept-Language header."""
        preferred = [*wanted, *languages.parse_accept_language(accept_language)]
        return languages.best_match(preferred, list(self._catalogs)) or self._default

    def page(self, template: str, language: str, policy: str = CONTENT_SECURITY_POLICY, **context: Any) -> Response:
        """Returns a page. `context` are the variables of its template."""
        values = {"language": language, "direction": languages.describe(language).direction}
        body = self._environment.get_template(template).render(context, catalog=self._catalogs[language], **values)
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", policy),
            ("Content-Language", language),
            ("Vary", "Accept-Language"),
        ]
        return Response(body, headerlist=headers)
