"""The failover of a list of servers, with operations that fail on command. The contract tests real servers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from linkauth.net import AllServersFailed, Deadline, FailoverSettings, Server, ServerFailed, ServerList


class Fleet:
    """Two servers, `a` and `b`. Those in `failing` raise the failure that `failure` makes."""

    def __init__(self, failures_until_down: int = 1, retry_down_after: int = 3600) -> None:
        settings = FailoverSettings(failures_until_down=failures_until_down, retry_down_after=retry_down_after)
        self.servers = ServerList(settings, lambda: [Server("a"), Server("b")])
        self.failing: set[str] = set()
        self.failure: Callable[[], Exception] = lambda: ServerFailed("no answer")
        self.called: list[str] = []

    def call(self, deadline: Deadline | None = None) -> str:
        return self.servers.call(self.operation, deadline or Deadline(60))

    def operation(self, server: Server) -> str:
        self.called.append(server.name)
        if server.name in self.failing:
            raise self.failure()
        return server.name


def test_servers_are_called_in_their_order_until_one_answers() -> None:
    fleet = Fleet()
    assert fleet.call() == "a"
    fleet.failing = {"a"}
    assert fleet.call() == "b"
    assert fleet.called == ["a", "a", "b"]


def test_server_is_called_last_after_so_many_failures_in_a_row(caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet(failures_until_down=3)
    for failing in ({"a"}, {"a"}, set[str](), {"a"}, {"a"}):
        fleet.failing = failing
        fleet.call()
    assert not caplog.records
    fleet.called.clear()
    assert [fleet.call(), fleet.call()] == ["b", "b"]
    assert fleet.called == ["a", "b", "b"]
    assert [record.getMessage() for record in caplog.records] == ["a is down and called last for 3600 s: no answer"]


def test_server_that_answers_again_is_called_first_again(caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet(retry_down_after=0)
    fleet.failing = {"a"}
    assert fleet.call() == "b"
    fleet.failing = set()
    caplog.set_level(logging.INFO)
    assert fleet.call() == "a"
    assert "a answers again" in caplog.text
    assert fleet.servers.all[0].failures == 0


@pytest.mark.parametrize("answer", [LookupError("unknown"), ValueError("wrong")])
def test_other_exceptions_are_answers(answer: Exception) -> None:
    fleet = Fleet(failures_until_down=2)
    fleet.failing = {"a"}
    assert fleet.call() == "b"
    assert fleet.servers.all[0].failures == 1
    fleet.called.clear()
    fleet.failure = lambda: answer
    with pytest.raises(type(answer)):
        fleet.call()
    assert fleet.called == ["a"]
    assert fleet.servers.all[0].failures == 0


def test_no_other_server_is_called_after_a_failure_that_forbids_it() -> None:
    fleet = Fleet()
    fleet.failing, fleet.failure = {"a"}, lambda: ServerFailed("sent, no answer", try_next=False)
    with pytest.raises(AllServersFailed, match=r"^a: sent, no answer$"):
        fleet.call()
    assert fleet.called == ["a"]


def test_failure_of_our_own_does_not_count() -> None:
    fleet = Fleet()
    fleet.failing, fleet.failure = {"a"}, lambda: ServerFailed("all connections are in use", counts=False)
    assert fleet.call() == "b"
    assert fleet.servers.all[0].failures == 0


def test_all_failures_are_reported_with_the_shortest_wait() -> None:
    fleet = Fleet()
    fleet.failing, waits = {"a", "b"}, iter([70.2, 20.5])
    fleet.failure = lambda: ServerFailed("busy", retry_after=next(waits), misconfigured=True)
    with pytest.raises(AllServersFailed, match=r"^a: busy; b: busy$") as raised:
        fleet.call()
    assert (raised.value.retry_after, raised.value.misconfigured) == (21, True)
    # both asked not to be called: no caller reaches them until then
    with pytest.raises(AllServersFailed) as raised:
        fleet.call()
    assert 0 < raised.value.retry_after <= 21
    assert fleet.called == ["a", "b"]
    assert [server.failures for server in fleet.servers.all] == [1, 1]


def test_not_every_server_misconfigured_is_an_outage() -> None:
    fleet = Fleet()
    fleet.failing, problems = {"a", "b"}, iter([True, False])
    fleet.failure = lambda: ServerFailed("refused", misconfigured=next(problems))
    with pytest.raises(AllServersFailed) as raised:
        fleet.call()
    assert not raised.value.misconfigured


def test_no_server_is_called_after_the_deadline() -> None:
    fleet = Fleet()
    with pytest.raises(AllServersFailed, match="total time"):
        fleet.call(Deadline(0))
    assert fleet.called == []
    assert fleet.servers.all[0].failures == 0
    # the same for a server that is down
    fleet.failing = {"a", "b"}
    with pytest.raises(AllServersFailed):
        fleet.call()
    with pytest.raises(AllServersFailed, match=r"^a: the total time is over$"):
        fleet.call(Deadline(0))
    assert fleet.called == ["a", "b"]


def test_server_that_is_down_is_probed_by_one_caller_and_the_others_profit() -> None:
    fleet = Fleet()
    fleet.failing = {"a", "b"}
    with pytest.raises(AllServersFailed):
        fleet.call()
    fleet.failing = set()
    fleet.called.clear()
    entered, go_on = threading.Event(), threading.Event()
    inside: list[int] = []

    def slow(server: Server) -> str:
        inside.append(len(inside))
        entered.set()
        go_on.wait()
        return server.name

    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(fleet.servers.call, slow, Deadline(60))
        entered.wait()
        others = [threads.submit(fleet.call) for _ in range(3)]
        try:
            # they wait a moment for the probe of `a`, then one after the other calls `b`
            assert {each.result() for each in others} == {"b"}
        finally:
            go_on.set()
        assert first.result() == "a"
    assert inside == [0]
    assert fleet.call() == "a"


def test_callers_that_waited_go_on_together_after_the_probe_succeeded() -> None:
    """Otherwise the slow answers of a server that is up again would follow each other, and the last caller gives up."""
    fleet = Fleet()
    fleet.failing = {"a", "b"}
    with pytest.raises(AllServersFailed):
        fleet.call()
    entered, answered, together = threading.Event(), threading.Event(), threading.Barrier(3)

    def probe(server: Server) -> str:
        entered.set()
        answered.wait()
        return server.name

    def meet(server: Server) -> str:
        together.wait(30)
        return server.name

    only = fleet.servers.all[:1]
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(fleet.servers.call, probe, Deadline(60), only)
        entered.wait()
        others = [threads.submit(fleet.servers.call, meet, Deadline(60), only) for _ in range(3)]
        answered.set()
        assert {each.result() for each in (first, *others)} == {"a"}
    # and it can be probed again
    for _ in range(3):
        with pytest.raises(AllServersFailed, match=r"^a: no answer; b: no answer$"):
            fleet.call()


class ObservedLock:
    """A lock that sets `waiting` before a caller waits for it."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self._lock = threading.Lock()

    def acquire(self, timeout: float) -> bool:
        if self._lock.locked():
            self.waiting.set()
        return self._lock.acquire(timeout=60)

    def release(self) -> None:
        self._lock.release()


def test_caller_that_waited_for_a_probe_that_failed_does_not_call_the_server() -> None:
    fleet = Fleet()
    fleet.failing = {"a", "b"}
    with pytest.raises(AllServersFailed):
        fleet.call()
    (server,) = only = fleet.servers.all[:1]
    lock, entered = ObservedLock(), threading.Event()
    server.probe = lock  # type: ignore[assignment]

    def probe(_server: Server) -> str:
        entered.set()
        lock.waiting.wait()
        raise ServerFailed("no answer")

    fleet.called.clear()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(fleet.servers.call, probe, Deadline(60), only)
        entered.wait()
        second = threads.submit(fleet.servers.call, fleet.operation, Deadline(60), only)
        assert str(first.exception()) == "a: no answer"
        assert str(second.exception()) == "a: it is down, and has just failed again"
    assert fleet.called == []


def test_idle_connections_are_dropped_after_each_failure_and_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    dropped: list[str] = []

    class Pooled(Server):
        def drop_idle(self) -> None:
            dropped.append(self.name)

    servers = ServerList(FailoverSettings(failures_until_down=2), lambda: [Pooled("a"), Pooled("b")])
    for _ in range(2):
        servers.note_failure(servers.all[0], ServerFailed("refused", misconfigured=True))
    assert dropped == ["a", "a"]
    # only the operator can mend it
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    servers.close()
    assert dropped == ["a", "a", "a", "b"]


def test_only_the_given_servers_are_called() -> None:
    fleet = Fleet()
    fleet.failing = {"a"}
    with pytest.raises(AllServersFailed, match=r"^a: no answer$"):
        fleet.servers.call(fleet.operation, Deadline(60), fleet.servers.all[:1])


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({"failures_until_down": 0}, ["failures_until_down"]),
        ({"failures_until_down": 1001, "retry_down_after": -1}, ["failures_until_down", "retry_down_after"]),
        ({"failures_until_down": 1000, "retry_down_after": 0}, []),
    ],
)
def test_numbers_out_of_range_are_named(values: dict[str, int], keys: list[str]) -> None:
    assert [key for key, _ in FailoverSettings(**values).failover_faults()] == keys
