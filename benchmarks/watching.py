"""`python -m benchmarks.watching` measures how long a token outlives its person while `linkauth watch` runs.

It starts a real slapd and a real Samba, disables one person after the other, and asks `/introspect` until the token is
not active any more. Samba needs root.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.report import Figure, table
from linkauth.testing import Leaver
from tests.leavers.watched_app import WatchedApp, wait_for
from tests.servers import openldap, samba
from tests.servers.leaver import openldap_person, samba_person

ROUNDS = 20
People = Callable[[], AbstractContextManager[tuple[Leaver, str, str]]]


def seconds_until_inactive(settings: Mapping[str, str], person: People, rounds: int) -> Iterator[float]:
    """Yields, for each of `rounds` people, the seconds from the request to the directory to `active: false`."""
    with tempfile.TemporaryDirectory() as folder:
        app = WatchedApp(Path(folder), {"use": "ldap", **settings})
        try:
            with app.watching("--max-share", "100") as process:
                for _ in range(rounds):
                    with person() as (leaver, username, _):
                        token = app.link(username)
                        start = time.perf_counter()
                        leaver.disable()
                        wait_for(lambda token=token: not app.is_active(token), process)  # type: ignore[misc]
                        yield time.perf_counter() - start
        finally:
            app.close()


def openldap_seconds(rounds: int) -> list[float]:
    with openldap.running() as slapd:
        settings = {
            "preset": "openldap",
            "uris": slapd.a.ldap,
            "starttls": "true",
            "tls_ca_file": slapd.ca_file,
            "user_base": slapd.people_base,
            "group_base": slapd.group_base,
            "bind_dn": slapd.bind_dn,
            "bind_password": slapd.bind_password,
        }
        return list(seconds_until_inactive(settings, lambda: openldap_person(slapd), rounds))


def samba_seconds(rounds: int) -> list[float]:
    with samba.running() as domain:
        settings = {
            "preset": "activedirectory",
            "uris": domain.ldaps,
            "tls_ca_file": domain.ca_file,
            "user_base": domain.people_base,
            "bind_dn": domain.bind_dn,
            "bind_password": domain.bind_password,
        }
        return list(seconds_until_inactive(settings, lambda: samba_person(domain), rounds))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many people leave, in each directory")
    rounds = parser.parse_args().rounds
    figures = []
    for name, measure in (("OpenLDAP", openldap_seconds), ("Samba", samba_seconds)):
        seconds = measure(rounds)
        figures.append(Figure(f"{name}: median seconds until active: false", statistics.median(seconds), "{:.2f}"))
        figures.append(Figure("  longest", max(seconds), "{:.2f}"))
    print(table(figures, str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
