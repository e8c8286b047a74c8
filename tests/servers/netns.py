"""A network of its own for a server whose ports are fixed, and a way in from free ports of loopback.

    python -m tests.servers.netns LISTEN:TARGET...

A socket stays in the network that it was made in: those that listen are made first, then the process moves into a new
network, where it makes its connections. Needs root.
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


def move_into_a_new_network() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"no network namespace: {os.strerror(ctypes.get_errno())}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        # struct ifreq: the name, then the flags; its loopback is down at first
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
            # it was accepted already: a reset is the nearest thing to "refused"
            writer.transport.abort()
            return
        try:
            await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))
        finally:
            for end in (writer, inner_writer):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    return connected


async def forward(ways: list[tuple[socket.socket, int]]) -> None:
    servers = [await asyncio.start_server(forward_to(target), sock=listener) for listener, target in ways]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main(arguments: list[str]) -> None:
    ways = []
    for listen, target in (map(int, argument.split(":")) for argument in arguments):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", listen))
        ways.append((listener, target))
    # nobody is let in before it is done: start_server() listens
    move_into_a_new_network()
    asyncio.run(forward(ways))


if __name__ == "__main__":
    main(sys.argv[1:])
