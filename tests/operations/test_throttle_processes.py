"""Guesses from several processes at once: together they check no more passwords than the limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from linkauth.storage import open_engine, upgrade
from tests.servers import postgresql
from tests.servers import redis as redis_server

PROCESSES, THREADS, LIMIT = 4, 16, 10
GUESS = """
import sys, threading
from linkauth.backends import Throttled
from linkauth.config.settings import ThrottleSettings
from linkauth.login.throttle import Throttle
from linkauth.login.throttle.redis_counters import RedisCounters
from linkauth.storage import DatabaseCounters, open_engine

url, limit, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if url.startswith("redis"):
    counters = RedisCounters(url, "guesses", 120_000)
else:
    counters = DatabaseCounters(open_engine(url, for_operator=True), 120_000)
throttle = Throttle(ThrottleSettings(account_failures=limit), counters=counters, key=bytes(32))
barrier, checked = threading.Barrier(threads), []

def guess(number):
    barrier.wait()
    try:
        with throttle.attempt("ada", f"192.0.2.{number}") as attempt:
            checked.append(number)
            attempt.failed()
    except Throttled:
        pass

pool = [threading.Thread(target=guess, args=(number,)) for number in range(threads)]
# every process is ready before the first one guesses
print("ready", flush=True)
sys.stdin.readline()
for each in pool: each.start()
for each in pool: each.join()
print(len(checked), flush=True)
"""


@pytest.mark.parametrize("storage", ["redis", "postgresql", "sqlite"])
def test_64_guesses_of_4_processes_check_no_more_passwords_than_the_limit(storage: str, tmp_path: Path) -> None:
    if storage == "redis":
        with redis_server.running() as server:
            assert guesses(server.url) == LIMIT
            # the counts are kept over a restart
            server.stop()
            server.start()
            assert guesses(server.url) == 0
    elif storage == "postgresql":
        with postgresql.running() as database:
            migrate(database.url)
            assert guesses(database.url) == LIMIT
            database.stop()
            database.start()
            assert guesses(database.url) == 0
    else:
        url = f"sqlite:///{tmp_path}/links.sqlite"
        migrate(url)
        assert guesses(url) == LIMIT
        assert guesses(url) == 0


def migrate(url: str) -> None:
    engine = open_engine(url, for_operator=True)
    upgrade(engine)
    engine.dispose()


def guesses(url: str) -> int:
    """Starts all guesses at the same time. Returns how many passwords were checked."""
    command = [sys.executable, "-c", GUESS, url, str(LIMIT), str(THREADS)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        return sum(int(process.communicate(timeout=240)[0]) for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream
                stream.close()
