"""Starts linkauth, or the floor, on a free port, with its files in a temporary folder, pinned to one or more cores."""

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
from linkauth.storage import open_engine, upgrade

ROOT = Path(__file__).parent.parent
STATE_CHARACTERS = 1108
"""The length of the state that the Alexa app sends."""
SKILL, SKILL_SECRET = "the-skill", "the benchmark's skill secret"
HOME_SECRET = "the-benchmarks-home-secret"
START_SECONDS = 30
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
ENVIRONMENT["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=1048576"
"""The environment of servers, the floor too, with the variable that docs/deployment.md recommends.

PYTHONDONTWRITEBYTECODE is removed: it would compile all modules at every start.
"""
_TICKS = os.sysconf("SC_CLK_TCK")
_BINARIES = Path(sys.executable).parent
COMMANDS = {
    "waitress": "{bin}/linkauth serve {ini}",
    "granian": "{bin}/granian --host 127.0.0.1 --port {port} --interface asgi --http 1 --workers {workers}"
    " --no-ws --log-level warning linkauth.asgi:application",
    "floor": "{bin}/pserve {ini}",
}


def installed(kind: str) -> bool:
    """Returns whether the program of this server is installed."""
    return Path(COMMANDS[kind].split()[0].format(bin=_BINARIES)).exists()


def cores() -> tuple[int, int]:
    """Returns the core for the servers and the core for the load generator."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise BenchmarkError("the benchmarks need two cores, but this process may use only one")
    return available[0], available[1]


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Restricts this thread, and the processes that it starts, to some cores during the `with` block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Server:
    """The server `kind`, a key of COMMANDS, on `cores`: linkauth with development.ini, or the floor.

    `cheap` gives the demo accounts password hashes with minimal cost. `database` is the URL of its database; the
    default is a SQLite file in the folder of the server. `workers` is the number of processes of granian.
    """

    def __init__(
        self, kind: str, folder: Path, *cores: int, cheap: bool = False, database: str = "", workers: int = 1
    ) -> None:
        self.kind, self._cores, self._workers = kind, cores, workers
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.folder = folder / f"{kind}-{self.port}"
        (self.folder / "var").mkdir(parents=True)
        self.database = database or f"sqlite:///{self.folder}/var/linkauth.sqlite"
        self.ini = self.folder / "served.ini"
        self.ini.write_text(self._floor_ini() if kind == "floor" else self._ini(), "utf-8")
        self._log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.path = f"/authorize?{urlencode(self._query(), quote_via=quote)}"
        self._make_people(cheap)
        engine = open_engine(self.database, for_operator=True)
        upgrade(engine)
        engine.dispose()

    def _ini(self) -> str:
        """Returns development.ini without the simulator, with less logging and very high limits of the throttle."""
        lines = (ROOT / "development.ini").read_text("utf-8").replace("127.0.0.1:6543", f"127.0.0.1:{self.port}")
        removed = ("linkauth.simulator.", "linkauth.clients", "linkauth.database =")
        unchanged = [line for line in lines.splitlines() if not line.startswith(removed)]
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
            "linkauth.throttle.start_limit = 1000000",
        )
        text = "\n".join(unchanged).replace("[server:main]", "\n".join((*added, "", "[server:main]")))
        return text.replace("level = INFO", "level = WARNING") + "\n"

    def _floor_ini(self) -> str:
        query = self._query()
        settings = {
            "paste.app_factory": "benchmarks.floor:main",
            "database": f"{self.folder}/var/linkauth.sqlite",
            "people": f"{self.folder}/var/people.sqlite",
            "form_secret": "for benchmarks only",
            "client_id": query["client_id"],
            "redirect_uri": query["redirect_uri"],
            f"secret.{SKILL}": SKILL_SECRET,
            "secret.home": HOME_SECRET,
        }
        server = {"use": "egg:waitress#main", "listen": f"127.0.0.1:{self.port}", "threads": "32"}
        server["connection_limit"] = "500"
        sections = {"app:main": settings, "server:main": server}
        return "".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in section.items())
            for name, section in sections.items()
        )

    def _query(self) -> dict[str, str]:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        redirect = f"{self.origin}/simulator/pitangui/spa/skill/account-linking-status.html?vendorId=M2SIMULATOR"
        return {
            "client_id": "ride-hailer",
            "response_type": "token",
            "scope": "order_car profile",
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
        """Starts the server, waits for the first login page, and returns the duration in seconds."""
        command = COMMANDS[self.kind].format(bin=_BINARIES, ini=self.ini, port=self.port, workers=self._workers)
        environment = ENVIRONMENT | {"LINKAUTH_WORKERS": str(self._workers), "LINKAUTH_INI": str(self.ini)}
        environment["PYTHONPATH"] = str(ROOT)
        with self._log.open("ab") as log, pinned(*self._cores):
            begun = time.monotonic()
            self._process = subprocess.Popen(command.split(), stdout=log, stderr=log, env=environment, cwd=ROOT)
        while not self._shows_page():
            if self._process.poll() is not None or time.monotonic() > begun + START_SECONDS:
                self.stop()
                raise BenchmarkError(f"{self.kind} did not start:\n{self._log.read_text('utf-8')}")
            # polls the condition of the loop
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
        """Stops the server process, and kills its worker processes if they do not end."""
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
        """Returns the process ids of the server process and its descendants."""
        assert self._process is not None
        pids = [self._process.pid]
        for pid in pids:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                pids += map(int, children.read_text("ascii").split())
        return pids

    def cpu_seconds(self) -> float:
        """Returns the user and system time of all its processes so far."""
        stats = (Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split() for pid in self._pids())
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) / _TICKS

    def rss(self) -> float:
        """Returns the resident memory of all its processes in MB. Shared memory is counted for each process."""
        pages = (int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) for pid in self._pids())
        return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6
