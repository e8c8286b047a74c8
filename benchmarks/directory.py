"""Sign-ins by the LDAP backend over StartTLS on a real OpenLDAP, and the time that linkauth adds to ldap3."""

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
SIGN_IN_TARGET = 1500
"""The target for sign-ins per second and core, with cheap hashes and without groups."""


def installed() -> bool:
    return SLAPD.exists()


def figures(rounds: int, seconds: float) -> Iterator[Figure]:
    """Yields sign-ins per second by 1 and by 8 threads, with and without groups, and median latencies in ms."""
    directory = OpenLDAP()
    try:
        directory.start()
        for name, changes in (("no groups", {"group_mode": "none"}), ("nested groups", {})):
            backend = LDAPBackend(_settings(directory, **changes))
            for threads in THREADS:
                target = (SIGN_IN_TARGET, None) if name == "no groups" and threads == 1 else (None, None)
                rates = [_rate(backend, directory, threads, seconds) for _ in range(rounds)]
                label = f"LDAP sign-ins per second, StartTLS, {name}, {threads} thread{'s' * (threads > 1)}"
                yield Figure(label, statistics.median(rates), target=target)
            if name == "no groups":
                yield from _overhead(backend, directory, int(200 * seconds))
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
    """Returns user names and passwords of 50 accounts that can sign in."""
    people = [person for person in directory.people.values() if person.username.startswith("user")]
    return [(person.username, person.password) for person in people[:50]]


def _rate(backend: LDAPBackend, directory: OpenLDAP, threads: int, seconds: float) -> float:
    people, counts = _people(directory), [0] * threads
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        index = number
        while time.perf_counter() < end:
            username, password = people[index % len(people)]
            assert backend.authenticate(username, password).username == username
            counts[number] += 1
            index += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / seconds


def _overhead(backend: LDAPBackend, directory: OpenLDAP, count: int) -> Iterator[Figure]:
    """Compares sign-ins by the backend with the same search and bind by ldap3 alone on open connections.

    The two alternate, so that disturbances affect both.
    """
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

        bare_times, backend_times = list[float](), list[float]()
        for index in range(count):
            username, password = people[index % len(people)]
            bare_times.append(_milliseconds(bare, username, password))
            backend_times.append(_milliseconds(backend.authenticate, username, password))
    bare_median, backend_median = statistics.median(bare_times), statistics.median(backend_times)
    yield Figure("  search and bind by ldap3 alone, median ms", bare_median, "{:.2f}")
    yield Figure("  the same sign-in through linkauth, median ms", backend_median, "{:.2f}")
    yield Figure("  difference, ms", backend_median - bare_median, "{:.2f}")


def _milliseconds(sign_in: Callable[[str, str], object], username: str, password: str) -> float:
    start = time.perf_counter()
    sign_in(username, password)
    return (time.perf_counter() - start) * 1000
