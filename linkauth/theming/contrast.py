"""Can it be read? The contrast of every text of a page with what it stands on, and of a field with what is around it.

WCAG 2.2: 4.5 to 1 for text (success criterion 1.4.3; large text may have less, this asks the same of all), 3 to 1 for
what shows that a field is there (1.4.11).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import cssselect2
from coloraide import Color

from linkauth.theming.markup import Page
from linkauth.theming.styles import Sheet, filled

TEXT, FIELD = 4.5, 3.0
_CANVAS = {"light": "#ffffff", "dark": "#121212"}
_LETTERS = {"light": "#000000", "dark": "#ffffff"}
_FIELDS = {"input", "select", "textarea"}
_UNSEEN = {"hidden", "checkbox", "radio", "submit", "button"}


@dataclass(frozen=True)
class Look:
    """How an element looks: `ground` are the colours that may be behind it; values as they are written, for words."""

    colour: Color
    written: str
    ground: tuple[Color, ...]
    ground_written: str
    properties: dict[str, str] = field(default_factory=dict)
    borders: tuple[Color, ...] = ()
    seen: bool = True


def faults(html: str, sheet: Sheet) -> Iterator[str]:
    """What cannot be read on this page with this style sheet, with the colours as they are written and as they are."""
    scheme = sheet.scheme
    root = cssselect2.ElementWrapper.from_html_root(Page(html).html)
    canvas = Look(Color(_LETTERS[scheme]), "the browser's", (Color(_CANVAS[scheme]),), "the browser's")
    yield from _faults(sheet, root, canvas)


def _faults(sheet: Sheet, element: cssselect2.ElementWrapper, around: Look) -> Iterator[str]:
    look = _look(sheet, element, around)
    if not look.seen:
        return
    node = element.etree_element
    texts = [node.text, *(child.tail for child in node)]
    types = node.tag in _FIELDS and node.get("type", "text") not in _UNSEEN
    if types or any(text and text.strip() for text in texts):
        ratio = min(look.colour.contrast(each) for each in look.ground)
        if ratio < TEXT:
            colours = f"{_hex(look.colour)} ({look.written}) on {_hexes(look.ground)} ({look.ground_written})"
            yield f"{sheet.scheme}: text is hard to read: {colours} is {ratio:.2f} to 1, and {TEXT} is needed"
    if types:
        around_it = around.ground
        edges = (*look.borders, *look.ground)
        shows = [min(Color.layer([each, other]).contrast(other) for other in around_it) for each in edges]
        if (best := max(shows)) < FIELD:
            colours = f"{_hexes(look.borders or look.ground)} on {_hexes(around_it)} ({around.ground_written})"
            yield f"{sheet.scheme}: a field is hard to see: {colours} is {best:.2f} to 1, and {FIELD} is needed"
    for child in element.iter_children():
        yield from _faults(sheet, child, look)


def _look(sheet: Sheet, element: cssselect2.ElementWrapper, around: Look) -> Look:
    declared = sheet.declared(element)
    own = {name: value for name, value in declared if name.startswith("--")}
    properties = {**around.properties, **own}
    look = replace(around, properties=properties, borders=())
    borders: dict[str, tuple[Color, ...]] = {}
    for name, written in declared:
        value = filled(written, properties)
        if name == "display":
            look = replace(look, seen=value != "none")
        elif name == "visibility":
            look = replace(look, seen=value == "visible")
        elif name == "color" and value in ("inherit", "unset", "currentcolor"):
            look = replace(look, colour=around.colour, written=around.written)
        elif name == "color" and (found := sheet.colours(value)):
            look = replace(look, colour=found[0], written=written)
        elif name.startswith("border") and not name.endswith(("-width", "-style", "-radius", "-collapse")):
            if name in ("border", "border-color"):
                borders.clear()
            borders[name] = tuple(sheet.colours(value, look.colour))
    edges = tuple(each for found in borders.values() for each in found)
    return _grounded(sheet, declared, replace(look, borders=edges), around)


def _grounded(sheet: Sheet, declared: list[tuple[str, str]], look: Look, around: Look) -> Look:
    """`look` with its background over what is behind it."""
    for name, written in declared:
        if name in ("background", "background-color", "background-image"):
            found = sheet.colours(filled(written, look.properties), look.colour)
            if name == "background-image" and not found:
                continue
            over = [Color.layer([each, behind]) for each in found for behind in around.ground] or list(around.ground)
            opaque = bool(found) and any(each.alpha() for each in found)
            look = replace(look, ground=tuple(over), ground_written=written if opaque else around.ground_written)
    if look.colour.alpha() < 1:
        look = replace(look, colour=Color.layer([look.colour, look.ground[0]]))
    return look


def _hex(colour: Color) -> str:
    return colour.convert("srgb").to_string(hex=True, fit=True)


def _hexes(colours: tuple[Color, ...]) -> str:
    return ", ".join(dict.fromkeys(map(_hex, colours)))
