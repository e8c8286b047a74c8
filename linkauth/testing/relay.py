"""A TCP relay on loopback in front of a real server, which can be stopped and suspended and counts connections."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

CHUNK_BYTES = 65536


class Relay:
    """Relays connections to 127.0.0.1:`port` to `target`, a (host, port).

    `connections` is the number of accepted connections. Call `close` at the end.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._stopped = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._start()

    def stop(self) -> None:
        """Refuses new connections and closes the open ones, also those that hang."""
        self._stopped.set()
        with suppress(OSError):
            # this ends accept() in the thread
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            for open_socket in self._sockets:
                with suppress(OSError):
                    open_socket.shutdown(socket.SHUT_RDWR)

    def start(self) -> None:
        """Accepts connections on the same port again, after `stop`."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=200)
        self._start()

    def hang(self) -> None:
        """Accepts connections and receives data, but does not relay data until `resume` is called."""
        self._flowing.clear()

    def resume(self) -> None:
        """Relays the delayed data, and all later data at once."""
        self._flowing.set()

    def close(self) -> None:
        self.resume()
        self.stop()

    def _start(self) -> None:
        # connections keep the event of their start, so that `start` does not revive them
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._accept, args=(self._listener, self._stopped), daemon=True)
        self._thread.start()

    def _accept(self, listener: socket.socket, stopped: threading.Event) -> None:
        with suppress(OSError):
            while True:
                client = listener.accept()[0]
                self.connections += 1
                with self._lock:
                    self._sockets.add(client)
                threading.Thread(target=self._relay, args=(client, stopped), daemon=True).start()

    def _relay(self, client: socket.socket, stopped: threading.Event) -> None:
        with client, suppress(OSError):
            self._flowing.wait()
            if not stopped.is_set():
                with socket.create_connection(self._target) as server:
                    self._relay_both_ways(client, server, stopped)
        with self._lock:
            self._sockets.discard(client)

    def _relay_both_ways(self, client: socket.socket, server: socket.socket, stopped: threading.Event) -> None:
        with self._lock:
            if stopped.is_set():
                return
            self._sockets.add(server)
        back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
        back.start()
        self._copy(client, server)
        back.join()
        with self._lock:
            self._sockets.discard(server)

    def _copy(self, source: socket.socket, destination: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                self._flowing.wait()
                destination.sendall(data)
        for closed_socket in (source, destination):
            with suppress(OSError):
                closed_socket.shutdown(socket.SHUT_RDWR)
