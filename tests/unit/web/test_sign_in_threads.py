"""Tests of the threads for sign-ins: their order, and what happens to sign-ins that are not admitted."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

import pytest

from linkauth.login.admission import Admission, Busy
from linkauth.web import sign_in_threads
from linkauth.web.sign_in_threads import RETRY_AFTER_KEY, Budget, SignInThreads, is_sign_in, sign_in_place

SECONDS = 30


class Jobs:
    """Jobs that wait until the test opens their gate, and then record their names."""

    def __init__(self) -> None:
        self.started: SimpleQueue[str] = SimpleQueue()
        self.results: SimpleQueue[tuple[str, bool]] = SimpleQueue()
        self.gate = threading.Semaphore(0)

    def job(self, name: str) -> Any:
        def run(retry_after: int) -> None:
            if not retry_after:
                self.started.put(name)
                assert self.gate.acquire(timeout=SECONDS)
            self.results.put((name, not retry_after))

        return run

    def result(self) -> tuple[str, bool]:
        """Returns the name of the next job that ends, and whether it was admitted."""
        return self.results.get(timeout=SECONDS)


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


def threads_for(places: int, threads: int = 1) -> SignInThreads:
    """Returns threads for sign-ins that admit `places` sign-ins, each of which takes one second."""
    admission = Admission(places - 1, lambda count: float(count))
    return SignInThreads(admission, lambda environ: environ["REMOTE_ADDR"], threads)


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_threads, "REFUSAL_BURST", 1e9)


@pytest.fixture
def exhausted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget for refusals is used up for longer than the test takes."""
    monkeypatch.setattr(sign_in_threads, "REFUSAL_BURST", -1e3)


def address(number: int) -> dict[str, str]:
    return {"REMOTE_ADDR": f"192.0.2.{number}"}


def test_sign_ins_run_in_the_order_of_their_arrival(jobs: Jobs) -> None:
    threads = threads_for(100)
    for number in range(50):
        threads.add(address(number), jobs.job(str(number)))
    for number in range(50):
        assert jobs.started.get(timeout=SECONDS) == str(number)
        jobs.gate.release()
        assert jobs.result() == (str(number), True)
    threads.close()


@pytest.mark.usefixtures("unlimited")
def test_sign_ins_without_a_place_are_refused_while_others_wait(jobs: Jobs) -> None:
    threads = threads_for(places=3)
    for number in range(5):
        threads.add(address(number), jobs.job(str(number)))
    assert [jobs.result(), jobs.result()] == [("3", False), ("4", False)]
    for number in range(3):
        jobs.gate.release()
        assert jobs.result() == (str(number), True)
    threads.close()


@pytest.mark.usefixtures("exhausted")
def test_sign_in_that_waits_for_its_refusal_gets_a_free_place(jobs: Jobs) -> None:
    threads = threads_for(places=2)
    for number in range(6):
        threads.add(address(number), jobs.job(str(number)))
    # nobody is refused, and everybody has a turn
    for number in range(6):
        jobs.gate.release()
        assert jobs.result() == (str(number), True)
    threads.close()


@pytest.mark.usefixtures("exhausted")
def test_flood_of_one_address_does_not_take_the_place_of_others(jobs: Jobs) -> None:
    threads = threads_for(places=9)
    for number in range(40):
        threads.add(address(0), jobs.job(f"flood {number}"))
    threads.add(address(1), jobs.job("other"))
    ended = []
    # the flood has 7 places; the other address waits only for these
    for _ in range(8):
        jobs.gate.release()
        ended.append(jobs.result()[0])
    assert ended[-1] == "other"
    jobs.gate.release(100)
    threads.close()


@pytest.mark.usefixtures("exhausted")
def test_addresses_without_a_place_take_turns(jobs: Jobs) -> None:
    threads = threads_for(places=9)
    for number in range(9):
        threads.add(address(number), jobs.job(str(number)))
    # one network, because an IPv6 client has many addresses
    for number in range(40):
        threads.add({"REMOTE_ADDR": f"2001:db8::{number:x}"}, jobs.job("flood"))
    threads.add(address(9), jobs.job("first other"))
    threads.add(address(10), jobs.job("last other"))
    ended = []
    for _ in range(21):
        jobs.gate.release()
        ended.append(jobs.result()[0])
    assert ended[9:12] == ["flood", "first other", "last other"]
    assert set(ended[12:]) == {"flood"}
    jobs.gate.release(100)
    threads.close()


@pytest.mark.usefixtures("exhausted")
def test_place_goes_to_the_next_address_if_the_first_has_its_share(jobs: Jobs) -> None:
    threads = threads_for(places=9)
    for number in range(9):
        # from the third on of one address, which has its share
        threads.add(address(min(number, 2)), jobs.job(str(number)))
    threads.add(address(2), jobs.job("flood"))
    threads.add(address(3), jobs.job("other"))
    ended = []
    for _ in range(11):
        jobs.gate.release()
        ended.append(jobs.result()[0])
    assert ended == [*map(str, range(9)), "other", "flood"]
    threads.close()


@pytest.mark.usefixtures("unlimited")
def test_failing_job_does_not_end_its_thread(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    def fail(retry_after: int) -> None:
        raise SystemExit

    threads = threads_for(places=1)
    threads.add(address(1), jobs.job("first"))
    threads.add(address(1), fail)
    threads.add(address(1), jobs.job("refused"))
    assert jobs.result() == ("refused", False)
    jobs.gate.release(2)
    assert jobs.result() == ("first", True)
    threads.close()
    assert "the request of a refused sign-in failed" in caplog.text
    threads = threads_for(places=1)
    threads.add(address(1), fail)
    while "the request of a sign-in failed" not in caplog.text:
        assert threading.active_count()
    threads.add(address(1), jobs.job("next"))
    assert jobs.result()[0] == "next"
    threads.close()


def test_budget_limits_the_share_of_time() -> None:
    now = 0.0
    budget = Budget(0.02, 0.25, lambda: now)
    assert budget.wait() == 0
    budget.spend(0.25)
    assert budget.wait() == 0
    budget.spend(0.001)
    assert budget.wait() == pytest.approx(0.05)
    now = 0.05
    assert budget.wait() == pytest.approx(0)
    # a pause restores at most the burst
    now = 1_000_000
    assert budget.wait() == 0
    budget.spend(0.45)
    assert budget.wait() == pytest.approx(10)


def test_is_sign_in() -> None:
    assert is_sign_in("POST", "/authorize")
    assert is_sign_in("POST", "/path/of/the/url/authorize")
    assert is_sign_in("POST", "/authorize\n")
    assert is_sign_in("POST", "/authorize/recover")
    assert is_sign_in("POST", "/path/authorize/register")
    assert not is_sign_in("GET", "/authorize/recover")
    assert not is_sign_in("POST", "/authorize/")
    assert not is_sign_in("GET", "/authorize")
    assert not is_sign_in("POST", "/introspect")


def test_server_without_these_threads_admits_in_the_view() -> None:
    admission = Admission(1, lambda count: count * 2.0)
    environ: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.1"}
    with sign_in_place(admission, environ), pytest.raises(Busy), sign_in_place(admission, environ):
        pytest.fail("the second sign-in was admitted")
    # the place is free again
    with sign_in_place(admission, environ):
        pass


def test_decision_of_the_threads_is_kept() -> None:
    admission = Admission(1, lambda count: count * 2.0)
    with sign_in_place(admission, {"REMOTE_ADDR": "192.0.2.1"}), sign_in_place(admission, {RETRY_AFTER_KEY: 0}):
        pass
    with pytest.raises(Busy) as caught, sign_in_place(admission, {RETRY_AFTER_KEY: 7}):
        pytest.fail("the refused sign-in was admitted")
    assert caught.value.retry_after == 7
