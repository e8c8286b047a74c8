"""What a backend sees during a call, for an operator who watches it with `linkauth try`.

To report is optional. A server never watches, and then a report costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Receiver = Callable[[str, str], None]
"""Gets what was looked at, and what was seen."""

_receiver: ContextVar[Receiver | None] = ContextVar("receiver", default=None)


def report(what: str, seen: object = "") -> None:
    """Tell the operator what was seen at `what`: a column, an attribute, a rule, a server, an answer.

    `what` is a word that the ini file or the user store uses. Neither text contains the password, a hash or a token.
    The report must be made by the thread that called the backend.
    """
    if receiver := _receiver.get():
        receiver(what, str(seen))


def is_watched() -> bool:
    """Return whether `report` has an effect, so that texts that are dear to make can be left out."""
    return _receiver.get() is not None


@contextmanager
def watched(receiver: Receiver | None) -> Iterator[None]:
    """Within this context and thread, pass the reports to `receiver`."""
    before = _receiver.set(receiver)
    try:
        yield
    finally:
        _receiver.reset(before)
