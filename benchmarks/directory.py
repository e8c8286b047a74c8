"""Logins by the LDAP backend over StartTLS, on a real OpenLDAP, and what linkauth adds to the directory's own time."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator

import ldap3

from benchmarks.report import Figure
from linkauth.testing import settings_of
from linkauth_ldap import LDAPBackend, LDAPSettings
from tests.servers.ldap_connections import ldap_connection
from tests.servers.openldap import SLAPD, OpenLDAP

THREADS = (1, 8)
LOGINS_AIM = 1500
"""A second and core, with cheap hashes and without groups."""


def installed() -> bool:
    return SLAPD.exists()


def figures(rounds: int, seconds: float) -> Iterator[Figure]:
    """Logins a second by 1 and by 8 threads, with and without groups, and the median latencies in ms."""
    directory = OpenLDAP()
    try:
        directory.start()
        for name, changes in (("no groups", {"group_mode": "none"}), ("nested groups", {})):
            backend = LDAPBackend(_settings(directory, **changes))
            aim = (LOGINS_AIM, None) if name == "no groups" else (None, None)
            for threads in THREADS:
                rates = [_rate(backend, directory, threads, seconds) for _ in range(rounds)]
                label = f"LDAP logins a second, StartTLS, {name}, {threads} thread{'s' * (threads > 1)}"
                yield Figure(label, statistics.median(rates), aim=aim if threads == 1 else (None, None))
            if name == "no groups":
                yield from _added(backend, directory, int(200 * seconds))
            backend.close()
    finally:
        directory.remove()


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
    """Those whose accounts nothing is wrong with."""
    return [(each.username, each.password) for each in directory.people.values() if each.username.startswith("user")][
        :50
    ]


def _rate(backend: LDAPBackend, directory: OpenLDAP, threads: int, seconds: float) -> float:
    people, result = _people(directory), [0] * threads
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        turn = number
        while time.perf_counter() < end:
            username, password = people[turn % len(people)]
            assert backend.authenticate(username, password).username == username
            result[number] += 1
            turn += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(result) / seconds


def _added(backend: LDAPBackend, directory: OpenLDAP, times: int) -> Iterator[Figure]:
    """The same search and bind by ldap3 alone, on connections that stay open, in turn with the backend's."""
    people = _people(directory)
    service = ldap_connection(directory.a.ldap, directory.bind_dn, directory.bind_password, directory.ca_file)
    user = ldap_connection(directory.a.ldap, directory.bind_dn, directory.bind_password, directory.ca_file)
    with service as searching, user as binding:
        searching.bind()
        binding.bind()

        def bare(username: str, password: str) -> None:
            searching.search(directory.people_base, f"(uid={username})", attributes=["entryUUID", "uid", "mail"])
            dn = searching.response[0]["dn"]
            assert binding.rebind(dn, password.encode(), authentication=ldap3.SIMPLE)

        own, ours = list[float](), list[float]()
        for turn in range(times):
            username, password = people[turn % len(people)]
            own.append(_taken(bare, username, password))
            ours.append(_taken(backend.authenticate, username, password))
    yield Figure("  search and bind by ldap3 alone, median ms", statistics.median(own), "{:.2f}")
    yield Figure("  the same login through linkauth, median ms", statistics.median(ours), "{:.2f}")
    yield Figure("  linkauth adds, ms", statistics.median(ours) - statistics.median(own), "{:.2f}")


def _taken(ask: Callable[[str, str], object], username: str, password: str) -> float:
    began = time.perf_counter()
    ask(username, password)
    return (time.perf_counter() - began) * 1000
