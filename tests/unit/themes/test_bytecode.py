"""Compiled templates are stored beside the modules of the theme's package, and a stale or damaged one is never used."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jinja2
import pytest

from linkauth.themes.templates import environment

NAME = "page.jinja2"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one template, in a process that writes bytecode."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    (tmp_path / "templates").mkdir()
    write(tmp_path, "<p>one</p>")
    return tmp_path


def write(root: Path, text: str) -> None:
    (root / "templates" / NAME).write_text(text, "utf-8")


def shown(*roots: Path) -> str:
    return environment(roots).get_template(NAME).render()


def stored(root: Path) -> Path:
    (path,) = (root / "__pycache__").iterdir()
    return path


def test_a_second_start_uses_what_the_first_one_compiled(root: Path) -> None:
    assert shown(root) == "<p>one</p>"
    before = stored(root).stat()
    assert shown(root) == "<p>one</p>"
    # what is compiled again is written again, into a new file
    assert stored(root).stat().st_ino == before.st_ino
    assert stored(root).stat().st_mtime_ns == before.st_mtime_ns


def test_an_edited_template_is_compiled_again(root: Path) -> None:
    shown(root)
    source = (root / "templates" / NAME).stat()
    write(root, "<p>two</p>")
    # same size and same time: the text itself counts
    os.utime(root / "templates" / NAME, ns=(source.st_atime_ns, source.st_mtime_ns))
    assert shown(root) == "<p>two</p>"
    assert b"two" in stored(root).read_bytes()


@pytest.mark.parametrize("position", [0, 40, -1])
def test_a_damaged_file_is_replaced(root: Path, position: int) -> None:
    shown(root)
    whole = stored(root).read_bytes()
    damaged = bytearray(whole)
    damaged[position] ^= 1
    for content in (damaged, whole[: len(whole) // 2], b""):
        stored(root).write_bytes(content)
        assert shown(root) == "<p>one</p>"
        assert stored(root).read_bytes() == whole


def test_a_filter_that_is_gone_stops_a_start_as_it_did_before(root: Path) -> None:
    write(root, "{{ 'one' | loud }}")
    made = environment([root])
    made.filters["loud"] = str.upper
    assert made.get_template(NAME).render() == "ONE"
    with pytest.raises(jinja2.TemplateAssertionError, match="No filter named 'loud'"):
        environment([root]).get_template(NAME)


def test_a_parent_of_two_themes_has_a_file_for_each_name(root: Path) -> None:
    child = root / "child"
    (child / "templates").mkdir(parents=True)
    write(child, '{% extends "parent/page.jinja2" %}')
    assert shown(root) == shown(child, root) == shown(root) == "<p>one</p>"
    assert len(list((root / "__pycache__").iterdir())) == 2
    assert len(list((child / "__pycache__").iterdir())) == 1


def test_a_folder_that_cannot_be_written_only_costs_time(root: Path) -> None:
    (root / "__pycache__").write_text("no folder", "utf-8")
    assert shown(root) == shown(root) == "<p>one</p>"


def test_nothing_is_written_where_python_writes_no_bytecode(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert shown(root) == "<p>one</p>"
    assert not (root / "__pycache__").exists()


def test_it_is_stored_where_python_stores_bytecode(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "elsewhere"))
    shown(root)
    assert not (root / "__pycache__").exists()
    assert list((tmp_path / "elsewhere").rglob("*.pyc"))


def test_only_the_owner_may_write_what_is_executed(root: Path) -> None:
    before = os.umask(0)
    try:
        shown(root)
    finally:
        os.umask(before)
    assert stored(root).stat().st_mode & 0o022 == 0
    assert stored(root).parent.stat().st_mode & 0o022 == 0


def test_code_of_other_options_or_another_version_is_not_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, "{% if true %}\none{% endif %}")
    assert shown(root) == "one"
    other = environment([root])
    other.trim_blocks = False
    assert other.get_template(NAME).render() == "\none"
    before = stored(root).read_bytes()
    monkeypatch.setattr(jinja2, "__version__", "99")
    again = environment([root])
    again.trim_blocks = False
    assert again.get_template(NAME).render() == "\none"
    assert stored(root).read_bytes() != before


def test_code_that_cannot_be_stored_leaves_no_file(root: Path) -> None:
    shown(root)
    path = stored(root)
    path.unlink()
    path.mkdir()
    assert shown(root) == "<p>one</p>"
    assert stored(root) == path
