"""Tests that the operations whose cost is compared in a small and a large database do their work."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from benchmarks.growth import Database

LINKS = 240


def test_a_sweep_deletes_the_old_tokens_and_every_operation_finds_links(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/links.sqlite"
    with closing(Database(url, LINKS, int(time.time()), tmp_path)) as database:
        deleted, seconds, refreshes = database.purge()
        assert deleted == sum(1 for link in range(1, LINKS + 1) if link % 3 and link % 4)
        assert seconds > 0
        assert refreshes
        database.start()
        found = {name: operation() for name, operation in database.operations().items()}
    assert all(found.values()), found
    assert found["listed link, of a person"] == found["listed link, of a subject"] == 1
