"""How the tests are spread over the worker processes of pytest-xdist.

A group of tests runs in one worker, in the order of its files. A file is a group of its own, unless GROUPS says
otherwise: tests that share a server which is started once for all of them belong together.
"""

from __future__ import annotations

from typing import Any

import pytest

GROUPS = {
    # one Chromium and the servers that it looks at
    "tests/browser/": "browser",
    # one Samba and two replicating slapd
    "plugins/ldap/": "directories",
}
"""The beginning of a test's path, and the group of the tests below it."""
FIRST = (*GROUPS, "plugins/sql/", "tests/web/", "tests/servers/", "themes/", "tests/unit/theming/")
"""The beginnings of paths whose tests take longest: they begin first, so that no worker has a long end of its own."""


def group_of(node_id: str) -> str:
    """The group of a test, from its node id, which begins with a path relative to the root folder."""
    path = node_id.partition("::")[0]
    return next((group for beginning, group in GROUPS.items() if path.startswith(beginning)), path)


def place_of(item: pytest.Item) -> int:
    """The place of a test in FIRST, or behind all of them."""
    return next((place for place, beginning in enumerate(FIRST) if item.nodeid.startswith(beginning)), len(FIRST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=place_of)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """In the place of the schedulers of --dist: the mark xdist_group of pytest-xdist 3.8 does nothing in pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)
