"""Forwards loopback ports into a new network namespace, for a server whose ports are fixed.

    python -m tests.servers.netns LISTEN:TARGET...

A socket stays in the network namespace in which it was created. The process therefore creates its listening sockets
first and then enters the new namespace, in which it connects to the target ports. This requires root.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def enter_new_namespace() -> None:
    """Moves this process into a new network namespace and activates its loopback interface."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"no network namespace: {os.strerror(ctypes.get_errno())}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        # struct ifreq: the name of the interface, then its flags
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


async def copy_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


def forward_to(port: int) -> Handler:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            # the connection is already accepted, so it cannot be refused: reset it
            writer.transport.abort()
            return
        try:
            await asyncio.gather(copy_stream(reader, inner_writer), copy_stream(inner_reader, writer))
        finally:
            for stream in (writer, inner_writer):
                stream.close()
                with contextlib.suppress(OSError):
                    await stream.wait_closed()

    return connected


async def forward(forwards: list[tuple[socket.socket, int]]) -> None:
    servers = [await asyncio.start_server(forward_to(target), sock=listener) for listener, target in forwards]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main(arguments: list[str]) -> None:
    forwards = []
    for listen, target in (map(int, argument.split(":")) for argument in arguments):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", listen))
        forwards.append((listener, target))
    # no connection is accepted before this, because only start_server() listens
    enter_new_namespace()
    asyncio.run(forward(forwards))


if __name__ == "__main__":
    main(sys.argv[1:])
