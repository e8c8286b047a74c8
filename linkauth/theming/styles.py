"""The cascade of a style sheet on a phone, as far as colours go: which rules count for an element, and in which order.

Custom properties are inherited and put in; hover, focus, printing and forced colours are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import cssselect2
import tinycss2
from coloraide import Color

WIDTH = 360
"""CSS pixels of the phone."""
_VAR = re.compile(r"var\(\s*(--[\w-]+)\s*(?:,((?:[^()]|\([^()]*\))*))?\)")
_FEATURE = re.compile(r"\(\s*([\w-]+)\s*(?::([^()]+))?\)")
_PERCENTAGE = re.compile(r"(?<![\d.])([\d.]+)%")
_BROWSER = """
a[href] { color: light-dark(#0000ee, #9e9eff); }
input, select, textarea { color: light-dark(#000, #fff); background: light-dark(#fff, #3b3b3b); }
input, select, textarea { border: 2px inset light-dark(#767676, #858585); }
button { color: light-dark(#000, #fff); background: light-dark(#efefef, #6b6b6b); }
[hidden], head, script, style { display: none; }
"""
"""What browsers do by themselves."""


class Sheet:
    """The rules of one style sheet in one colour scheme."""

    def __init__(self, css: str, scheme: str) -> None:
        self.scheme = scheme
        # the browser's own rules first, whatever their specificity
        self._matchers = [self._matcher(text) for text in (_BROWSER, css)]

    def _matcher(self, css: str) -> cssselect2.Matcher:
        matcher = cssselect2.Matcher()
        self._add(matcher, tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True))
        return matcher

    def _add(self, matcher: cssselect2.Matcher, rules: list[Any]) -> None:
        for rule in rules:
            if rule.type == "qualified-rule":
                _add_rule(matcher, rule)
            elif rule.type == "at-rule" and rule.content is not None and self._counts(rule):
                inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
                self._add(matcher, inner)

    def _counts(self, rule: Any) -> bool:
        if rule.lower_at_keyword in ("supports", "layer"):
            return True
        asked = tinycss2.serialize(rule.prelude)
        return rule.lower_at_keyword == "media" and any(map(self._asked, asked.split(",")))

    def _asked(self, query: str) -> bool:
        if re.match(r"\s*(not|print|speech)\b", query):
            return False
        return all(self._has(name, value.strip()) for name, value in _FEATURE.findall(query))

    def _has(self, name: str, value: str) -> bool:
        if name == "prefers-color-scheme":
            return bool(value == self.scheme)
        length = re.fullmatch(r"([\d.]+)(px|rem|em)?", value)
        if name in ("min-width", "max-width") and length:
            pixels = float(length[1]) * (16 if length[2] in ("rem", "em") else 1)
            return pixels <= WIDTH if name == "min-width" else pixels >= WIDTH
        return False

    def declared(self, element: cssselect2.ElementWrapper) -> list[tuple[str, str]]:
        """(property, value) for an element, the one that counts last."""
        every = [each for matcher in self._matchers for *_, found in matcher.match(element) for each in found]
        return [(name, value) for important in (False, True) for name, value, is_ in every if is_ == important]

    def colours(self, value: str, current: Color | None = None) -> list[Color]:
        """Every colour in a value: one of `color`, several of a gradient, none of what is no colour."""
        tokens = tinycss2.parse_component_value_list(value, skip_comments=True)
        return [colour for token in tokens for colour in self._colours(token, current)]

    def _colours(self, token: Any, current: Color | None) -> Iterator[Color]:
        text = tinycss2.serialize([token])
        if token.type == "function":
            parts = [part.strip() for part in _split(token.arguments)]
            if token.lower_name == "light-dark" and len(parts) == 2:
                yield from self.colours(parts[self.scheme == "dark"], current)
            elif token.lower_name == "color-mix" and len(parts) == 3:
                yield from self._mixed(parts, current)
            elif token.lower_name.endswith("-gradient"):
                yield from (colour for part in parts for colour in self.colours(part, current))
            elif Color.match(text, fullmatch=True):
                yield Color(text)
        elif token.type in ("hash", "ident"):
            if text.lower() == "currentcolor" and current is not None:
                yield current
            elif Color.match(text, fullmatch=True):
                yield Color(text)

    def _mixed(self, parts: list[str], current: Color | None) -> Iterator[Color]:
        space, one, other = parts
        (share, *_), (its_share, *_) = (_PERCENTAGE.findall(each) or [""] for each in (one, other))
        amount = float(its_share or 100 - float(share or 50)) / 100
        pair = [self.colours(_PERCENTAGE.sub("", each), current) for each in (one, other)]
        if all(pair):
            yield pair[0][0].mix(pair[1][0], amount, space=space.split()[1].lower())


def _add_rule(matcher: cssselect2.Matcher, rule: Any) -> None:
    try:
        selectors = cssselect2.compile_selector_list(rule.prelude)
    except cssselect2.SelectorError:
        # such as :focus-visible, which is nobody's usual look
        return
    declarations = tinycss2.parse_blocks_contents(rule.content, skip_comments=True, skip_whitespace=True)
    found = [
        (each.name if each.name.startswith("--") else each.lower_name, tinycss2.serialize(each.value).strip(), each)
        for each in declarations
        if each.type == "declaration"
    ]
    for selector in selectors:
        if selector.pseudo_element is None:
            matcher.add_selector(selector, [(name, value, each.important) for name, value, each in found])


def _split(arguments: list[Any]) -> list[str]:
    parts: list[list[Any]] = [[]]
    for token in arguments:
        if token.type == "literal" and token.value == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return [tinycss2.serialize(part) for part in parts]


def filled(value: str, properties: Mapping[str, str]) -> str:
    """`value` with each var() replaced; what is not set and has no other value becomes nothing."""
    for _ in range(20):
        replaced = _VAR.sub(lambda found: properties.get(found[1], (found[2] or "").lstrip()), value)
        if replaced == value:
            break
        value = replaced
    return value


def unused(css: str) -> set[str]:
    """The custom properties that are set and never used."""
    return set(re.findall(r"(?<![\w-])(--[\w-]+)\s*:", css)) - set(re.findall(r"var\(\s*(--[\w-]+)", css))
