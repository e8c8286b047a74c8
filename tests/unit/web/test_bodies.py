"""Tests of the limits on size and time of bodies that the application reads itself."""

from __future__ import annotations

import threading
from io import BytesIO
from typing import Any

import pytest

from linkauth.web import bodies
from linkauth.web.bodies import BODY_LIMIT, BodyError, BodyReaders, read

LONG = 60.0


class Blocking:
    """A stream whose read() returns after `event` is set."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def read(self, size: int) -> bytes:
        self._event.wait()
        return b"x"


class Broken:
    def read(self, size: int) -> bytes:
        raise OSError("connection reset")


def code(environ: dict[str, Any]) -> str:
    with pytest.raises(BodyError) as error:
        read(environ)
    return error.value.code


@pytest.mark.parametrize("more", [{}, {"waitress.client_disconnected": bool}])
def test_body_is_read_up_to_content_length(more: dict[str, Any]) -> None:
    def environ(length: str, body: bytes) -> dict[str, Any]:
        return {"CONTENT_LENGTH": length, "wsgi.input": BytesIO(body), **more}

    assert read(environ("3", b"abcd")) == b"abc"
    assert read(environ("0", b"abcd")) == b""
    assert read(environ("", b"abcd")) == b""
    assert read(environ(str(BODY_LIMIT), b"a" * BODY_LIMIT)) == b"a" * BODY_LIMIT
    assert code(environ(str(BODY_LIMIT + 1), b"")) == "too_long"
    assert code(environ("9" * 10_000, b"")) == "too_long"
    # truncated by the client, or by the server after a timeout
    assert code(environ("3", b"ab")) == "too_slow"
    for length in ("-1", "1e3", "0x10", "+3", "3, 3", "\u0663"):
        assert code(environ(length, b"abcd")) == "wrong_content_length"


def test_body_without_length_is_read_if_input_is_terminated() -> None:
    assert read({"wsgi.input_terminated": True, "wsgi.input": BytesIO(b"abc")}) == b"abc"
    assert code({"wsgi.input_terminated": True, "wsgi.input": BytesIO(b"a" * (BODY_LIMIT + 1))}) == "too_long"


def test_slow_bodies_block_few_threads_and_other_bodies_are_read(monkeypatch: Any) -> None:
    released, slow = threading.Event(), 4
    readers = BodyReaders(seconds=LONG, slow_after=1, max_slow=slow, max_readers=50)
    monkeypatch.setattr(bodies, "_readers", readers)
    codes: list[str] = []
    refused = threading.Semaphore(0)

    def ask() -> None:
        try:
            read({"CONTENT_LENGTH": "1", "wsgi.input": Blocking(released)})
            codes.append("")
        except BodyError as error:
            codes.append(error.code)
            refused.release()

    class Quick:
        def read(self, size: int) -> bytes:
            return b"abc"

    threads = [threading.Thread(target=ask) for _ in range(20)]
    try:
        for thread in threads:
            thread.start()
        # all but `slow` requests are refused before their deadline
        for _ in range(20 - slow):
            assert refused.acquire(timeout=LONG)
        assert read({"CONTENT_LENGTH": "3", "wsgi.input": Quick()}) == b"abc"
    finally:
        released.set()
        for thread in threads:
            thread.join(LONG)
    assert sorted(codes) == [""] * slow + ["too_slow"] * (20 - slow)
    # the readers are available again
    for _ in range(100):
        assert read({"CONTENT_LENGTH": "3", "wsgi.input": Quick()}) == b"abc"


def test_body_that_exceeds_time_limit_is_refused(monkeypatch: Any) -> None:
    released = threading.Event()
    monkeypatch.setattr(bodies, "_readers", BodyReaders(seconds=0.1, slow_after=0.01, max_readers=2))
    try:
        assert [code({"CONTENT_LENGTH": "1", "wsgi.input": Blocking(released)}) for _ in range(3)] == ["too_slow"] * 3
    finally:
        released.set()


def test_broken_connection_is_refused_as_too_slow(monkeypatch: Any) -> None:
    monkeypatch.setattr(bodies, "_readers", BodyReaders(max_readers=1))
    assert [code({"CONTENT_LENGTH": "1", "wsgi.input": Broken()}) for _ in range(3)] == ["too_slow"] * 3
