"""A rendered page as a tree, and what must not be in one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
_LOADED = {"src", "href", "data", "poster", "action", "formaction", "srcset", "background"}
_NAVIGATION = {"a", "area"}
"""Elements whose href loads nothing."""
_FIELDS = {"input", "select", "textarea"}
_NAMELESS = {"hidden", "submit", "button", "reset", "image"}
_NAMES = ("aria-label", "aria-labelledby", "title")
_POP_UP = re.compile(r"(?<![\w.$])(?<!function )(?:window\.)?(alert|confirm|prompt|open)\s*\(")
_CSS_URL = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""", re.IGNORECASE)


class Page(HTMLParser):
    """An HTML page as `root`, an ElementTree; what is left open is closed where its parent is."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = Element("document")
        self._open = [self.root]
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = SubElement(self._open[-1], tag, {name: value or "" for name, value in attrs})
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # the slash means nothing in HTML, but closes what is drawn in SVG
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        for depth in range(len(self._open) - 1, 0, -1):
            if self._open[depth].tag == tag:
                del self._open[depth:]
                return

    def handle_data(self, data: str) -> None:
        parent = self._open[-1]
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + data
        else:
            parent.text = (parent.text or "") + data

    @property
    def html(self) -> Element:
        """The <html> element."""
        found = self.root.find("html")
        return self.root if found is None else found

    def sentences(self) -> list[str]:
        """What is read, but for what is marked as of another language, and for code."""
        return [text for text in map(str.strip, self._read(self.html)) if text]

    def _read(self, element: Element) -> Iterator[str]:
        if element.tag in ("script", "style", "code") or (element is not self.html and element.get("lang")):
            return
        yield element.text or ""
        for name in ("alt", "title", "aria-label", "placeholder"):
            yield element.get(name, "")
        for child in element:
            yield from self._read(child)
            yield child.tail or ""

    def loads(self) -> Iterator[str]:
        """The addresses that the browser asks for on its own, or posts to."""
        for element in self.html.iter():
            for name in _LOADED & set(element.attrib):
                value = element.attrib[name]
                if name == "srcset":
                    yield from (part.split()[0] for part in value.split(",") if part.strip())
                elif not (name == "href" and element.tag in _NAVIGATION):
                    yield value

    def faults(self) -> Iterator[str]:
        """What is wrong with the markup, and what to do."""
        labelled = {each.get("for") for each in self.html.iter("label")}
        inside = {field for label in self.html.iter("label") for field in label.iter()}
        for element in self.html.iter():
            shown = _shown(element)
            yield from _inline(element, shown)
            if element.get("target"):
                yield f"{shown} opens another window: remove target, for the Alexa app has one window only"
            nameless = element.get("type", "text") in _NAMELESS and element.tag == "input"
            if element.tag in _FIELDS and not nameless:
                named = element.get("id") in labelled or element in inside or any(element.get(n) for n in _NAMES)
                if not named:
                    yield f"{shown} has no label: add <label for=…> with its id"
            if element.tag == "img" and "alt" not in element.attrib:
                yield f'{shown} has no alt: say what it shows, or alt="" if it is decoration'
            if element.tag == "button" and not ("".join(element.itertext()).strip() or element.get("aria-label")):
                yield f"{shown} has no name: write its text, or aria-label"


def _inline(element: Element, shown: str) -> Iterator[str]:
    """The Content-Security-Policy lets none of these work."""
    if element.tag == "style" or "style" in element.attrib:
        yield f"{shown} has inline styles, which browsers refuse here: put them into a file of static/"
    kind = element.get("type", "")
    if (
        element.tag == "script"
        and "src" not in element.attrib
        and (not kind or "javascript" in kind or kind == "module")
    ):
        yield f"{shown} is inline, which browsers refuse here: put it into a file of static/"
    for name, value in element.attrib.items():
        if name.startswith("on"):
            yield f"{shown} has {name}=, which browsers refuse here: use addEventListener in a file of static/"
        if value.strip().lower().startswith("javascript:"):
            yield f"{shown} has a javascript: address, which browsers refuse here: make it a button with a listener"


def _shown(element: Element) -> str:
    parts = [element.tag]
    parts += [f'{name}="{element.get(name)}"' for name in ("id", "name", "class", "src") if element.get(name)]
    return f"<{' '.join(parts)}>"


def pop_ups(script: str) -> list[str]:
    """The calls in a script that open a window or a message box."""
    return sorted({f"{name}()" for name in _POP_UP.findall(script)})


def loaded_by(css: str) -> list[str]:
    """The addresses in a style sheet."""
    return _CSS_URL.findall(css)


def foreign(address: str) -> str | None:
    """The host of an address elsewhere."""
    url = urlsplit(address)
    return url.hostname if url.scheme in ("", "http", "https", "ws", "wss") and url.netloc else None
