"""`linkauth sweep INI` looks everybody with a link up again, and ends the links of people who have left."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from linkauth.backends import Lookup
from linkauth.cli.printing import print_rows, printable
from linkauth.cli.resources import open_database
from linkauth.login.leavers import ENDING, OPTIONAL
from linkauth.redaction import redact

if TYPE_CHECKING:
    from linkauth.config.settings import Settings
    from linkauth.login.dispatch import NamedBackend
    from linkauth.login.leaver_sweep import SweepOptions, SweepReport
    from linkauth.storage import LeaverSweeps

NOT_SWEPT = {
    "cannot_look_up": "this backend cannot look anybody up without a password, so its links stay",
    "shadow": "a shadow backend decides nothing, so its links stay",
    "unknown": "no backend of this name is in linkauth.backends any more, so its links stay; end them with links end",
}
PROVIDER = "a sign-in provider cannot be asked about people who are not there, so its links stay"
COLUMNS = ("backend", "outcome", "links", "people", "leaving", "ended", "kept", "doubtful")
EXIT_CODES = {"finished": 0, "unavailable": 3, "interrupted": 3, "stopped": 4}


class AnotherSweep(click.ClickException):
    """Another sweep is running."""

    exit_code = 5


@click.command()
@click.argument("ini", metavar="INI")
@click.option("--backend", "only", multiple=True, metavar="NAME", help="Sweep this backend only. May be repeated.")
@click.option(
    "--max-share",
    type=click.FloatRange(0, 100),
    default=5,
    show_default=True,
    metavar="PERCENT",
    help="End no link of a backend if more than this share of its links would end.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    metavar="N",
    help="Look up at most N people per second, one after the other.",
)
@click.option(
    "--also",
    type=click.Choice(OPTIONAL),
    multiple=True,
    help="End links for this reason too. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Look everybody up, log the links that would end, and end none.")
@click.option("--restart", is_flag=True, help="Start again, also if the last sweep was interrupted.")
@click.option("--json", "as_document", is_flag=True, help="Print the report as a JSON document, and no progress bar.")
def sweep(
    ini: str,
    only: tuple[str, ...],
    max_share: float,
    rate: int,
    also: tuple[str, ...],
    dry_run: bool,
    restart: bool,
    as_document: bool,
) -> None:
    """Look everybody with a link up again, and end the links of people who have left.

    A link ends if the backend says clearly that its person is gone, disabled, expired or not entitled. A lock, a
    password that must be changed or logon hours end none. On any doubt a link stays: if a backend does not answer, or
    answers something that is not understood.

    First everybody of a backend is looked up, and nothing ends. If then more than --max-share percent of its links
    would end, none of them ends. Otherwise each of these people is looked up once more, and their links end at once.

    A sweep that was interrupted goes on where it was. Only one sweep runs at a time, on all machines.

    The exit code is 0 if everybody was looked up, 1 if the settings or the database failed, 2 for wrong usage, 3 if a
    backend did not answer or the sweep was interrupted (run it again), 4 if --max-share has stopped it, and 5 if
    another sweep is running.
    """
    with open_database(ini) as (settings, engine):
        from linkauth.login.leaver_sweep import SweepOptions
        from linkauth.login.leavers import LeaseLost
        from linkauth.login.opening import opened_backends
        from linkauth.storage import LeaverSweeps

        known = {each.name for each in settings.backends}
        if wrong := [name for name in only if name not in known]:
            raise click.BadParameter(f"no backend has the name {wrong[0]}", param_hint="--backend")
        ending = ENDING.union(reason for reason in OPTIONAL if reason in also)
        options = SweepOptions(max_share, rate, ending, dry_run, restart)
        storage = LeaverSweeps(engine)
        with _stop_signals() as stopped, _lease(storage), opened_backends(settings) as backends:
            try:
                sweeper = Sweeper(settings, backends, storage, options, stopped, not as_document)
                reports = list(sweeper.run(only))
            except LeaseLost as error:
                raise AnotherSweep(f"another sweep has taken over: {redact(error)}") from None
    _print(reports, options, as_document)
    sys.exit(max((EXIT_CODES.get(report.outcome, 0) for report in reports), default=0))


class Sweeper:
    """Sweeps the backends one after the other, with a progress bar on a terminal."""

    def __init__(
        self,
        settings: Settings,
        backends: tuple[NamedBackend, ...],
        storage: LeaverSweeps,
        options: SweepOptions,
        stopped: Event,
        shows_progress: bool,
    ) -> None:
        self._settings, self._storage, self._options, self._stopped = settings, storage, options, stopped
        self._backends = {named.name: named for named in backends}
        self._shows_progress = shows_progress and sys.stderr.isatty()

    def run(self, only: tuple[str, ...]) -> Iterator[SweepReport]:
        """Yields a report for each backend that has links, or only for these."""
        from linkauth.login.leaver_sweep import LeaverSweep, SweepReport

        counts = self._storage.active_links()
        providers = {each.name for each in self._settings.sign_ins}
        for name in only or [*self._backends, *(each for each in counts if each not in self._backends)]:
            named, links = self._backends.get(name), counts.get(name, 0)
            if not links:
                continue
            if named is None or named.shadow or Lookup not in named.backend.offers:
                outcome: Any = "unknown" if named is None else "shadow" if named.shadow else "cannot_look_up"
                problem = NOT_SWEPT[outcome]
                if name in providers:
                    outcome, problem = "cannot_look_up", PROVIDER
                yield SweepReport(name, outcome, links, problem=problem)
                continue
            with self._progress(name, links) as progress:
                yield LeaverSweep(named, self._storage, self._options, self._stopped.wait, progress).run(links)

    def _progress(self, name: str, links: int) -> Any:
        """Returns a context manager for a function that gets the number of further links."""
        return _progress_bar(name, links) if self._shows_progress else nullcontext(lambda _: None)


@contextmanager
def _lease(storage: LeaverSweeps) -> Iterator[None]:
    """Context manager that makes this the only sweep. Raises AnotherSweep."""
    if holder := storage.take_lease():
        expires = datetime.fromtimestamp(holder.expires_at, UTC).strftime("%H:%M:%S UTC")
        raise AnotherSweep(f"another sweep is running: {holder.name}. If it was killed, wait until {expires}")
    try:
        yield
    finally:
        storage.give_lease_back()


@contextmanager
def _progress_bar(name: str, links: int) -> Iterator[Callable[[int], None]]:
    with click.progressbar(length=links, label=printable(name), show_pos=True, file=sys.stderr) as bar:
        yield bar.update


@contextmanager
def _stop_signals() -> Iterator[Event]:
    """Context manager for an event that SIGINT and SIGTERM set, so that the sweep stores its position and ends.

    A second signal ends the process at once.
    """
    stopped, signals = Event(), (signal.SIGINT, signal.SIGTERM)
    handlers = {each: signal.getsignal(each) for each in signals}

    def stop(number: int, _frame: Any) -> None:
        stopped.set()
        signal.signal(number, handlers[signal.Signals(number)])

    for each in signals:
        signal.signal(each, stop)
    try:
        yield stopped
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)


def _kept(counts: Mapping[str, int]) -> int:
    return sum(number for name, number in counts.items() if name.startswith("kept."))


def _print(reports: list[SweepReport], options: SweepOptions, as_document: bool) -> None:
    if as_document:
        rows = [{**vars(report), "problem": redact(report.problem)} for report in reports]
        click.echo(json.dumps({"dry_run": options.dry_run, "backends": rows}, indent=2))
        return
    if not reports:
        click.echo("there are no links")
        return
    print_rows(map(_row, reports), "table", COLUMNS)
    for report in reports:
        for name, number in sorted(report.counts.items()):
            kind, _, reason = name.partition(".")
            if (reason and kind != "leaving") or (options.dry_run and reason):
                what = "people kept" if kind == "kept" else "links to end" if kind == "leaving" else "links ended"
                click.echo(f"{printable(report.backend)}: {number} {what}: {reason}")
        if report.problem:
            click.echo(f"{printable(report.backend)}: {printable(redact(report.problem))}")


def _row(report: SweepReport) -> dict[str, Any]:
    numbers = {name: report.counts.get(name, 0) for name in ("people", "leaving", "ended", "doubtful")}
    return {"backend": report.backend, "outcome": report.outcome, "links": report.links, **numbers} | {
        "kept": _kept(report.counts)
    }
