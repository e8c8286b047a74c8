"""Reads scripts with Babel's JavaScript lexer: calls that open a window, and addresses in strings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from babel.messages.jslexer import Token, tokenize, unquote_string

from linkauth.theming.addresses import foreign_host

_WINDOW = r"(?:window|globalThis|self|top|parent|frames)"
_CALL = r"(alert|confirm|prompt|open)"
_POP_UP = re.compile(
    # matches tokens separated by spaces; not the methods of other objects, nor definitions of functions
    rf"(?<= )(?<! \. )(?<! function )(?:{_WINDOW} \. )*"
    rf"""(?:{_CALL}(?! \( [^()]*\) \{{)|{_WINDOW} (?:\. )?\[ ["'`]{_CALL}["'`] \]) (?:\. )?\( """
)
_STRINGS = ("string", "template_string")
_TEXTS = (*_STRINGS, "regexp")
_NAMESPACES = "www.w3.org"
"""The host of the names of XML namespaces; nothing is loaded from it."""


def pop_ups(script: str) -> list[str]:
    """Returns the calls of a script that open a window or a message box, such as "alert()"."""
    # the text of a string is not code
    values = (token.value if token.type not in _TEXTS or " " not in token.value else '""' for token in _tokens(script))
    code = f" {' '.join(values)} "
    return sorted({f"{plain or quoted}()" for plain, quoted in _POP_UP.findall(code)})


def addresses(script: str) -> list[str]:
    """Returns the http and https addresses in the strings of a script, without those of XML namespaces."""
    strings = (unquote_string(token.value) for token in _tokens(script) if token.type in _STRINGS)
    found = {each.split()[0] for each in strings if each.startswith(("http://", "https://"))}
    return sorted(each for each in found if foreign_host(each) not in (None, _NAMESPACES))


def _tokens(script: str) -> Iterator[Token]:
    """Yields the tokens of a script without comments, and those inside the expressions of template strings."""
    for token in tokenize(script, jsx=False, dotted=False):
        if not token.type.endswith("comment"):
            yield token
        if token.type == "template_string":
            # split, because a regular expression for this takes quadratic time
            for part in token.value.split("${")[1:]:
                expression, closed, _ = part.partition("}")
                if closed:
                    yield from _tokens(f";{expression};")
