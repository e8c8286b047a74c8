"""Tests that `parent/` names the template that a theme overrides, in chains of any length."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from linkauth.themes.templates import TemplateLoader, environment


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    """Returns the roots of three themes, child first; page.jinja2 is in all of them, other.jinja2 in the last two."""
    own = '{% extends "parent/page.jinja2" %}{% block a %}NAME {{ super() }}{% endblock %}'
    files = {
        "child/templates/page.jinja2": own.replace("NAME", "child"),
        "child/templates/base.jinja2": "<{% block a %}{% endblock %}>",
        "middle/templates/page.jinja2": own.replace("NAME", "middle"),
        "middle/templates/other.jinja2": own.replace("NAME", "own,").replace("page.jinja2", "other.jinja2"),
        "old/templates/page.jinja2": '{% extends "base.jinja2" %}{% block a %}old{% endblock %}',
        "old/templates/base.jinja2": "({% block a %}{% endblock %})",
        "old/templates/other.jinja2": '{% block a %}old {% include "part.jinja2" %}{% endblock %}',
        "old/templates/part.jinja2": "part",
        "old/static/page.css.jinja2": "one {}",
        "child/static/page.css.jinja2": '{% include "parent/static/page.css.jinja2" %} two {}',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return [tmp_path / name for name in ("child", "middle", "old")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("page.jinja2", "<child middle old>"),
        ("other.jinja2", "own, old part"),
        ("static/page.css.jinja2", "one {} two {}"),
    ],
)
def test_template_extends_the_one_it_overrides(roots: list[Path], name: str, expected: str) -> None:
    assert environment(roots).get_template(name).render() == expected


ABSENT = ["none.jinja2", "parent/page.jinja2", "3:page.jinja2", "../middle/templates/page.jinja2"]


@pytest.mark.parametrize("name", ABSENT)
def test_missing_template_is_not_found(roots: list[Path], name: str) -> None:
    with pytest.raises(jinja2.TemplateNotFound):
        environment(roots).get_template(name)


def test_last_theme_has_no_parent(roots: list[Path]) -> None:
    (roots[2] / "templates/part.jinja2").write_text('{% include "parent/part.jinja2" %}', "utf-8")
    with pytest.raises(jinja2.TemplateNotFound, match=r"there is no part\.jinja2"):
        environment(roots).get_template("other.jinja2").render()


def test_list_contains_page_template_names(roots: list[Path]) -> None:
    assert TemplateLoader(roots).list_templates() == ["base.jinja2", "other.jinja2", "page.jinja2", "part.jinja2"]
