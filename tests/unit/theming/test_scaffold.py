"""Tests of the scaffold, which writes a folder from a tree of templates, completely or not at all."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from linkauth.cli import scaffold

JINJA = "{{ title }} {% block main %}{{title}}{% endblock %} {{name}}"


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns the folder of a package with a template tree called `page`."""
    package = tmp_path / "package"
    inner = package / "templates/page/linkauth_{{module}}/pages"
    inner.mkdir(parents=True)
    (inner / "{{name}}.jinja2.template").write_text(JINJA, "utf-8")
    (inner.parent / "__init__.py.template").write_text("class {{class}}: ...  # größe\n", "utf-8")
    (inner / "left-over.pyc").write_bytes(b"\xff")
    monkeypatch.setattr(scaffold, "files", lambda _: package)
    return package


def test_placeholders_in_texts_and_paths_are_replaced(trees: Path, tmp_path: Path) -> None:
    folder = scaffold.write_distribution("page", tmp_path / "made", scaffold.name_placeholders("staff-api"))
    result = {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}
    assert result == {
        "linkauth_staff_api/__init__.py": "class StaffApi: ...  # größe\n",
        "linkauth_staff_api/pages/staff-api.jinja2": JINJA.replace("{{name}}", "staff-api"),
    }


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_existing_path_is_left_unchanged(trees: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "made"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(click.ClickException, match="was not changed"):
        scaffold.write_distribution("page", path, scaffold.name_placeholders("crm"))
    assert path.is_symlink() or (path.read_text() == "mine" if path.is_file() else not list(path.iterdir()))


def test_folder_that_cannot_be_created_is_reported(trees: Path, tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="cannot be created"):
        scaffold.write_distribution("page", tmp_path / "missing" / "made", scaffold.name_placeholders("crm"))


def test_partly_written_folder_is_removed(trees: Path, tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="cannot be written"):
        scaffold.write_distribution("page", tmp_path / "made", scaffold.name_placeholders("crm") | {"name": "x" * 300})
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["crm", "staff-api", "a1-2b", "x" * scaffold.NAME_LIMIT])
def test_valid_name_gives_identifiers(name: str) -> None:
    spellings = scaffold.name_placeholders(name)
    assert spellings["module"].isidentifier()
    assert spellings["class"].isidentifier()
    assert scaffold.validate_name(None, None, name) == name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    ["", " ", "CRM", "1crm", "-crm", "crm-", "a--b", "a_b", "a.b", "a/b", "../x", "größe", "crm\n", "x" * 41, "{{a}}"],
)
def test_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(click.BadParameter):
        scaffold.validate_name(None, None, name)  # type: ignore[arg-type]
