"""How the tests are spread over the worker processes of pytest-xdist.

A group of tests runs in one worker, in the order of its files. A file is a group of its own, unless GROUPS says
otherwise: tests that share a server which is started once for all of them belong together.
"""

from __future__ import annotations

import pytest

GROUPS = {
    # one Chromium and the servers that it looks at
    "tests/browser/": "browser",
    # one Samba and two replicating slapd
    "plugins/ldap/": "directories",
}
"""The beginning of a test's path, and the group of the tests below it."""


def group_of(path: str) -> str:
    """The group of a test file, from its path relative to the root folder, with slashes."""
    return next((group for beginning, group in GROUPS.items() if path.startswith(beginning)), path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item.nodeid.partition("::")[0])))
