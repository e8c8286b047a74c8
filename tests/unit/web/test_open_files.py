"""Tests of the limit of open files, each in a process of its own: a lowered hard limit cannot be raised again."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging, resource, sys
from linkauth.web.open_files import raise_file_limit
soft, hard, connections = map(int, sys.argv[1:])
logging.basicConfig()
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(raise_file_limit(connections), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "sufficient", "raised"),
    [
        (400, 1_000, 100, 100, 400),
        (200, 1_000, 500, 500, 756),
        (200, 1_000, 2_000, 744, 1_000),
        (64, 300, 2_000, 150, 300),
        (64, 200, 100, 100, 200),
        (64, 200, 50, 50, 200),
    ],
)
def test_limit_is_raised_for_the_connections(
    soft: int, hard: int, connections: int, sufficient: int, raised: int
) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(soft), str(hard), str(connections)],
        capture_output=True,
        check=True,
        text=True,
    )
    assert result.stdout == f"{sufficient} {raised}\n"
    assert ("connection_limit in [server:main] lowered" in result.stderr) == (sufficient < connections)
