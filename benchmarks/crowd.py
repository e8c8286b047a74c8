"""Many browsers at once that link repeatedly, in one thread."""

from __future__ import annotations

import heapq
import selectors
import socket
import threading
import time
from collections.abc import Generator

from benchmarks.browsers import HTTPResponse, Visitor, parse
from benchmarks.report import BenchmarkError
from benchmarks.serving import Server

POLL_SECONDS = 0.05
"""How often the thread checks whether the crowd is to stop."""
STOP_SECONDS = 60


class Crowd:
    """`size` browsers that link repeatedly during the `with` block, each with its own connection and address.

    A browser keeps its connection, and waits for Retry-After if the server is busy. If `insistent`, a browser posts its
    form again at once instead, and each link begins with a new connection, as that of another person.

    `links` is the number of confirmed links, and `refused` that of the responses 503, so far.
    """

    def __init__(self, server: Server, size: int, insistent: bool = False) -> None:
        self._visitors = [Visitor(server, number) for number in range(size)]
        self._insistent = insistent
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._error: Exception | None = None
        self.links = self.refused = 0

    def __enter__(self) -> Crowd:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        if self._error is not None:
            raise BenchmarkError(f"a browser failed: {self._error}") from self._error

    def _run(self) -> None:
        try:
            self._browse()
        except Exception as error:
            # __exit__ raises it
            self._error = error

    def _browse(self) -> None:
        with selectors.DefaultSelector() as selector:
            browsers = [_Connection(visitor, selector, self._insistent) for visitor in self._visitors]
            try:
                self._link(browsers, selector)
                # browsers end with their next response, so that the server is idle afterwards
                deadline = time.monotonic() + STOP_SECONDS
                while selector.get_map() and time.monotonic() < deadline:
                    for key, _ in selector.select(POLL_SECONDS):
                        if key.data.receive() is not None:
                            key.data.close()
            finally:
                for browser in browsers:
                    browser.close()

    def _link(self, browsers: list[_Connection], selector: selectors.BaseSelector) -> None:
        """Runs the browsers until the end of the `with` block."""
        waiting: list[tuple[float, int, _Connection]] = []
        for browser in browsers:
            browser.begin()
        while not self._stopping.is_set():
            for key, _ in selector.select(POLL_SECONDS):
                pause = self._receive(key.data)
                if pause is not None:
                    heapq.heappush(waiting, (time.monotonic() + pause, id(key.data), key.data))
            while waiting and waiting[0][0] <= time.monotonic():
                heapq.heappop(waiting)[2].begin()
        for _, _, browser in waiting:
            browser.close()

    def _receive(self, browser: _Connection) -> int | None:
        """Receives a part of a response, and sends the next request if it is complete.

        Returns the seconds that the browser is to wait before its next link, if it is to wait.
        """
        response = browser.receive()
        if response is None:
            return None
        self.refused += response.status == 503
        try:
            browser.answer(response)
        except StopIteration as end:
            if isinstance(end.value, int):
                return end.value
            self.links += 1
            if self._insistent:
                browser.close()
            browser.begin()
        return None


class _Connection:
    """A browser of a crowd: its connection, the requests that it sends, and the part of a response that it received."""

    def __init__(self, visitor: Visitor, selector: selectors.BaseSelector, insistent: bool) -> None:
        self._visitor, self._selector, self._insistent = visitor, selector, insistent
        self._socket: socket.socket | None = None
        self._requests: Generator[bytes, HTTPResponse, str | int]
        self._received = b""

    def begin(self) -> None:
        """Sends the first request of a link."""
        self._requests = self._visitor.link(self._insistent)
        self._send(next(self._requests))

    def _send(self, request: bytes) -> None:
        if self._socket is None:
            self._socket = self._visitor.connect()
            self._selector.register(self._socket, selectors.EVENT_READ, self)
        # a request is shorter than the buffer of the socket, so this does not block
        self._socket.sendall(request)

    def receive(self) -> HTTPResponse | None:
        """Returns the response if it is complete."""
        assert self._socket is not None
        new = self._socket.recv(65536)
        if not new:
            raise BenchmarkError("the server closed the connection")
        self._received += new
        response = parse(self._received)
        if response is not None:
            self._received = b""
            if response.closes:
                self.close()
        return response

    def answer(self, response: HTTPResponse) -> None:
        """Sends the request that follows a response. Raises StopIteration with the outcome at the end of a link."""
        self._send(self._requests.send(response))

    def close(self) -> None:
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None
