"""Tests that a kept page is exactly the page that its template gives for the request."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest
from markupsafe import Markup

from linkauth.themes import page_cache
from linkauth.themes.fields import Field
from linkauth.themes.page_cache import PageCache

NAMES = ("ada", "ADA@example.com", "José", "<b>&\"'</b>", "{{ username }}", "a b", "%40", "\\1", "\u2028", " ")
PRINTED = (
    "{{ username }}",
    '<input value="{{ username }}"{% if username %} readonly{% endif %}>{{ username }}',
    "{{ username or 'nobody' }}{{ 'yes' if username else 'no' }}{{ username is none }}",
    "{% set name = username %}{% set block %}<i>{{ name }}</i>{% endset %}{{ block }}",
    "{% macro show(name) %}<b>{{ name }}</b>{% endmacro %}{{ show(username) }}",
    "{{ username|e }}{{ username|string if not username else 'x' }}",
    "{% trans name=username %}Hello {{ name }}{% endtrans %}{{ gettext('for %(name)s', name=username) }}",
    "no name",
)
USED_OTHERWISE = (
    "{{ username is string }}{{ username is defined }}{{ username|default('x') }}",
    "{{ username is sequence }}",
    "{{ {'ada': 1}[username] is defined }}{{ username[username] is defined }}",
    "{{ username|upper }}",
    "{{ username|forceescape }}",
    "{{ username|length }}",
    "{{ username|urlencode }}",
    "{{ username|tojson }}",
    "{{ username|pprint }}",
    "{{ username.split('@')[0] }}",
    "{{ username[0] }}{{ username[0] is defined }}",
    "{{ username.partition is defined }}",
    "{{ username == 'ada' }}",
    "{{ username != 'ada' }}",
    "{{ 'ada' == username }}",
    "{{ username in ('ada', 'b') }}",
    "{{ username in 'ada b' }}",
    "{{ '@' in username }}",
    "{{ username < 'b' }}",
    "{{ username ~ '!' }}",
    "{{ username + '!' }}",
    "{{ '%s' % username }}",
    "{{ '%r' % username }}",
    "{% for letter in username %}{{ letter }}-{% endfor %}",
    "{{ username is lower }}",
    "{% autoescape false %}{{ username|e }}{{ username }}{% endautoescape %}",
    "{% filter upper %}{{ username }}{% endfilter %}",
    "{% filter lower %}{{ username }}{% endfilter %}",
    "{% filter urlencode %}{{ username }}{% endfilter %}",
    "{% filter truncate(6) %}{{ username }}{% endfilter %}",
    "{% filter replace('@', ' at ') %}{{ username }}{% endfilter %}",
    "{% filter replace(' ', '_') %}{{ username }}{% endfilter %}",
    "{% set block %}{{ username }}{% endset %}{{ block|length }}{{ block|striptags }}",
    "{% set block %}{{ username }}{% endset %}{% if '@' in block %}{{ block }}{% endif %}",
)


class Page:
    """A page of one template. `renderings` counts how often the template was rendered."""

    def __init__(self, source: str) -> None:
        # as themes have it
        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.i18n"]
        )
        environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
        self.template = environment.from_string(f"<a>{{{{ form_token }}}}</a>{{{{ query_fields }}}}<p>{source}</p>")
        self.renderings = 0
        self.cache = PageCache(self._render)

    def _render(self, _page: str, _language: str, **context: Any) -> str:
        self.renderings += 1
        return self.template.render(**context)

    def kept(self, username: str, form_token: str = "", fields: str = "") -> str:
        return self.cache.page("login", "en", Markup(fields), form_token=form_token, username=username)

    def fresh(self, username: str, form_token: str = "", fields: str = "") -> str:
        return self.template.render(username=username, form_token=form_token, query_fields=Markup(fields))


@pytest.mark.parametrize("source", PRINTED)
def test_page_that_prints_the_name_is_rendered_once_and_right_for_every_name(source: str) -> None:
    page = Page(source)
    assert [page.kept(name) for name in NAMES] == [page.fresh(name) for name in NAMES]
    # once with each of two examples of a name
    assert page.renderings == 2
    # without a name it is another page
    assert page.kept("") == page.fresh("")
    assert page.renderings == 3


@pytest.mark.parametrize("source", USED_OTHERWISE)
def test_page_that_uses_the_name_in_another_way_is_rendered_each_time(source: str) -> None:
    page = Page(source)
    assert [page.kept(name) for name in NAMES] == [page.fresh(name) for name in NAMES]
    assert page.renderings > len(NAMES)


def test_failure_of_a_template_is_raised_for_each_request() -> None:
    page = Page("{{ username }}{{ missing }}")
    for _ in range(2):
        with pytest.raises(jinja2.UndefinedError, match="missing"):
            page.kept("ada")


def test_values_that_contain_a_placeholder_are_inserted_unchanged() -> None:
    page = Page('<i title="{{ form_token }}">{{ username }}</i>')
    placeholders = [
        str(text)
        for text in (
            page_cache._INSERTED["form_token"],
            page_cache._QUERY_FIELDS,
            page_cache._USERNAME,
            *page_cache._EXAMPLES,
        )
    ]
    for one in placeholders:
        for other in placeholders:
            for third in placeholders:
                assert page.kept(one, other, third) == page.fresh(one, other, third)
    assert page.renderings == 2


INSERTED = "".join(f"{{% if {name} %}}<i>{{{{ {name} }}}}</i>{{% endif %}}" for name in page_cache.INSERTED)


def test_page_with_hidden_values_is_rendered_once_and_right_for_every_value() -> None:
    page = Page(INSERTED)
    for value in ("one", "<&>", *page_cache._INSERTED.values()):
        values = {"username": "", "fields": (), **dict.fromkeys(page_cache.INSERTED, value)}
        html = page.cache.page("recover", "en", Markup(), **values)
        assert html == page.template.render(query_fields="", **values)
    assert page.renderings == 1
    # without a value it is another page
    values["wait"] = ""
    assert page.cache.page("recover", "en", Markup(), **values) == page.template.render(query_fields="", **values)
    assert page.renderings == 2


def test_page_with_typed_fields_is_not_kept() -> None:
    page = Page("{% for field in fields %}{{ field.value }}{% endfor %}")
    for value, renderings in (("", 1), ("", 1), ("Ada", 2), ("Ada", 3), ("", 3)):
        html = page.cache.page("register", "en", Markup("<b>"), form_token="x<", fields=(Field("name", value=value),))
        assert html == f"<a>x&lt;</a><b><p>{value}</p>"
        assert page.renderings == renderings


def test_page_with_secrets_is_not_kept() -> None:
    page = Page("{{ secret }}{{ codes }}")
    for name in page_cache.NOT_KEPT:
        for value in ("one", "one", "two"):
            before = page.renderings
            values = {"secret": "", "codes": "", name: value}
            assert value in page.cache.page("second_factor_setup", "en", Markup(), form_token="x", **values)
            assert page.renderings == before + 1


def test_number_of_kept_pages_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_cache, "PAGE_CACHE_SIZE", 3)
    page = Page("{{ username }}{{ reason }}")
    for reason in (*range(4), 0):
        page.cache.page("login", "en", Markup(), form_token="", username="ada", reason=reason)
    # each one twice, and the first one again
    assert page.renderings == 10
