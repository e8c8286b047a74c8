"""Reads request bodies with a size limit and a deadline.

Some servers read the whole body before they call the application (waitress, linkauth's ASGI adapter). For all other
servers, threads of this module read it.
"""

from __future__ import annotations

import threading
import time
from io import BytesIO
from typing import Any

BODY_LIMIT = 65_536
"""Maximum size of a body in bytes."""
BODY_SECONDS = 5.0
"""Deadline for a body."""
SLOW_AFTER_SECONDS = 0.1
"""A body that takes longer counts as slow."""
MAX_SLOW_REQUESTS = 8
"""Maximum number of requests that wait for slow bodies. Each occupies a server thread; 8 is a quarter of 32 threads."""
MAX_READERS = 256
"""Maximum number of threads that read bodies. A thread is occupied until its client sends the rest or disconnects."""
_DIGITS = 20
"""Number of digits of a Content-Length that are parsed. Longer numbers exceed BODY_LIMIT anyway."""


class BodyError(Exception):
    """The body cannot be used. `code` is the reason: `too_long`, `too_slow` or `wrong_content_length`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def read(environ: dict[str, Any]) -> bytes:
    """Return the body of a WSGI environ (PEP 3333), at most BODY_LIMIT bytes. Raises BodyError.

    A body that is shorter than its CONTENT_LENGTH is `too_slow`: servers that read bodies themselves pass such a body
    when their deadline expires.
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
    body = stream.read(size) if _is_buffered(environ, stream) else _readers.read(stream, size)
    if len(body) > BODY_LIMIT:
        raise BodyError("too_long")
    if len(body) < length:
        raise BodyError("too_slow")
    return body


def _is_buffered(environ: dict[str, Any], stream: Any) -> bool:
    """Report whether the server read the whole body before it called the application."""
    return isinstance(stream, BytesIO) or "waitress.client_disconnected" in environ


class _ReadJob:
    """Reads one body from a stream. `run` is called in a reader thread, `wait` and `result` in a server thread."""

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
            # BaseException too (for example a panic in a server written in Rust): a server thread waits for the job
            self._error = error

    def finish(self) -> None:
        self._done.release()

    def wait(self, seconds: float) -> bool:
        return self._done.acquire(timeout=seconds)

    def result(self) -> bytes:
        if self._error is not None:
            # the connection was lost
            raise BodyError("too_slow") from self._error
        return self._body


class BodyReaders:
    """A pool of at most `max_readers` threads that read bodies for servers that do not read them.

    A server thread waits up to `slow_after` seconds for a body. At most `max_slow` server threads may wait longer, up
    to `seconds`. A reader thread of an incomplete body becomes free when the server closes the connection.
    """

    def __init__(
        self,
        seconds: float = BODY_SECONDS,
        slow_after: float = SLOW_AFTER_SECONDS,
        max_slow: int = MAX_SLOW_REQUESTS,
        max_readers: int = MAX_READERS,
    ) -> None:
        self._seconds, self._slow_after = seconds, slow_after
        self._slow_slots, self._reader_slots = threading.Semaphore(max_slow), threading.Semaphore(max_readers)
        self._idle: list[_Reader] = []

    def read(self, stream: Any, size: int) -> bytes:
        """Read up to `size` bytes from the stream. Raises BodyError."""
        deadline = time.monotonic() + self._seconds
        job = _ReadJob(stream, size)
        self._idle_reader().start(job)
        if not job.wait(self._slow_after):
            if not self._slow_slots.acquire(blocking=False):
                raise BodyError("too_slow")
            try:
                complete = job.wait(max(0.0, deadline - time.monotonic()))
            finally:
                self._slow_slots.release()
            if not complete:
                raise BodyError("too_slow")
        return job.result()

    def _idle_reader(self) -> _Reader:
        try:
            return self._idle.pop()
        except IndexError:
            if not self._reader_slots.acquire(blocking=False):
                raise BodyError("too_slow") from None
            return _Reader(self._idle)


class _Reader:
    """A thread that reads one body at a time. It adds itself to `idle` after each body."""

    def __init__(self, idle: list[_Reader]) -> None:
        self._idle = idle
        self._job_ready = threading.Lock()
        self._job_ready.acquire()
        self._job: _ReadJob | None = None
        threading.Thread(target=self._run, name="linkauth-body", daemon=True).start()

    def start(self, job: _ReadJob) -> None:
        self._job = job
        self._job_ready.release()

    def _run(self) -> None:
        while True:
            self._job_ready.acquire()
            job, self._job = self._job, None
            assert job is not None
            job.run()
            self._idle.append(self)
            job.finish()


_readers = BodyReaders()
