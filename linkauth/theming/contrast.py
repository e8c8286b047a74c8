"""Checks the contrast of each text with its background, and of each field with its surroundings, without a browser.

WCAG 2.2 wants 4.5 to 1 for text (success criterion 1.4.3; large text may have less, but this check wants the same of
all text) and 3 to 1 for what shows that a field is there (1.4.11).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cssselect2
import tinycss2
from coloraide import Color

from linkauth.theming.cascade import Cascade, Values, substituted
from linkauth.theming.markup import Document

TEXT, FIELD = 4.5, 3.0
_CANVAS = {"light": "#ffffff", "dark": "#121212"}
_CANVAS_TEXT = {"light": "#000000", "dark": "#ffffff"}
_FIELDS = {"input", "select", "textarea"}
_NO_TEXT_FIELDS = {"hidden", "checkbox", "radio", "submit", "button"}


@dataclass(frozen=True)
class Style:
    """The computed style of an element.

    `backgrounds` are the colours that may be behind it. The `…_source` values are the text of the style sheet, for
    messages.
    """

    colour: Color
    colour_source: str
    backgrounds: tuple[Color, ...]
    background_source: str
    properties: Mapping[str, Values] = field(default_factory=dict)
    borders: tuple[Color, ...] = ()
    visible: bool = True


def faults(document: Document, cascade: Cascade) -> Iterator[str]:
    """Yields each text and field with too little contrast, with the colours as written and as computed."""
    scheme = cascade.scheme
    root = cssselect2.ElementWrapper.from_html_root(document.root)
    canvas = Style(Color(_CANVAS_TEXT[scheme]), "the browser's", (Color(_CANVAS[scheme]),), "the browser's")
    yield from _faults(cascade, root, canvas)


def _faults(cascade: Cascade, element: cssselect2.ElementWrapper, parent: Style) -> Iterator[str]:
    style = _style(cascade, element, parent)
    if not style.visible:
        return
    node = element.etree_element
    texts = [node.text, *(child.tail for child in node)]
    is_field = node.tag in _FIELDS and node.get("type", "text") not in _NO_TEXT_FIELDS
    if is_field or any(text and text.strip() for text in texts):
        ratio = min(style.colour.contrast(each) for each in style.backgrounds)
        if ratio < TEXT:
            colours = f"{_hex(style.colour)} ({style.colour_source})"
            colours += f" on {_hexes(style.backgrounds)} ({style.background_source})"
            yield f"{cascade.scheme}: text is hard to read: {colours} is {ratio:.2f} to 1, and {TEXT} is needed"
    if is_field:
        edges = (*style.borders, *style.backgrounds)
        ratios = [min(Color.layer([edge, each]).contrast(each) for each in parent.backgrounds) for edge in edges]
        if (best := max(ratios)) < FIELD:
            colours = _hexes(style.borders or style.backgrounds)
            colours += f" on {_hexes(parent.backgrounds)} ({parent.background_source})"
            yield f"{cascade.scheme}: a field is hard to see: {colours} is {best:.2f} to 1, and {FIELD} is needed"
    for child in element.iter_children():
        yield from _faults(cascade, child, style)


def _style(cascade: Cascade, element: cssselect2.ElementWrapper, parent: Style) -> Style:
    declarations = cascade.declarations(element)
    own = {name: values for name, values in declarations if name.startswith("--")}
    properties = {**parent.properties, **own}
    style = replace(parent, properties=properties, borders=())
    borders: dict[str, tuple[Color, ...]] = {}
    for name, declared in declarations:
        values = substituted(declared, properties)
        keyword = _source(values).lower()
        if name == "display":
            style = replace(style, visible=keyword != "none")
        elif name == "visibility":
            style = replace(style, visible=keyword == "visible")
        elif name == "color" and keyword in ("inherit", "unset", "currentcolor"):
            style = replace(style, colour=parent.colour, colour_source=parent.colour_source)
        elif name == "color" and (found := cascade.colours(values)):
            style = replace(style, colour=found[0], colour_source=_source(declared))
        elif name.startswith("border") and not name.endswith(("-width", "-style", "-radius", "-collapse")):
            if name in ("border", "border-color"):
                borders.clear()
            borders[name] = tuple(cascade.colours(values, style.colour))
    edges = tuple(each for found in borders.values() for each in found)
    return _with_background(cascade, declarations, replace(style, borders=edges), parent)


def _with_background(cascade: Cascade, declarations: list[tuple[str, Values]], style: Style, parent: Style) -> Style:
    """Returns `style` with its background over that of its parent."""
    for name, declared in declarations:
        if name in ("background", "background-color", "background-image"):
            found = cascade.colours(substituted(declared, style.properties), style.colour)
            if name == "background-image" and not found:
                continue
            layers = [Color.layer([each, behind]) for each in found for behind in parent.backgrounds]
            opaque = any(each.alpha() for each in found)
            source = _source(declared) if opaque else parent.background_source
            style = replace(style, backgrounds=tuple(layers or parent.backgrounds), background_source=source)
    if style.colour.alpha() < 1:
        style = replace(style, colour=Color.layer([style.colour, style.backgrounds[0]]))
    return style


def _source(values: list[Any]) -> str:
    return str(tinycss2.serialize(values)).strip()


def _hex(colour: Color) -> str:
    return colour.convert("srgb").to_string(hex=True, fit=True)


def _hexes(colours: tuple[Color, ...]) -> str:
    return ", ".join(dict.fromkeys(map(_hex, colours)))
