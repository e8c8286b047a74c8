"""The values in a digest: what each part computes for a password, and what that costs."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from linkauth_sql.hashes.phc import checked_n, scrypt
from linkauth_sql.hashes.plain import decode_base64, digest, nt_digest
from linkauth_sql.hashes.scheme import EXCESSIVE_COST, Cost, UnusableHash, pbkdf2_cost, scrypt_cost

DIGESTS = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
"""The size in bytes of each hash function."""
MAX_NUMBER = 10_000_000
"""The largest number of rounds, and the largest parameter of scrypt."""
SLOW_PBKDF2_ROUNDS = 1_000
"""The number of rounds from which PBKDF2 is slow by design: the minimum of RFC 8018, section 4.2."""
SLOW_SCRYPT_N = 1_024
"""N from which scrypt is slow by design."""
_MICROSECONDS = 3
"""The time that a slow core needs for one hash function, with the concatenation of its argument."""


@dataclass(frozen=True)
class Inputs:
    """What a digest is computed from. `values` are other columns of the row; NULL is None.

    With `is_dry`, functions that are slow by design return zeros, and rounds are computed once.
    """

    password: bytes
    pepper: bytes = b""
    values: Mapping[str, bytes | None] = field(default_factory=dict)
    previous: bytes = b""
    is_dry: bool = False


class Work:
    """The cost of a part: microseconds on a slow core, and bytes of memory."""

    def __init__(self, microseconds: float = 0, memory: int = 0) -> None:
        self.microseconds = microseconds
        self.memory = memory

    def __add__(self, other: Work) -> Work:
        return Work(self.microseconds + other.microseconds, max(self.memory, other.memory))

    def times(self, count: int) -> Work:
        return Work(self.microseconds * count, self.memory)

    @staticmethod
    def of(cost: Cost) -> Work:
        return Work(cost.milliseconds * 1_000, cost.memory)

    @property
    def cost(self) -> Cost:
        return Cost(int(self.microseconds / 1_000), self.memory)


@dataclass(frozen=True)
class Node:
    """A part of a digest.

    `raw` computes its bytes. `is_digest` is true for the result of a hash function: where a text is needed, it is
    written in lower-case hexadecimal digits. `size` is the number of bytes, None if it is not constant. `names` are the
    names that occur in it. `is_slow` is true for a result that is slow to compute by design. `has_loop` is true if the
    time depends on the length of the password many times.
    """

    raw: Callable[[Inputs], bytes]
    work: Callable[[Inputs], Work]
    is_digest: bool = False
    size: int | None = None
    names: frozenset[str] = frozenset()
    is_slow: bool = False
    has_loop: bool = False

    def text(self, inputs: Inputs) -> bytes:
        raw = self.raw(inputs)
        return raw.hex().encode("ascii") if self.is_digest else raw


@dataclass(frozen=True)
class Number:
    """A number in a digest: `value`, or the number in the column `name`."""

    value: int = 0
    name: str = ""

    def is_at_least(self, minimum: int) -> bool:
        """Returns whether the number is large enough to make a digest slow. The numbers in a column are trusted."""
        return bool(self.name) or self.value >= minimum

    def of(self, inputs: Inputs) -> int:
        if not self.name:
            return self.value
        text = value_of(inputs, self.name).strip()
        if not text.isdigit() or not 1 <= len(text) <= len(str(MAX_NUMBER)) or not 1 <= int(text) <= MAX_NUMBER:
            raise UnusableHash(f"has a value of {self.name} that is no number from 1 to {MAX_NUMBER}")
        return int(text)


def value_of(inputs: Inputs, name: str) -> bytes:
    """Returns the value of a column. Raises UnusableHash if it is NULL or missing."""
    value = inputs.values.get(name)
    if value is None:
        raise UnusableHash(f"has no {name}, which digest needs")
    return value


def constant(data: bytes) -> Node:
    return Node(lambda _: data, lambda _: Work())


def named(name: str) -> Node:
    """Returns the node of the password, the pepper or a column."""
    names = frozenset({name})
    if name == "password":
        return Node(lambda inputs: inputs.password, lambda _: Work(), names=names)
    if name == "pepper":
        return Node(lambda inputs: inputs.pepper, lambda _: Work(), names=names)
    return Node(lambda inputs: value_of(inputs, name), lambda _: Work(), names=names)


def previous() -> Node:
    """Returns the node of the result of the previous round. It is empty in the first round."""
    return Node(lambda inputs: inputs.previous, lambda _: Work(), is_digest=True, names=frozenset({"previous"}))


def joined(parts: list[Node]) -> Node:
    return _derived(parts, lambda inputs: b"".join(part.text(inputs) for part in parts))


def converted(function: Callable[[bytes], bytes], part: Node, raw: bool = False, size: int | None = None) -> Node:
    """Returns the node of a text function. With `raw`, it reads the bytes of a digest instead of its digits."""

    def convert(inputs: Inputs) -> bytes:
        return function(part.raw(inputs) if raw else part.text(inputs))

    return _derived([part], convert, size)


def hashed(algorithm: str, part: Node) -> Node:
    return _digest([part], lambda inputs: digest(algorithm, part.text(inputs)), DIGESTS[algorithm])


def nt_hash(part: Node) -> Node:
    # its MD4 is written in Python
    return _digest([part], lambda inputs: nt_digest(part.text(inputs)), 16, 40 * _MICROSECONDS)


def keyed(algorithm: str, key: Node, part: Node) -> Node:
    def compute(inputs: Inputs) -> bytes:
        return hmac.digest(key.text(inputs), part.text(inputs), algorithm)

    return _digest([key, part], compute, DIGESTS[algorithm], 2 * _MICROSECONDS)


def repeated(count: Number, first: Node, step: Node, is_slow: bool) -> Node:
    """Returns the node of `count` rounds: `first`, and then `step` with the result of the previous round."""

    def compute(inputs: Inputs) -> bytes:
        made = first.raw(replace(inputs, previous=b""))
        rounds = count.of(inputs) - 1
        # nested rounds would double the work at each level otherwise
        for _ in range(min(rounds, step is not first) if inputs.is_dry else rounds):
            made = step.raw(replace(inputs, previous=made))
        return made

    def work(inputs: Inputs) -> Work:
        own = first.work(inputs)
        each = (own if step is first else step.work(inputs)) + Work(_MICROSECONDS)
        return own + each.times(count.of(inputs) - 1)

    names = ((first.names | step.names) - {"previous"}) | ({count.name} if count.name else set())
    return Node(compute, work, True, step.size, frozenset(names), is_slow, has_loop=True)


def pbkdf2(algorithm: str, password: Node, salt: Node, rounds: Number, length: Number) -> Node:
    def compute(inputs: Inputs) -> bytes:
        size, count = checked_size(length.of(inputs)), 1 if inputs.is_dry else rounds.of(inputs)
        return hashlib.pbkdf2_hmac(algorithm, password.text(inputs), salt.text(inputs), count, size)

    def work(inputs: Inputs) -> Work:
        own = Work.of(pbkdf2_cost(algorithm, rounds.of(inputs), checked_size(length.of(inputs))))
        return own + password.work(inputs) + salt.work(inputs)

    names = password.names | salt.names | {number.name for number in (rounds, length) if number.name}
    is_slow = "password" in password.names and rounds.is_at_least(SLOW_PBKDF2_ROUNDS)
    return Node(compute, work, True, None if length.name else length.value, names, is_slow)


def scrypt_node(password: Node, salt: Node, numbers: tuple[Number, Number, Number, Number]) -> Node:
    """Returns the node of scrypt with the numbers N, r, p and the length."""
    length = numbers[3]

    def compute(inputs: Inputs) -> bytes:
        n, r, p, size = (number.of(inputs) for number in numbers)
        if inputs.is_dry:
            n, r, p = min(checked_n(n), 2), 1, 1
        return scrypt(password.text(inputs), salt.text(inputs), checked_n(n), r, p, checked_size(size))

    def work(inputs: Inputs) -> Work:
        n, r, p, size = (number.of(inputs) for number in numbers)
        checked_size(size)
        cost = scrypt_cost(checked_n(n).bit_length() - 1, r, p) if n > 1 else EXCESSIVE_COST
        return Work.of(cost) + password.work(inputs) + salt.work(inputs)

    names = password.names | salt.names | {number.name for number in numbers if number.name}
    is_slow = "password" in password.names and numbers[0].is_at_least(SLOW_SCRYPT_N)
    return Node(compute, work, True, None if length.name else length.value, names, is_slow)


def checked_size(size: int) -> int:
    """Returns the length of a digest. Raises UnusableHash if it is implausible."""
    if not 16 <= size <= 128:
        raise UnusableHash("has a digest of an implausible length")
    return size


def lower(data: bytes) -> bytes:
    return data.decode("utf-8", "surrogateescape").lower().encode("utf-8", "surrogateescape")


def upper(data: bytes) -> bytes:
    return data.decode("utf-8", "surrogateescape").upper().encode("utf-8", "surrogateescape")


def utf16(data: bytes) -> bytes:
    """Returns the text in UTF-16 with the low byte first, as .NET and Windows store it."""
    return data.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")


def unhex(data: bytes) -> bytes:
    try:
        return bytes.fromhex(data.decode("ascii"))
    except ValueError:
        raise UnusableHash("has a value that is not hexadecimal, although digest says unhex") from None


def unbase64(data: bytes) -> bytes:
    return decode_base64(data.decode("utf-8", "replace").strip())


def to_hex(data: bytes) -> bytes:
    return data.hex().encode("ascii")


def _derived(parts: list[Node], raw: Callable[[Inputs], bytes], size: int | None = None) -> Node:
    def work(inputs: Inputs) -> Work:
        return _sum(parts, inputs)

    return Node(raw, work, size=size, names=_names(parts), has_loop=any(part.has_loop for part in parts))


def _digest(parts: list[Node], raw: Callable[[Inputs], bytes], size: int, microseconds: int = _MICROSECONDS) -> Node:
    def work(inputs: Inputs) -> Work:
        return Work(microseconds) + _sum(parts, inputs)

    is_slow, has_loop = any(part.is_slow for part in parts), any(part.has_loop for part in parts)
    return Node(raw, work, True, size, _names(parts), is_slow, has_loop)


def _sum(parts: list[Node], inputs: Inputs) -> Work:
    total = Work()
    for part in parts:
        total = total + part.work(inputs)
    return total


def _names(parts: list[Node]) -> frozenset[str]:
    return frozenset().union(*(part.names for part in parts))


TEXT_FUNCTIONS: Mapping[str, tuple[Callable[[bytes], bytes], bool]] = {
    "hex": (to_hex, True),
    "base64": (base64.b64encode, True),
    "raw": (bytes, True),
    "unhex": (unhex, False),
    "unbase64": (unbase64, False),
    "lower": (lower, False),
    "upper": (upper, False),
    "trim": (bytes.strip, False),
    "utf16": (utf16, False),
}
"""Functions of one argument that return a text, and whether they read the bytes of a digest instead of its digits."""
