"""Tests that themes/README.md names exactly the variables, blocks, codes and parameters that exist."""

from __future__ import annotations

import re
from dataclasses import fields

import jinja2
import jinja2.meta
import pytest

import linkauth_theme_default
from linkauth.config.plugins import load
from linkauth.mail.message import MAIL_KINDS
from linkauth.testing.theme import TEXTS
from linkauth.themes import states
from linkauth.themes.fields import FIELD_ERRORS, FIELD_KINDS, KNOWN_FIELDS, Field
from linkauth.themes.providers import ProviderButton
from linkauth.themes.sign_in_states import EVERY_PROVIDER, FACTOR_METHODS, SECOND_FACTOR_ERRORS, SETUP_ERRORS
from linkauth.themes.states import mail_states, page_states
from linkauth.themes.theme import Theme, open_theme
from linkauth.theming.inheritance import Templates
from tests.conftest import ROOT

TEXT = (ROOT / "themes/README.md").read_text("utf-8")
TEMPLATES = (*states.PAGES, states.MAIL)
STEPS = {
    "recover": states.RECOVER_ERRORS,
    "code": states.CODE_ERRORS,
    "new_password": states.NEW_PASSWORD_ERRORS,
    "register": states.REGISTER_ERRORS,
    "second_factor": SECOND_FACTOR_ERRORS,
    "second_factor_setup": SETUP_ERRORS,
    "recovery_codes": states.STEP_ERRORS,
    "confirm": states.STEP_ERRORS,
}
INTERNAL = {"catalog", "gettext", "ngettext", "_"}
"""The globals that {% trans %} uses."""


@pytest.fixture(scope="module")
def theme() -> Theme:
    return open_theme("default", load("themes", "default"), linkauth_theme_default.Parameters(), TEXTS, "/static/")


@pytest.fixture(scope="module")
def templates(theme: Theme) -> Templates:
    return Templates(theme.environment)


def section(heading: str) -> str:
    (result,) = re.findall(rf"^###? {re.escape(heading)}\n(.*?)(?=^##|\Z)", TEXT, re.DOTALL | re.MULTILINE)
    return str(result)


def rows(heading: str) -> list[str]:
    """Returns the names in the first column of the table of a section."""
    cells = re.findall(r"^\| (?!block)(`.*?) \|", section(heading), re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)]


def blocks(heading: str) -> list[str]:
    cells = re.findall(r"^\| (block .*?) \|", section(heading), re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"block `(\w+)`", cell)]


def variables(templates: Templates, page: str) -> set[str]:
    """Returns the variables that a page and its dependencies read and do not set."""
    trees = [templates.parse(name) for name in templates.dependencies(page)]
    read: set[str] = set().union(*map(jinja2.meta.find_undeclared_variables, trees))
    # an included template may read what the page sets or imports
    own = {each.name for tree in trees for each in tree.find_all(jinja2.nodes.Name) if each.ctx == "store"}
    imported = (each.names for tree in trees for each in tree.find_all(jinja2.nodes.FromImport))
    own |= {name if isinstance(name, str) else name[1] for names in imported for name in names}
    return read - own


EVERY = "Every page: `base.jinja2`"


@pytest.mark.parametrize("page", [name.removesuffix(".jinja2") for name in TEMPLATES])
def test_listed_variables_of_page_are_those_of_its_states(page: str) -> None:
    every_state = [*page_states("skill", ()), *mail_states("skill")]
    given = {name for state in every_state if state.page == page for name in state.context}
    named = rows(f"`{page}.jinja2`")
    assert sorted(named) == sorted(given - set(rows(EVERY)))


def test_listed_variables_are_those_that_templates_read(theme: Theme, templates: Templates) -> None:
    read = set().union(*(variables(templates, page) for page in TEMPLATES))
    names = {name for page in TEMPLATES for name in templates.dependencies(page)}
    every = {each.name for name in names for each in templates.parse(name).find_all(jinja2.nodes.Name)}
    read |= every & set(theme.environment.globals) - set(jinja2.defaults.DEFAULT_NAMESPACE)
    named = {name for page in TEMPLATES for name in rows(f"`{page}`")} | set(rows(EVERY))
    assert named == read - INTERNAL


def test_listed_blocks_are_those_of_the_templates(templates: Templates) -> None:
    assert sorted(blocks(EVERY)) == sorted(templates.blocks("base.jinja2"))
    for page in TEMPLATES:
        assert sorted(blocks(f"`{page}`")) == sorted(templates.blocks(page) - templates.blocks("base.jinja2")), page


def test_listed_codes_are_those_of_the_core() -> None:
    separators = [
        r"On the password page:",
        *(rf"On the\spage `{page}`:" for page in STEPS),
        "`reason` on the error page:",
    ]
    login, *parts = re.split("|".join(separators), section("The codes"))
    codes = [set(re.findall(r"`(\w+)`", part)) for part in (login.removeprefix("\n`error`"), *parts)]
    expected = (states.SIGN_IN_ERRORS, states.PASSWORD_ERRORS, *STEPS.values(), states.REQUEST_ERRORS)
    assert codes == [set(each) for each in expected]
    assert all(f"`{reason}`" in section("`password.jinja2`") for reason in states.PASSWORD_REASONS)
    assert all(f"`{purpose}`" in section("`code.jinja2`") for purpose in states.PURPOSES)


def test_listed_properties_of_fields_and_kinds_of_mails_are_those_of_the_core() -> None:
    words = set(re.findall(r"`(\w+)`", section("`register.jinja2`").split("Each field has")[1]))
    assert words == {each.name for each in fields(Field)} | {*FIELD_KINDS, *FIELD_ERRORS, *KNOWN_FIELDS}
    (kinds,) = re.findall(r"^\| `kind` \| (.*) \|$", section("`mail.jinja2`"), re.MULTILINE)
    assert re.findall(r"`(\w+)`", kinds) == list(MAIL_KINDS)


def test_listed_properties_of_providers_and_methods_are_those_of_the_core() -> None:
    words = set(re.findall(r"`(\w+)`", section("`login.jinja2`").split("Each of `sign_ins` has")[1]))
    brands = {each.brand for each in EVERY_PROVIDER if each.brand}
    assert {each.name for each in fields(ProviderButton)} | brands <= words
    (methods,) = re.findall(r"^\| `method` \| (.*) \|$", section("`second_factor.jinja2`"), re.MULTILINE)
    assert re.findall(r"`(\w+)`", methods) == list(FACTOR_METHODS)


def test_listed_custom_properties_are_those_of_the_style_sheet(theme: Theme) -> None:
    css = "".join(file.body.decode() for file in theme.static.values() if file.name.endswith(".css"))
    assert set(rows("Custom properties of the default theme")) == set(re.findall(r"(--[\w-]+):", css))


def test_listed_parameters_are_those_of_the_default_theme() -> None:
    listed = section("Parameters").split(";")[0]
    assert re.findall(r"`(\w+)`", listed) == [each.name for each in fields(linkauth_theme_default.Parameters)]


def test_links_and_make_targets_exist() -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT):
        assert (ROOT / "themes" / link).exists(), link
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in re.findall(r"`make ([a-z-]+)`", TEXT))
