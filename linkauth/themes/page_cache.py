"""Keeps rendered pages. The values that differ between requests are inserted into a kept page.

These values are those of INSERTED, the fields of the query and the typed user name. A kept page is split at them, so
that a value which contains a placeholder is not replaced again. A page with other typed values is not kept, and neither
is one with secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from secrets import token_hex
from typing import Any

from markupsafe import Markup, escape

PAGE_CACHE_SIZE = 1_000
# no text of a theme and no parameter can contain this
_RANDOM = token_hex(8)
INSERTED = (
    *("form_token", "page", "wait", "challenge", "code", "redirect_uri", "action", "raw_query", "prefill"),
    "account",
)
"""The variables that a template prints unchanged, most of them into hidden fields. It may also test them with `if`."""
NOT_KEPT = ("secret", "codes")
"""A page with one of these variables contains secrets, so it is not kept."""
_INSERTED = {name: f"{name.replace('_', '-')}-{_RANDOM}" for name in INSERTED}
_QUERY_FIELDS = escape(f"query-fields-{_RANDOM}")
_USERNAME = f"username-{_RANDOM}"
_SEPARATOR = re.compile(f"({'|'.join((*_INSERTED.values(), _QUERY_FIELDS, _USERNAME))})")
_EXAMPLES = (escape(f"Name@{token_hex(8)} %40 \u00e9'"), escape(token_hex(8)))
"""User names with which a page is rendered. Every filter, such as upper or urlencode, changes the first one."""


class PageCache:
    """Keeps the PAGE_CACHE_SIZE pages that were used last. `render` renders a page; its arguments are hashable."""

    def __init__(self, render: Callable[..., str]) -> None:
        self._render = render
        # bounded, because a client may request any subset of its scopes
        self._parts = lru_cache(PAGE_CACHE_SIZE)(self._render_parts)

    def page(self, page: str, language: str, /, query_fields: Markup, **context: Any) -> str:
        """Returns the HTML of a page. `query_fields` are the HTML of the query fields.

        `context` may contain the variables in INSERTED, `username`, and `fields` with the attribute `value`.
        """
        if any(field.value for field in context.get("fields", ())) or any(name in context for name in NOT_KEPT):
            return self._render(page, language, query_fields=query_fields, **context)
        inserted = {name: context[name] for name in INSERTED if context.get(name)}
        username = context.get("username", "")
        kept = {**context, **{name: _INSERTED[name] for name in inserted}}
        if username:
            kept["username"] = _Typed
        parts = self._parts(page, language, **kept)
        if parts is None:
            return self._render(page, language, query_fields=query_fields, **context)
        values = {_INSERTED[name]: escape(value) for name, value in inserted.items()}
        values |= {_QUERY_FIELDS: query_fields, _USERNAME: escape(username)}
        return "".join([values.get(part, part) for part in parts])

    def _render_parts(self, page: str, language: str, /, **context: Any) -> list[str] | None:
        """Returns the texts and placeholders of a page, or None if its template uses the user name in another way."""
        context["query_fields"] = _QUERY_FIELDS
        if context.get("username") is not _Typed:
            return _SEPARATOR.split(self._render(page, language, **context))
        try:
            first, second = (self._render_example(name, page, language, context) for name in _EXAMPLES)
        except Exception:
            return None
        # they differ if a template depends on a block that contains the name, for example on its length
        return _SEPARATOR.split(_USERNAME.join(first)) if first == second else None

    def _render_example(self, name: Markup, page: str, language: str, context: dict[str, Any]) -> list[str]:
        """Returns the texts around the user name. Raises an exception if the name is not only printed."""
        username = _Typed(name)
        texts = self._render(page, language, **{**context, "username": username}).split(name)
        # the numbers differ if a filter on a block has changed the name
        if len(texts) != username.times_printed + 1 or username.is_used_otherwise:
            raise _UsedOtherwiseError
        return texts


class _Typed:
    """Stands for a typed user name. A template can print it and test it with `if`; anything else is an exception."""

    def __init__(self, example: Markup) -> None:
        self._example = example
        self.times_printed = 0
        self.is_used_otherwise = False

    def __html__(self) -> Markup:
        """Called where a template prints the name."""
        self.times_printed += 1
        return self._example

    def __bool__(self) -> bool:
        return True

    def _refuse(self, *_: object) -> Any:
        # Jinja2 ignores some exceptions
        self.is_used_otherwise = True
        raise _UsedOtherwiseError

    # str() and format() call __repr__, and isinstance() reads __class__
    __repr__ = __eq__ = __hash__ = __len__ = __getitem__ = _refuse
    __class__ = property(_refuse)


class _UsedOtherwiseError(Exception):
    pass
