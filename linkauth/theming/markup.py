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
_REFRESH = re.compile(r"""[;,]\s*(?:url\s*=\s*)?["']?([^"'\s]+)""", re.IGNORECASE)
_GLOBAL = r"(?:window|globalThis|self|top|parent|frames)"
_CALL = r"(alert|confirm|prompt|open)"
_POP_UP = re.compile(
    # not what belongs to something else (xhr.open), and not where a function of that name is written
    rf"""(?<![\w.$])(?<!function )(?:{_GLOBAL}\s*\??\.\s*){{0,3}}"""
    rf"""(?:{_CALL}(?!\s*\([^()]*\)\s*\{{)|{_GLOBAL}\s*(?:\?\.)?\[\s*["'`]{_CALL}["'`]\s*\])\s*(?:\?\.)?\s*\("""
)
_STRING = r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`"""
_COMMENT = re.compile(rf"({_STRING})|(?<![^\s;{{}}(),])(?://[^\n]*|/\*.*?\*/)", re.DOTALL)
"""A string, which may look like a comment, or a comment where none of it can be a regular expression's."""
_ADDRESS = re.compile(r"""["'`](https?://[^"'`\s]+)""")
_NAMESPACES = "www.w3.org"
_CSS_URL = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""", re.IGNORECASE)
_IMAGE_SET = re.compile(r"image-set\(((?:[^()]|\([^()]*\))*)\)", re.IGNORECASE)
_QUOTED = re.compile(r"""["']([^"']+)["']""")


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
            if element.tag == "meta" and element.get("http-equiv", "").lower() == "refresh":
                yield from _REFRESH.findall(element.get("content", ""))
            for name in _LOADED & set(element.attrib):
                value = element.attrib[name]
                if name == "srcset":
                    yield from (part.split()[0] for part in value.split(",") if part.strip())
                elif not (name == "href" and element.tag in _NAVIGATION):
                    yield value

    def faults(self) -> Iterator[str]:
        """What is wrong with the markup, and what to do."""
        labels = [label for label in self.html.iter("label") if _says(label)]
        labelled = {label.get("for") for label in labels} - {None}
        inside = {field for label in labels for field in label.iter()}
        for element in self.html.iter():
            shown = _shown(element)
            yield from _inline(element, shown)
            if element.get("target"):
                yield f"{shown} opens another window: remove target, for the Alexa app has one window only"
            nameless = element.get("type", "text") in _NAMELESS and element.tag == "input"
            named = element.get("id") in labelled or element in inside or self._is_named(element)
            if element.tag in _FIELDS and not (nameless or named):
                yield f"{shown} has no label: add <label for=…> with its id, and with text"
            if element.tag == "img" and "alt" not in element.attrib:
                yield f'{shown} has no alt: say what it shows, or alt="" if it is decoration'
            if element.tag == "button" and not (_says(element) or self._is_named(element)):
                yield f"{shown} has no name: write its text, or aria-label"
            if element.tag == "a" and "href" in element.attrib and not (_says(element) or self._is_named(element)):
                yield f"{shown} has no text: write where it leads, or aria-label"

    def _is_named(self, element: Element) -> bool:
        ids = element.get("aria-labelledby", "").split()
        names = (element.get("aria-label", ""), element.get("title", ""))
        return any(map(str.strip, names)) or any(_says(each) for each in self.html.iter() if each.get("id") in ids)


def _says(element: Element) -> bool:
    """Is there anything to read in it, or in its images?"""
    return bool("".join(_words(element)).strip())


def _words(element: Element) -> Iterator[str]:
    if element.tag not in _FIELDS and element.tag not in ("script", "style"):
        yield from (element.text or "", element.get("alt", ""), element.get("aria-label", ""))
        for child in element:
            yield from _words(child)
            yield child.tail or ""


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
    return sorted({f"{plain or quoted}()" for plain, quoted in _POP_UP.findall(_without_comments(script))})


def addresses(script: str) -> list[str]:
    """The addresses elsewhere that a script names, but for the names of XML's namespaces."""
    found = _ADDRESS.findall(_without_comments(script))
    return sorted({each for each in found if foreign(each) not in (None, _NAMESPACES)})


def _without_comments(script: str) -> str:
    return _COMMENT.sub(lambda found: found[1] or " ", script)


def loaded_by(css: str) -> list[str]:
    """The addresses in a style sheet."""
    return _CSS_URL.findall(css) + [each for images in _IMAGE_SET.findall(css) for each in _QUOTED.findall(images)]


def foreign(address: str) -> str | None:
    """The host of an address elsewhere."""
    try:
        url = urlsplit(address)
    except ValueError:
        # which no browser loads either
        return None
    return url.hostname if url.scheme in ("", "http", "https", "ws", "wss") and url.netloc else None
