"""Reads the text of the setting `digest`: a recursive-descent parser with bounded size and depth.

    digest   = scheme "(" text ")" | text
    text     = part { "+" part }
    part     = name | quoted text | function "(" argument { "," argument } ")" | "(" text ")"
    argument = text | number | name of a hash function

The messages of its errors name the position of the problem, never the text, which may be a secret that stands in the
wrong setting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, TypeVar

from linkauth_sql import hashes
from linkauth_sql.digests import nodes
from linkauth_sql.digests.nodes import DIGESTS, MAX_NUMBER, TEXT_FUNCTIONS, Node, Number

Read = TypeVar("Read")

MAX_CHARACTERS = 1_000
MAX_DEPTH = 20
ANY = "any"
"""The outermost function that stands for all schemes of `schemes`."""
SLOW_ROUNDS = 5_000
"""The number of rounds of SHA-2 from which a digest is slow by design; crypt(3) has the same default."""
_PBKDF2_DIGESTS = ("sha1", "sha256", "sha384", "sha512")
_HMACS = {f"hmac_{name}": name for name in DIGESTS}
FUNCTIONS = (*DIGESTS, *_HMACS, "nt", "pbkdf2", "scrypt", "rounds", *TEXT_FUNCTIONS)
"""The functions, without the outermost ones, which are the names of schemes."""
NAMES = ("password", "pepper", "previous")
"""The names that do not stand for a column."""
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>[0-9]+)|(?P<text>'[^'\n]*'|\"[^\"\n]*\")|(?P<mark>[(),+])|(?P<end>$))"
)


@dataclass(frozen=True)
class Digest:
    """What the application stores: the bytes of `node` in one of the `encodings` (hex, base64).

    With `scheme`, it stores a hash of this scheme instead, whose password is the text of `node`.
    """

    node: Node
    encodings: tuple[str, ...] = ()
    scheme: str = ""

    @property
    def columns(self) -> frozenset[str]:
        """The names that stand for columns."""
        return self.node.names - set(NAMES)


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def parse(text: str, columns: Collection[str]) -> Digest:
    """Returns the digest that the text describes; `columns` are the names of the columns that it may use.

    Raises ValueError with a message that follows the name of the setting.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"is longer than {MAX_CHARACTERS} characters")
    return _Parser(list(_tokens(text)), columns).digest()


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise ValueError(f"has a character that is not allowed, or a text without its end, at {_at(start)}")
        kind = match.lastgroup or ""
        yield _Token(kind, match[kind], match.start(kind))
        if kind == "end":
            return
        position = match.end()


def _at(position: int) -> str:
    return f"character {position + 1}"


class _Parser:
    def __init__(self, tokens: list[_Token], columns: Collection[str]) -> None:
        self._tokens = tokens
        self._columns = columns
        self._next = 0
        self._depth = 0
        self._rounds = 0
        """The number of functions `rounds` around the next token."""

    def digest(self) -> Digest:
        name = self._peek()
        is_call = name.kind == "name" and self._tokens[min(1, len(self._tokens) - 1)].text == "("
        is_scheme = name.text in hashes.SCHEMES or name.text == ANY
        # the function scrypt has more arguments than the scheme
        found = self._scheme() if is_call and is_scheme and name.text not in FUNCTIONS else self._compared()
        self._expect("end", "", "an end")
        if "password" not in found.node.names:
            raise ValueError("does not contain password")
        return found

    def _scheme(self) -> Digest:
        name = self._take().text
        self._take()
        node = self._text()
        self._expect("mark", ")", "a closing parenthesis")
        return Digest(node, scheme=name)

    def _compared(self) -> Digest:
        """Reads a digest that is compared with the column. Functions around it tell its encoding."""
        start = self._peek()
        if start.text in ("upper", "lower", "hex", "base64") and start.kind == "name":
            self._take()
            self._expect("mark", "(", "an opening parenthesis")
            found = self._encoded(start)
            self._expect("mark", ")", "a closing parenthesis")
            return found
        node = self._text()
        if not node.is_digest:
            self._fail(start, "must be a hash function, a scheme, or hex, base64, upper or lower of one")
        return Digest(node, ("hex", "base64"))

    def _encoded(self, function: _Token) -> Digest:
        """Reads the argument of hex, base64, upper or lower around a digest."""
        inner = self._peek()
        if function.text in ("hex", "base64"):
            node = self._text()
            # base64 may also encode the digits of a digest
            if not (node.is_digest or (function.text == "base64" and node.size)):
                self._fail(inner, "must have a hash function")
            return Digest(node, (function.text,))
        found = self._compared()
        if "hex" not in found.encodings:
            self._fail(function, "changes the letters of base64")
        return Digest(found.node, ("hex",))

    def _text(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(self._peek(), f"is nested deeper than {MAX_DEPTH} levels")
        parts = [self._part()]
        while self._peek().text == "+" and self._peek().kind == "mark":
            self._take()
            parts.append(self._part())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else nodes.joined(parts)

    def _part(self) -> Node:
        token = self._take()
        if token.kind == "text":
            return nodes.constant(token.text[1:-1].encode("utf-8"))
        if token.kind == "mark" and token.text == "(":
            node = self._text()
            self._expect("mark", ")", "a closing parenthesis")
            return node
        if token.kind != "name":
            self._fail(token, "must have a name, a function or a text in quotes")
        if self._peek().text == "(" and self._peek().kind == "mark":
            return self._function(token)
        if token.text == "previous" and not self._rounds:
            self._fail(token, "has previous outside of rounds")
        if token.text == "previous":
            return nodes.previous()
        if token.text not in ("password", "pepper") and token.text not in self._columns:
            known = ", ".join(("password", "pepper", *sorted(self._columns)))
            self._fail(token, f"has a name that is not one of {known} (salt_column and digest_columns add names)")
        return nodes.named(token.text)

    def _function(self, token: _Token) -> Node:
        self._take()
        name = token.text
        if name in TEXT_FUNCTIONS:
            (part,) = self._texts(1)
            return self._converted(name, part)
        if name in DIGESTS:
            return nodes.hashed(name, *self._texts(1))
        if name in _HMACS:
            return nodes.keyed(_HMACS[name], *self._texts(2))
        if name == "nt":
            return nodes.nt_hash(*self._texts(1))
        if name == "rounds":
            return self._repeated()
        if name == "pbkdf2":
            return self._pbkdf2()
        if name == "scrypt":
            password, salt = self._text(), self._after_comma(self._text)
            numbers = [self._after_comma(self._number) for _ in range(4)]
            self._expect("mark", ")", "a closing parenthesis after 6 arguments")
            return nodes.scrypt_node(password, salt, (numbers[0], numbers[1], numbers[2], numbers[3]))
        if name in hashes.SCHEMES or name == ANY:
            self._fail(token, "has a scheme that is not the outermost function")
        self._fail(token, f"has no known function; the functions are {', '.join(FUNCTIONS)}, and outermost a scheme")

    def _converted(self, name: str, part: Node) -> Node:
        function, reads_bytes = TEXT_FUNCTIONS[name]
        size = part.size
        if name == "hex":
            size = 2 * part.size if part.size and part.is_digest else None
        elif name in ("upper", "lower") and part.is_digest and part.size:
            size = 2 * part.size
        elif name not in ("raw", "upper", "lower"):
            size = None
        return nodes.converted(function, part, reads_bytes, size)

    def _repeated(self) -> Node:
        start = self._peek()
        count = self._number()
        self._rounds += 1
        first = step = self._after_comma(self._text)
        if self._peek().text == ",":
            step = self._after_comma(self._text)
        self._rounds -= 1
        self._expect("mark", ")", "a closing parenthesis after 2 or 3 arguments")
        if not (first.is_digest and step.is_digest):
            self._fail(start, "has rounds of something that is not a hash function")
        is_slow = not count.name and count.value >= SLOW_ROUNDS and (step.size or 0) >= DIGESTS["sha256"]
        return nodes.repeated(count, first, step, is_slow and "password" in first.names | step.names)

    def _pbkdf2(self) -> Node:
        algorithm = self._take()
        if algorithm.text not in _PBKDF2_DIGESTS:
            self._fail(algorithm, f"must have one of {', '.join(_PBKDF2_DIGESTS)}")
        password, salt = (self._after_comma(self._text) for _ in range(2))
        rounds, place = self._after_comma(self._number), self._peek()
        length = self._after_comma(self._number)
        self._expect("mark", ")", "a closing parenthesis after 5 arguments")
        if not length.name and not 16 <= length.value <= 128:
            self._fail(place, "has a length that is not between 16 and 128 bytes")
        return nodes.pbkdf2(algorithm.text, password, salt, rounds, length)

    def _texts(self, count: int) -> list[Node]:
        """Reads the arguments of a function, and its closing parenthesis."""
        texts = [self._text()]
        texts += [self._after_comma(self._text) for _ in range(count - 1)]
        noun = "argument" if count == 1 else "arguments"
        self._expect("mark", ")", f"a closing parenthesis after {count} {noun}")
        return texts

    def _number(self) -> Number:
        token = self._take()
        if token.kind == "number" and len(token.text) <= len(str(MAX_NUMBER)) and 1 <= int(token.text) <= MAX_NUMBER:
            return Number(int(token.text))
        if token.kind == "name" and token.text in self._columns:
            return Number(name=token.text)
        self._fail(token, f"must have a number from 1 to {MAX_NUMBER}, or the name of a column")

    def _after_comma(self, read: Callable[[], Read]) -> Read:
        self._expect("mark", ",", "a comma")
        return read()

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        # the end is read again and again
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _expect(self, kind: str, text: str, description: str) -> None:
        token = self._take()
        if (token.kind, token.text) != (kind, text):
            self._fail(token, f"must have {description}")

    def _fail(self, token: _Token, problem: str) -> NoReturn:
        raise ValueError(f"{problem}, at {_at(token.position)}")
