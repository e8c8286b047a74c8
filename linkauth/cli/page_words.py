"""The words that a person reads after a sign-in, from the theme of a client."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from linkauth.themes import languages
from linkauth.themes.opening import open_themes
from linkauth.themes.states import page_states

if TYPE_CHECKING:
    from linkauth.config.settings import Settings

_PARAGRAPH = "\0"
_PARAGRAPHS = frozenset({"h1", "h2", "h3", "li", "p", "div"})
_EMPTY_ELEMENTS = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr"})


class PageWords:
    """The pages of the client with this name in the ini file, in the best language that its theme has for `language`.

    Raises ConfigurationError if a theme cannot be opened.
    """

    def __init__(self, settings: Settings, client: str, language: str) -> None:
        chosen = settings.clients[client]
        self._theme = open_themes(settings)[chosen.theme or settings.theme]
        self._language = languages.best_match([language], self._theme.languages) or self._theme.default_language
        self._states = page_states(chosen.client_id or client, chosen.scopes)

    def of(self, page: str, state: str, context: Mapping[str, Any]) -> str:
        """Returns the text of the alert on a page in a state, or its text before the form if it has no alert.

        Paragraphs are separated by a slash. It is "" for a state that the page does not have.
        `context` contains variables of the template that differ from those of the example in `themes.states`.
        """
        found = next((each for each in self._states if (each.page, each.name) == (page, state)), None)
        if found is None:
            return ""
        words = _Words()
        words.feed(self._theme.render(page, self._language, **{**found.context, **context}))
        parts = "".join(words.alert or words.before_form).split(_PARAGRAPH)
        return " / ".join(filter(None, (" ".join(part.split()) for part in parts)))


class _Words(HTMLParser):
    """The texts of an alert, and the texts of the main part before its form."""

    def __init__(self) -> None:
        super().__init__()
        self.alert: list[str] = []
        self.before_form: list[str] = []
        self._alert_depth = 0
        self._is_before_form = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._alert_depth and tag not in _EMPTY_ELEMENTS:
            self._alert_depth += 1
        elif dict(attrs).get("role") == "alert":
            self._alert_depth = 1
        if tag in ("main", "form"):
            self._is_before_form = tag == "main"

    def handle_endtag(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self.handle_data(_PARAGRAPH)
        if self._alert_depth and tag not in _EMPTY_ELEMENTS:
            self._alert_depth -= 1

    def handle_data(self, data: str) -> None:
        if self._alert_depth:
            self.alert.append(data)
        if self._is_before_form:
            self.before_form.append(data)
