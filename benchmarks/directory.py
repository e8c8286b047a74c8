"""Sign-ins by the LDAP backend over StartTLS on a real OpenLDAP, compared with a pooled loop of ldap3 alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import LifoQueue
from typing import Any

import ldap3

from benchmarks.report import Figure
from linkauth.testing import settings_of
from linkauth_ldap import LDAPBackend, LDAPSettings
from tests.servers.ldap_connections import ldap_connection
from tests.servers.openldap import SLAPD, OpenLDAP

THREADS = (1, 8)
SHARE_TARGET = 0.8
"""The target for the rate of sign-ins without groups, as a share of the rate of `BareLoop`."""
PARTS = 4
"""Each round is divided into so many parts, in which the loads alternate. So a disturbance affects all of them."""

SignIn = Callable[[str, str], None]


def installed() -> bool:
    return SLAPD.exists()


def figures(rounds: int, seconds: float) -> Iterator[Figure]:
    """Yields the rates of sign-ins by 1 and by 8 threads, with and without groups, and their share of a bare loop."""
    with ExitStack() as stack:
        directory = OpenLDAP()
        stack.callback(directory.remove)
        directory.start()
        loads: dict[str, SignIn] = {"ldap3 alone": BareLoop(directory, max(THREADS), stack).sign_in}
        for name, changes in (("no groups", {"group_mode": "none"}), ("nested groups", {})):
            backend = LDAPBackend(_settings(directory, **changes))
            stack.callback(backend.close)
            loads[name] = _checked(backend)
        people = _people(directory)
        for threads in THREADS:
            rates = _rates(loads, people, threads, rounds * PARTS, seconds / PARTS)
            label = f"{threads} thread{'s' * (threads > 1)}"
            share = statistics.median(map(float.__truediv__, rates["no groups"], rates["ldap3 alone"]))
            name = f"LDAP sign-ins, {label}, share of a bare pooled ldap3 loop"
            yield Figure(name, share, "{:.2f}", (SHARE_TARGET, None))
            for load, measured in rates.items():
                yield Figure(f"  per second, StartTLS, {load}, {label}", statistics.median(measured))


class BareLoop:
    """A search and a bind by ldap3 on open connections, without checks: what a sign-in needs at least.

    It requests three attributes. `connections` is the number of connections of each of the two kinds.
    """

    def __init__(self, directory: OpenLDAP, connections: int, stack: ExitStack) -> None:
        self._base = directory.people_base
        self._searching, self._binding = LifoQueue[Any](), LifoQueue[Any]()
        login = directory.a.ldap, directory.bind_dn, directory.bind_password, directory.ca_file
        for pool in (self._searching, self._binding):
            for _ in range(connections):
                connection = stack.enter_context(ldap_connection(*login))
                connection.bind()
                pool.put(connection)

    def sign_in(self, username: str, password: str) -> None:
        connection = self._searching.get()
        connection.search(self._base, f"(uid={username})", attributes=["entryUUID", "uid", "mail"])
        dn = connection.response[0]["dn"]
        self._searching.put(connection)
        connection = self._binding.get()
        assert connection.rebind(dn, password.encode(), authentication=ldap3.SIMPLE)
        self._binding.put(connection)


def _checked(backend: LDAPBackend) -> SignIn:
    def sign_in(username: str, password: str) -> None:
        assert backend.authenticate(username, password).username == username

    return sign_in


def _settings(directory: OpenLDAP, **changes: str) -> LDAPSettings:
    return settings_of(
        LDAPSettings,
        uris=(directory.a.ldap,),
        starttls=True,
        tls_ca_file=directory.ca_file,
        preset="openldap",
        user_base=directory.people_base,
        group_base=directory.group_base,
        bind_dn=directory.bind_dn,
        bind_password=directory.bind_password,
        **changes,
    )


def _people(directory: OpenLDAP) -> list[tuple[str, str]]:
    """Returns user names and passwords of 50 accounts that can sign in."""
    people = [person for person in directory.people.values() if person.username.startswith("user")]
    return [(person.username, person.password) for person in people[:50]]


def _rates(
    loads: dict[str, SignIn], people: list[tuple[str, str]], threads: int, rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Returns the rates of each load in `rounds` rounds, in which the loads alternate for `seconds` each."""
    rates: dict[str, list[float]] = {name: [] for name in loads}
    for sign_in in loads.values():
        # opens the connections
        _rate(sign_in, people, threads, seconds)
    for _ in range(rounds):
        for name, sign_in in loads.items():
            rates[name].append(_rate(sign_in, people, threads, seconds))
    return rates


def _rate(sign_in: SignIn, people: list[tuple[str, str]], threads: int, seconds: float) -> float:
    """Returns the sign-ins per second by `threads` threads."""
    start = time.perf_counter()

    def work(number: int) -> int:
        count = 0
        while time.perf_counter() < start + seconds:
            sign_in(*people[(number + count) % len(people)])
            count += 1
        return count

    with ThreadPoolExecutor(threads) as workers:
        count = sum(workers.map(work, range(threads)))
    return count / (time.perf_counter() - start)
