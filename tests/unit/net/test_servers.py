"""The failover of a list of servers, with operations that fail on command. The contract tests real servers."""

from __future__ import annotations

import logging
import os
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
    fleet = Fleet()
    fleet.failing, fleet.failure = {"a"}, lambda: answer
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


def test_only_the_given_servers_are_called() -> None:
    fleet = Fleet()
    fleet.failing = {"a"}
    with pytest.raises(AllServersFailed, match=r"^a: no answer$"):
        fleet.servers.call(fleet.operation, Deadline(60), fleet.servers.all[:1])


def test_forked_process_opens_its_own_servers_even_if_other_lists_cannot() -> None:
    parent = os.getpid()

    def open_in_parent_only() -> list[Server]:
        if os.getpid() != parent:
            raise ValueError("a file is gone")
        return [Server("x")]

    lists = [ServerList(FailoverSettings(), opened) for opened in (open_in_parent_only, lambda: [Server("a")]) * 4]
    before = [each.all for each in lists]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            found = []
            for each, parents in zip(lists, before, strict=True):
                try:
                    found.append(each.call(lambda server: server.name, Deadline(60)))
                    found.append(str(each.all[0] is not parents[0]))
                except AllServersFailed as failed:
                    found.append(str(failed))
            os.write(writing, "|".join(found).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    found = os.read(reading, 10_000).decode().split("|")
    os.close(reading)
    os.close(writing)
    assert found == ["all servers: they could not be opened in this process", "a", "True"] * 4
    assert [each.call(lambda server: server.name, Deadline(60)) for each in lists] == ["x", "a"] * 4


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
