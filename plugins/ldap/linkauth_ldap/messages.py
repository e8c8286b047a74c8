"""Decodes what a server sends for a search that does not end, from BER (RFC 4511 section 5.1).

ldap3 collects the answers of an operation until it ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

ENTRY, DONE, REFERENCE, INTERMEDIATE, EXTENDED = 0x64, 0x65, 0x73, 0x79, 0x78
"""The application tags of responses: searchResEntry, searchResDone, searchResRef, intermediate and extended."""
MESSAGE_LIMIT = 1_048_576
"""The largest message in bytes. A change has a few attributes of one entry."""


class InvalidMessage(ValueError):
    """The server has sent something that is not an LDAP message."""


@dataclass(frozen=True, slots=True)
class Message:
    """A response to the request with the message ID `number`. `kind` is its application tag.

    `dn` and `attributes` are those of an entry, `code` and `text` those of a result, `name` and `value` those of an
    intermediate response. `controls` are the values of the controls by type.
    """

    number: int
    kind: int
    dn: str = ""
    attributes: Mapping[str, list[bytes]] = field(default_factory=dict)
    code: int = 0
    text: str = ""
    name: str = ""
    value: bytes = b""
    controls: Mapping[str, bytes] = field(default_factory=dict)


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """Returns the (tag, content) pairs of BER with definite lengths. Raises InvalidMessage."""
    found, position, end = [], 0, len(data)
    while position < end:
        size = _size(data, position)
        if size is None or position + sum(size) > end:
            raise InvalidMessage("an element is truncated")
        header, length = size
        start = position + header
        found.append((data[position], data[start : start + length]))
        position = start + length
    return found


def _size(data: bytes | bytearray, position: int) -> tuple[int, int] | None:
    """Returns the sizes of the header and of the content of an element, or None if the header is not complete."""
    if position + 2 > len(data):
        return None
    length = data[position + 1]
    if length < 0x80:
        return 2, length
    count = length & 0x7F
    if not 1 <= count <= 4:
        raise InvalidMessage("a length has an unknown form")
    if position + 2 + count > len(data):
        return None
    return 2 + count, int.from_bytes(data[position + 2 : position + 2 + count], "big")


class Decoder:
    """Collects bytes, and returns the messages that are complete."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yields the messages that these bytes complete. Raises InvalidMessage."""
        self._data += data
        position = 0
        try:
            while size := _size(self._data, position):
                total = sum(size)
                if self._data[position] != 0x30 or total > MESSAGE_LIMIT:
                    raise InvalidMessage("the server has sent no message, or one that is too large")
                if position + total > len(self._data):
                    break
                content = bytes(self._data[position + size[0] : position + total])
                position += total
                yield _message(content)
        finally:
            del self._data[:position]


def _message(content: bytes) -> Message:
    try:
        (_, number), (kind, operation), *rest = elements(content)
        identifier = int.from_bytes(number, "big")
        controls = dict(_control(each) for _, each in elements(rest[0][1])) if rest else {}
        if kind == ENTRY:
            (_, dn), (_, listed) = elements(operation)
            attributes = dict(_attribute(each) for _, each in elements(listed))
            return Message(identifier, kind, dn.decode("utf-8", "replace"), attributes, controls=controls)
        if kind == REFERENCE:
            return Message(identifier, kind, controls=controls)
        parts = elements(operation)
        if kind == INTERMEDIATE:
            named = dict(parts)
            name = named.get(0x80, b"").decode("ascii", "replace")
            return Message(identifier, kind, name=name, value=named.get(0x81, b""), controls=controls)
        code, text = int.from_bytes(parts[0][1], "big"), parts[2][1].decode("utf-8", "replace")
        return Message(identifier, kind, code=code, text=text, controls=controls)
    except (ValueError, IndexError):
        raise InvalidMessage("the server has sent a message that cannot be read") from None


def _control(content: bytes) -> tuple[str, bytes]:
    (_, kind), *rest = elements(content)
    value = next((value for tag, value in rest if tag == 0x04), b"")
    return kind.decode("ascii", "replace"), value


def _attribute(content: bytes) -> tuple[str, list[bytes]]:
    (_, name), (_, values) = elements(content)
    return name.decode("utf-8", "replace").casefold(), [value for _, value in elements(values)]
