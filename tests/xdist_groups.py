"""A pytest plugin that starts the workers of pytest-xdist and distributes the tests among them.

The tests of a group run in one worker, in the order of their files. Each file is a group, except for the files in
GROUPS, whose tests share servers.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

GROUPS = {
    # one Chromium and the servers whose pages it opens
    "tests/browser/": "browser",
    # one Samba and two slapd processes that replicate each other
    "plugins/ldap/": "directories",
}
"""The group of the tests below each path prefix."""
SLOWEST_FIRST = (*GROUPS, "plugins/sql/", "tests/web/", "tests/servers/", "themes/", "tests/unit/theming/")
"""The path prefixes of the slowest tests. They start first, so that all workers finish at about the same time."""


def group_of(node_id: str) -> str:
    """Returns the group of a test. Its node id begins with a path relative to the root folder."""
    path = node_id.partition("::")[0]
    return next((group for prefix, group in GROUPS.items() if path.startswith(prefix)), path)


def priority_of(item: pytest.Item) -> int:
    """Returns the index of a test's prefix in SLOWEST_FIRST, or its length if there is none."""
    return next(
        (priority for priority, prefix in enumerate(SLOWEST_FIRST) if item.nodeid.startswith(prefix)),
        len(SLOWEST_FIRST),
    )


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """Returns the number of workers. It exceeds that of the cores, since many tests wait for servers and timeouts."""
    cores = len(os.sched_getaffinity(0))
    return cores + min(cores, 4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=priority_of)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Replaces the scheduler of --dist: the mark xdist_group of pytest-xdist 3.8 has no effect in pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return GroupScheduling(config, log)
