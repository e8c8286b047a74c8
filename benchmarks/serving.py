"""A server under load: linkauth from development.ini, on a free port, in a temporary folder, pinned to one core."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from urllib.parse import quote, urlencode

from argon2 import PasswordHasher
from argon2.low_level import Type
from sqlalchemy import create_engine, update

from benchmarks.report import BenchmarkError
from linkauth.simulator import people

ROOT = Path(__file__).parent.parent
STATE_CHARACTERS = 1108
"""As long as the state that the Alexa app sends."""
SKILL, SKILL_SECRET = "the-skill", "the benchmark's skill secret"
HOME_SECRET = "the-benchmarks-home-secret"
START_SECONDS = 30
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""For servers: without bytecode every start would compile linkauth's modules, and no server starts so."""
_TICKS = os.sysconf("SC_CLK_TCK")
_BINARIES = Path(sys.executable).parent
COMMANDS = {
    "waitress": "{bin}/linkauth serve {ini}",
    "granian": "{bin}/granian --host 127.0.0.1 --port {port} --interface asgi --http 1 --workers 1"
    " --no-ws --log-level warning linkauth.asgi:application",
}


def installed(kind: str) -> bool:
    """Is the server of that name here?"""
    return Path(COMMANDS[kind].split()[0].format(bin=_BINARIES)).exists()


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This thread, and what it starts, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Server:
    """linkauth under the server `kind`, a key of COMMANDS, on `core`; `cheap` makes the demo people's hashes cheap.

    `database` is the URL of another database than a SQLite file of its own.
    """

    def __init__(self, kind: str, folder: Path, core: int, cheap: bool = False, database: str = "") -> None:
        self.kind, self.core = kind, core
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.folder = folder / f"{kind}-{self.port}"
        (self.folder / "var").mkdir(parents=True)
        self.database = database or f"sqlite:///{self.folder}/var/linkauth.sqlite"
        self.ini = self.folder / "served.ini"
        self.ini.write_text(self._ini(), "utf-8")
        self._log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.path = f"/authorize?{urlencode(self._query(), quote_via=quote)}"
        self._make_people(cheap)

    def _ini(self) -> str:
        """development.ini without the simulator, quiet, with a throttle that lets a benchmark through."""
        lines = (ROOT / "development.ini").read_text("utf-8").replace("127.0.0.1:6543", f"127.0.0.1:{self.port}")
        other = ("linkauth.simulator.", "linkauth.clients", "linkauth.database =")
        kept = [line for line in lines.splitlines() if not line.startswith(other)]
        added = (
            f"linkauth.database = {self.database}",
            f"linkauth.clients = ride-hailer home {SKILL}",
            "linkauth.client.home.name = Home",
            "linkauth.client.home.grants = authorization_code",
            "linkauth.client.home.alexa_vendor_id = M2BENCHMARK",
            f"linkauth.client.home.secret = {HOME_SECRET}",
            f"linkauth.client.{SKILL}.name = The Skill",
            f"linkauth.client.{SKILL}.secret = {SKILL_SECRET}",
            "linkauth.throttle.account_failures = 1000000",
            "linkauth.throttle.address_failures = 1000000",
        )
        whole = "\n".join(kept).replace("[server:main]", "\n".join((*added, "", "[server:main]")))
        return whole.replace("level = INFO", "level = WARNING") + "\n"

    def _query(self) -> dict[str, str]:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        redirect = f"{self.origin}/simulator/pitangui/spa/skill/account-linking-status.html?vendorId=M2SIMULATOR"
        return {
            "client_id": "ride-hailer",
            "response_type": "token",
            "scope": "order_car basic_profile",
            "redirect_uri": redirect,
            "state": "".join(Random(1).choices(letters, k=STATE_CHARACTERS)),
        }

    def _make_people(self, cheap: bool) -> None:
        url = f"sqlite:///{self.folder}/var/people.sqlite"
        people.create(url)
        if cheap:
            hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.ID)
            engine = create_engine(url)
            with engine.begin() as connection:
                for person in people.PEOPLE:
                    new = update(people.people).where(people.people.c.login == person.login)
                    connection.execute(new.values(password_hash=hasher.hash(person.password)))
            engine.dispose()

    def start(self) -> float:
        """Start, and wait for the first login page; how many seconds that took."""
        command = COMMANDS[self.kind].format(bin=_BINARIES, ini=self.ini, port=self.port).split()
        environment = ENVIRONMENT | {"LINKAUTH_WORKERS": "1", "LINKAUTH_INI": str(self.ini)}
        with self._log.open("ab") as log, pinned(self.core):
            begun = time.monotonic()
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=ROOT)
        while not self._shows_page():
            if self._process.poll() is not None or time.monotonic() > begun + START_SECONDS:
                self.stop()
                raise BenchmarkError(f"{self.kind} did not start:\n{self._log.read_text('utf-8')}")
            # its start is the condition that is waited for
            time.sleep(0.005)
        return time.monotonic() - begun

    def _shows_page(self) -> bool:
        request = f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: close\r\n\r\n"
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.sendall(request.encode("ascii"))
                return connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False

    def stop(self) -> None:
        """Stop it by its own process id, and its workers by theirs if they stayed."""
        if self._process is None or self._process.poll() is not None:
            return
        workers = self._pids()[1:]
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            for pid in workers:
                if Path(f"/proc/{pid}").exists():
                    os.kill(pid, 9)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _pids(self) -> list[int]:
        """The server's process and all below it."""
        assert self._process is not None
        found = [self._process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, task.read_text("ascii").split())
        return found

    def cpu_seconds(self) -> float:
        """What all its processes have used so far, in user and system time."""
        fields = (Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split() for pid in self._pids())
        return sum(int(each[11]) + int(each[12]) for each in fields) / _TICKS

    def rss(self) -> float:
        """Resident memory of all its processes, in MB (what they share is counted in each)."""
        pages = (int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) for pid in self._pids())
        return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6
