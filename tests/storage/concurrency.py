"""Links, tokens and threads for the tests of concurrent transactions."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from linkauth.oauth2.tokens import Link, Token, digest, new_token

NOW = 1_800_000_000
LINK = Link("staff", "1", "ada", "home", ("order_car",), "authorization_code", "en", NOW)
THREADS = 16


def token(kind: Any = "access", jti: str | None = None, generation: int = 0) -> Token:
    return Token(digest(new_token()), kind, NOW, NOW + 3600, generation=generation, jti=jti)


def at_once(function: Callable[[int], Any]) -> list[Any]:
    """Calls the function in THREADS threads at the same time, and returns the results."""
    barrier = Barrier(THREADS)

    def call(number: int) -> Any:
        barrier.wait(30)
        return function(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(call, range(THREADS)))
