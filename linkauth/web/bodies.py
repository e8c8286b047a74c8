"""The body of a request, within a size and a time, under servers that read it themselves and under others."""

from __future__ import annotations

import threading
import time
from io import BytesIO
from typing import Any

BODY_LIMIT = 65_536
"""Bytes of a body."""
BODY_SECONDS = 5.0
"""Until a body must be complete."""
SLOW_AFTER_SECONDS = 0.1
"""Seconds after which a body counts as slow."""
MAX_SLOW_REQUESTS = 8
"""Requests that wait for slow bodies at the same time, each of which holds a thread of the server: a quarter of 32."""
MAX_READERS = 256
"""Threads that read bodies; one is held until its client sends the rest or goes away."""


_DIGITS = 20


class BodyError(Exception):
    """The body cannot be used; `code` says why: `too_long`, `too_slow` or `wrong_content_length`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def read(environ: dict[str, Any]) -> bytes:
    """The body of a WSGI environ (PEP 3333), BODY_LIMIT bytes at most. Raises BodyError.

    One that ends before its CONTENT_LENGTH is `too_slow`: a server that waits for bodies itself hands it over like that
    when its time is up.
    """
    declared: str = environ.get("CONTENT_LENGTH") or ""
    if declared and not (declared.isascii() and declared.isdecimal()):
        raise BodyError("wrong_content_length")
    length = int(declared[:_DIGITS]) if declared else -1
    if length > BODY_LIMIT:
        raise BodyError("too_long")
    if length == 0 or (length < 0 and not environ.get("wsgi.input_terminated")):
        return b""
    stream, size = environ["wsgi.input"], length if length >= 0 else BODY_LIMIT + 1
    body = stream.read(size) if _is_there(environ, stream) else _readers.read(stream, size)
    if len(body) > BODY_LIMIT:
        raise BodyError("too_long")
    if len(body) < length:
        raise BodyError("too_slow")
    return body


def _is_there(environ: dict[str, Any], stream: Any) -> bool:
    """Did the server read the whole body before it called the application? waitress does, and linkauth's own ASGI."""
    return isinstance(stream, BytesIO) or "waitress.client_disconnected" in environ


class _Job:
    def __init__(self, stream: Any, size: int) -> None:
        self._stream, self._size = stream, size
        self._done = threading.Lock()
        self._done.acquire()
        self._body: bytes = b""
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._body = self._stream.read(self._size)
        except BaseException as error:
            # also what is no Exception, such as a panic of a server in Rust: somebody waits
            self._error = error

    def finish(self) -> None:
        self._done.release()

    def wait(self, seconds: float) -> bool:
        return self._done.acquire(timeout=seconds)

    def result(self) -> bytes:
        if self._error is not None:
            # the connection broke
            raise BodyError("too_slow") from self._error
        return self._body


class BodyReaders:
    """Threads that read bodies for servers that leave that to the application.

    A thread of the server waits `patience` seconds for a body, and up to `seconds` if it is one of `slow` that wait.
    The reader of a body that never ends is free again when the server closes the connection. `most` readers are made.
    """

    def __init__(
        self,
        seconds: float = BODY_SECONDS,
        slow_after: float = SLOW_AFTER_SECONDS,
        max_slow: int = MAX_SLOW_REQUESTS,
        max_readers: int = MAX_READERS,
    ) -> None:
        self._seconds, self._slow_after = seconds, slow_after
        self._slow, self._left = threading.Semaphore(max_slow), threading.Semaphore(max_readers)
        self._idle: list[_Reader] = []

    def read(self, stream: Any, size: int) -> bytes:
        """Up to `size` bytes of the stream. Raises BodyError."""
        ends = time.monotonic() + self._seconds
        job = _Job(stream, size)
        self._reader().begin(job)
        if not job.wait(self._slow_after):
            if not self._slow.acquire(blocking=False):
                raise BodyError("too_slow")
            try:
                complete = job.wait(max(0.0, ends - time.monotonic()))
            finally:
                self._slow.release()
            if not complete:
                raise BodyError("too_slow")
        return job.result()

    def _reader(self) -> _Reader:
        try:
            return self._idle.pop()
        except IndexError:
            if not self._left.acquire(blocking=False):
                raise BodyError("too_slow") from None
            return _Reader(self._idle)


class _Reader:
    """One thread; it adds itself to `idle` whenever it has read."""

    def __init__(self, idle: list[_Reader]) -> None:
        self._idle = idle
        self._work = threading.Lock()
        self._work.acquire()
        self._job: _Job | None = None
        threading.Thread(target=self._run, name="linkauth-body", daemon=True).start()

    def begin(self, job: _Job) -> None:
        self._job = job
        self._work.release()

    def _run(self) -> None:
        while True:
            self._work.acquire()
            job, self._job = self._job, None
            assert job is not None
            job.run()
            self._idle.append(self)
            job.finish()


_readers = BodyReaders()
