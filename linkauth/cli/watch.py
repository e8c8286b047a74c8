"""`linkauth watch INI` follows the changes in user stores, and ends the links of people who leave within seconds."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Thread
from typing import TYPE_CHECKING

import click

from linkauth.backends import ChangeFeed, Lookup
from linkauth.cli.printing import printable
from linkauth.cli.resources import open_database
from linkauth.cli.signals import stop_signals
from linkauth.login.leavers import ENDING, OPTIONAL, LeaseLost
from linkauth.logs import event
from linkauth.redaction import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

    from linkauth.login.dispatch import NamedBackend
    from linkauth.login.leaver_sweep import SweepReport
    from linkauth.login.watching import WatchOptions

log = logging.getLogger(__name__)

WAIT_SECONDS, RENEWAL_SECONDS = 3, 8
"""How often a watch that waits asks for the lease, and how often the one that has it renews it."""
UNAVAILABLE, ANOTHER = 3, 5
"""Exit codes of --once."""


@click.command()
@click.argument("ini", metavar="INI")
@click.option("--backend", "only", multiple=True, metavar="NAME", help="Watch this backend only. May be repeated.")
@click.option(
    "--max-share",
    type=click.FloatRange(0, 100),
    default=5,
    show_default=True,
    metavar="PERCENT",
    help="End no further links of a backend if more than this share of its links would end within an hour.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    metavar="N",
    help="Look up at most N people per second if everybody must be looked up.",
)
@click.option(
    "--also",
    type=click.Choice(OPTIONAL),
    multiple=True,
    help="End links for this reason too. May be repeated.",
)
@click.option("--once", is_flag=True, help="End when everything is done that has changed since the last watch.")
def watch(ini: str, only: tuple[str, ...], max_share: float, rate: int, also: tuple[str, ...], once: bool) -> None:
    """Follow the changes in user stores, and end the links of people who leave within seconds.

    Whoever a user store reports as changed is looked up, and the link ends for the same reasons as with `linkauth
    sweep`. If a user store cannot say who has changed, as at the first start, everybody is looked up by a sweep.

    It runs until SIGTERM or SIGINT. On all machines only one watches; another one waits, and takes over when the first
    has ended. With --once it does what has changed since the last time, and ends; the exit code is then 3 if a backend
    did not answer, and 5 if another watch is running.
    """
    with open_database(ini) as (settings, engine):
        from linkauth.login.opening import opened_backends
        from linkauth.login.watching import WatchOptions

        known = {each.name for each in settings.backends}
        if wrong := [name for name in only if name not in known]:
            raise click.BadParameter(f"no backend has the name {wrong[0]}", param_hint="--backend")
        options = WatchOptions(max_share, ENDING.union(reason for reason in OPTIONAL if reason in also), once)
        with stop_signals() as stopped, opened_backends(settings) as backends:
            named = [each for each in backends if not only or each.name in only]
            code = Watcher(_watched(named), engine, options, rate, stopped).run()
    sys.exit(code)


def _watched(backends: Sequence[NamedBackend]) -> list[NamedBackend]:
    """Returns the backends that report changes, and prints which do not. Raises click.ClickException without any."""
    found = [each for each in backends if not each.shadow and {ChangeFeed, Lookup} <= each.backend.offers]
    for each in backends:
        if each not in found:
            why = "a shadow backend decides nothing" if each.shadow else "it reports no changes"
            click.echo(f"{printable(each.name)} is not watched: {why}; its links end with `linkauth sweep`", err=True)
    if not found:
        raise click.ClickException("no backend reports changes; see change_feed (ldap) and updated_column (sql)")
    return found


@dataclass
class _Round:
    """The threads that watch while this process has the lease. `ended` stops them; `problem` is why one has ended."""

    ended: Event = field(default_factory=Event)
    threads: list[Thread] = field(default_factory=list)
    problem: str = ""
    code: int = 0


class Watcher:
    """Watches the backends, each in a thread, while this process has the lease."""

    def __init__(
        self, backends: Sequence[NamedBackend], engine: Engine, options: WatchOptions, rate: int, stopped: Event
    ) -> None:
        from linkauth.storage import Watches

        self._backends, self._engine, self._options, self._rate = backends, engine, options, rate
        self._stopped, self._storage = stopped, Watches(engine)

    def run(self) -> int:
        """Returns the exit code."""
        from sqlalchemy.exc import SQLAlchemyError

        code, is_waiting = 0, False
        try:
            while not self._stopped.is_set():
                try:
                    holder = self._storage.take_lease()
                except SQLAlchemyError as error:
                    _interrupted(error)
                    self._stopped.wait(WAIT_SECONDS)
                    continue
                if holder is None:
                    is_waiting = False
                    code = self._watch()
                    if self._options.once:
                        break
                elif self._options.once:
                    click.echo(f"another watch is running: {printable(holder.name)}", err=True)
                    return ANOTHER
                elif not is_waiting:
                    is_waiting = True
                    until = datetime.fromtimestamp(holder.expires_at, UTC).strftime("%H:%M:%S UTC")
                    event(log, logging.INFO, "watch waits, another one is running", holder=holder.name, until=until)
                self._stopped.wait(0 if holder is None else WAIT_SECONDS)
        finally:
            with suppress(SQLAlchemyError):
                self._storage.give_lease_back()
        event(log, logging.INFO, "watch ended")
        return code if self._options.once else 0

    def _watch(self) -> int:
        """Watches until the process must stop, the lease or the database is lost, or with `once` all is done."""
        from sqlalchemy.exc import SQLAlchemyError

        this, renewed_at = _Round(), time.monotonic()
        this.threads = [
            Thread(target=self._watch_one, args=(named, this), name=f"watch of {named.name}")
            for named in self._backends
        ]
        try:
            for thread in this.threads:
                thread.start()
            while any(thread.is_alive() for thread in this.threads) and not self._stopped.wait(0.1):
                if this.problem:
                    break
                if time.monotonic() - renewed_at > RENEWAL_SECONDS:
                    self._storage.renew_lease()
                    renewed_at = time.monotonic()
        except (LeaseLost, SQLAlchemyError) as error:
            _interrupted(error)
        finally:
            this.ended.set()
            for thread in this.threads:
                thread.join()
        if this.problem:
            self._stopped.wait(WAIT_SECONDS)
        return this.code

    def _watch_one(self, named: NamedBackend, this: _Round) -> None:
        from linkauth.login.watch_sweeps import WatchSweeps
        from linkauth.login.watching import Watch

        sweeps = WatchSweeps(named.name, self._sweep_of(named, this.ended), this.ended)
        if not self._options.once:
            sweeps.start()
        try:
            is_done = Watch(named, self._storage, sweeps, self._options, this.ended).run()
            this.code = this.code if is_done else UNAVAILABLE
        except Exception as error:
            # the lease or the database is lost
            _interrupted(error)
            this.problem, this.code = "interrupted", UNAVAILABLE
        finally:
            if not self._options.once:
                this.ended.wait()
            sweeps.close()

    def _sweep_of(self, named: NamedBackend, ended: Event) -> Callable[[bool], SweepReport | None]:
        """Returns a function that sweeps a backend, as WatchSweeps needs it."""
        from linkauth.login.leaver_sweep import LeaverSweep, SweepOptions
        from linkauth.storage import LeaverSweeps

        def sweep(restart: bool) -> SweepReport | None:
            storage = LeaverSweeps(self._engine)
            if holder := storage.take_lease():
                event(log, logging.INFO, "watch waits for another sweep", holder=holder.name)
                return None
            try:
                options = SweepOptions(self._options.max_share, self._rate, self._options.ending, restart=restart)
                links = storage.active_links().get(named.name, 0)
                return LeaverSweep(named, storage, options, ended.wait).run(links)
            finally:
                storage.give_lease_back()

        return sweep


def _interrupted(error: Exception) -> None:
    problem = f"another watch has taken over: {reason(error)}" if isinstance(error, LeaseLost) else reason(error)
    event(log, logging.WARNING, "watch interrupted, it begins again", reason=problem)
