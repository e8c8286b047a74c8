"""Tests of lists of servers in a forked process."""

from __future__ import annotations

import os
import signal

from linkauth.net import AllServersFailed, Deadline, FailoverSettings, Server, ServerList


def test_forked_process_opens_its_own_servers_even_if_other_lists_cannot() -> None:
    parent = os.getpid()

    def open_in_parent_only() -> list[Server]:
        if os.getpid() != parent:
            raise ValueError("a file is gone")
        return [Server("x")]

    lists = [ServerList(FailoverSettings(), opened) for opened in (open_in_parent_only, lambda: [Server("a")]) * 4]
    before = [each.all for each in lists]
    reading, writing = os.pipe()
    # a thread of the parent may hold it at that moment
    held = lists[1]._lock
    held.acquire()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            found = []
            for each, parents in zip(lists, before, strict=True):
                try:
                    found.append(each.call(lambda server: server.name, Deadline(60)))
                    found.append(str(each.all[0] is not parents[0]))
                except AllServersFailed as failed:
                    found.append(str(failed))
            os.write(writing, "|".join(found).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    held.release()
    found = os.read(reading, 10_000).decode().split("|")
    os.close(reading)
    os.close(writing)
    assert found == ["all servers: they could not be opened in this process", "a", "True"] * 4
    assert [each.call(lambda server: server.name, Deadline(60)) for each in lists] == ["x", "a"] * 4
