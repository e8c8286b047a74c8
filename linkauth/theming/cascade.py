"""Computes which declarations of a style sheet apply to an element on a phone, and the colours in them.

Custom properties are inherited and substituted. Hover, focus, printing and forced colours are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import cssselect2
import tinycss2
from coloraide import Color
from tinycss2.ast import FunctionBlock

from linkauth.theming import css

WIDTH = 360
"""CSS pixels of the phone."""
_ROOT_FONT = 16
"""CSS pixels of 1rem."""
_DEPTH = 10
"""Maximum depth of var() inside custom properties; deeper nesting is treated as a cycle."""
_BROWSER = """
a[href] { color: light-dark(#0000ee, #9e9eff); }
input, select, textarea { color: light-dark(#000, #fff); background: light-dark(#fff, #3b3b3b); }
input, select, textarea { border: 2px inset light-dark(#767676, #858585); }
button { color: light-dark(#000, #fff); background: light-dark(#efefef, #6b6b6b); }
[hidden], head, script, style { display: none; }
"""
"""The style sheet of the browser."""
Values = list[Any]
"""Component values of tinycss2."""


class Cascade:
    """The rules of a style sheet in one colour scheme, "light" or "dark"."""

    def __init__(self, text: str, scheme: str) -> None:
        self.scheme = scheme
        # rules of the page override those of the browser, even ones with a higher specificity
        self._matchers = [self._matcher(sheet) for sheet in (_BROWSER, text)]

    def _matcher(self, text: str) -> cssselect2.Matcher:
        matcher = cssselect2.Matcher()
        self._add(matcher, css.rules(text))
        return matcher

    def _add(self, matcher: cssselect2.Matcher, rules: Values) -> None:
        for rule in rules:
            if rule.type == "qualified-rule":
                _add_rule(matcher, rule)
            elif rule.type == "at-rule" and rule.content is not None and self._applies(rule):
                self._add(matcher, css.block(rule))

    def _applies(self, rule: Any) -> bool:
        if rule.lower_at_keyword in ("supports", "layer"):
            return True
        return rule.lower_at_keyword == "media" and any(map(self._matches, css.split(rule.prelude)))

    def _matches(self, query: Values) -> bool:
        """Returns whether a media query matches the phone."""
        keywords = {token.lower_value for token in query if token.type == "ident"}
        if keywords & {"not", "print", "speech"}:
            return False
        return all(self._has(css.significant(token.content)) for token in query if token.type == "() block")

    def _has(self, feature: Values) -> bool:
        """Returns whether the phone has a media feature; false for unknown features."""
        name = feature[0].lower_value if feature and feature[0].type == "ident" else ""
        operator = "".join(token.value for token in feature[1:-1] if token.type == "literal")
        if name == "prefers-color-scheme" and operator == ":":
            return bool(feature[-1].type == "ident" and feature[-1].lower_value == self.scheme)
        pixels = _pixels(feature[-1]) if len(feature) > 2 else None
        if pixels is None:
            return False
        least, most = pixels <= WIDTH, pixels >= WIDTH
        widths = {"min-width:": least, "max-width:": most, "width:": least and most}
        widths |= {"width>=": least, "width<=": most, "width>": not most, "width<": not least}
        return widths.get(name + operator, False)

    def declarations(self, element: cssselect2.ElementWrapper) -> list[tuple[str, Values]]:
        """Returns (property, values) of an element in the order of the cascade: the last one wins."""
        every = [each for matcher in self._matchers for *_, found in matcher.match(element) for each in found]
        # in mails; on pages they are blocked
        every += _declarations(css.block_contents(element.etree_element.get("style", "")))
        return [(name, values) for wanted in (False, True) for name, values, important in every if important == wanted]

    def colours(self, values: Values, current: Color | None = None) -> list[Color]:
        """Returns every colour in the values of a property: one of `color`, several of a gradient."""
        return [colour for token in values for colour in self._colours(token, current)]

    def _colours(self, token: Any, current: Color | None) -> Iterator[Color]:
        text = tinycss2.serialize([token])
        if token.type == "function":
            parts = css.split(token.arguments)
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

    def _mixed(self, arguments: list[Values], current: Color | None) -> Iterator[Color]:
        """Yields the result of color-mix(), if its colours are known."""
        space, first, second = arguments
        names = [token.lower_value for token in space if token.type == "ident"]
        one, other = ([token.value for token in part if token.type == "percentage"] for part in (first, second))
        amount = (other[0] if other else 100 - (one[0] if one else 50)) / 100
        colours = self.colours(first, current)[:1] + self.colours(second, current)[:1]
        # coloraide does not have CSS's name for this colour space
        name = {"xyz": "xyz-d65"}.get(names[1], names[1]) if len(names) > 1 else ""
        if len(colours) == 2 and name in Color.CS_MAP:
            yield colours[0].mix(colours[1], amount, space=name)


def _pixels(token: Any) -> float | None:
    if token.type == "dimension" and token.lower_unit in ("px", "rem", "em"):
        return float(token.value) * (1 if token.lower_unit == "px" else _ROOT_FONT)
    return 0.0 if token.type == "number" and token.value == 0 else None


def _declarations(block: Values) -> list[tuple[str, Values, bool]]:
    """Returns (property, values, important) of each declaration in a block."""
    return [
        (each.name if each.name.startswith("--") else each.lower_name, each.value, each.important)
        for each in block
        if each.type == "declaration"
    ]


def _add_rule(matcher: cssselect2.Matcher, rule: Any) -> None:
    if css.is_broken(rule):
        return
    try:
        selectors = cssselect2.compile_selector_list(rule.prelude)
    except cssselect2.SelectorError:
        # cssselect2 does not support every pseudo-class, such as :focus-visible
        return
    found = _declarations(css.block(rule))
    for selector in selectors:
        if selector.pseudo_element is None:
            matcher.add_selector(selector, found)


def substituted(values: Values, properties: Mapping[str, Values], depth: int = 0) -> Values:
    """Returns `values` with each var() replaced. One without a value and without a fallback is removed."""
    found = []
    for token in values:
        if token.type != "function":
            found.append(token)
        elif token.lower_name == "var":
            name = "".join(each.value for each in css.significant(token.arguments)[:1] if each.type == "ident")
            comma = token.arguments.index(",") if "," in token.arguments else len(token.arguments)
            value = properties.get(name, token.arguments[comma + 1 :])
            found += substituted(value, properties, depth + 1) if depth < _DEPTH else []
        else:
            arguments = substituted(token.arguments, properties, depth)
            found.append(FunctionBlock(token.source_line, token.source_column, token.name, arguments))
    return found
