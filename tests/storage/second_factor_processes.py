"""What the processes of the tests of second factors do: race with each other for one person."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from linkauth.login.factors import Proof, SecondFactor
from linkauth.storage import SecondFactorStore, open_engine

NOW, SECRET = 1_900_000_000, "a secret for tests of second factors"
STEP = NOW // 30
PEPPER = bytes(range(32))
_barriers: list[Barrier] = []


def new_factor(subject: str = "7", enrolment: str = "e" * 22) -> SecondFactor:
    return SecondFactor("corp", subject, "a.smith", enrolment, "JBSWY3DPEHPK3PXP", PEPPER, STEP - 10, NOW)


def digests(first: int = 0) -> list[bytes]:
    return [bytes([first + number]) * 32 for number in range(10)]


def join_race(barrier: Barrier) -> None:
    """Initializes a process with the barrier at which all processes of a race wait."""
    _barriers.append(barrier)


def race(url: str, proofs: Sequence[Proof]) -> list[str]:
    """Attempts all proofs at once, when the other processes do the same. Returns the results."""
    engine = open_engine(url, for_operator=True)
    store, ready = SecondFactorStore(engine, SECRET), Barrier(len(proofs))

    def attempt(proof: Proof) -> str:
        ready.wait(60)
        return store.attempt(new_factor(), proof, NOW).result

    if _barriers:
        _barriers[0].wait(60)
    with ThreadPoolExecutor(len(proofs)) as threads:
        results = list(threads.map(attempt, proofs))
    engine.dispose()
    return results
