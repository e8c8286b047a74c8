"""Parses a rendered page into one tree with tinyhtml5, as browsers do, and reports the faults of its markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import StringIO
from xml.etree.ElementTree import Element

from tinyhtml5 import inputstream
from tinyhtml5.parser import HTMLParser

from linkauth.theming import css

_LOADED = {"src", "href", "data", "poster", "action", "formaction", "srcset", "background"}
_NAVIGATION = {"a", "area"}
"""Elements whose href is a link: the browser loads nothing until a person follows it."""
_FIELDS = {"input", "select", "textarea"}
_UNLABELLED_TYPES = {"hidden", "submit", "button", "reset", "image"}
_READ = ("alt", "title", "aria-label", "placeholder")
"""Attributes whose text a person reads or hears."""
_REFRESH = re.compile(r"""[;,]\s*(?:url\s*=\s*)?["']?([^"'\s]+)""", re.IGNORECASE)
_EXCERPT = 60
# only in attributes in quotation marks without entities, and between tags
_TEXT = re.compile(
    r"""(?<=>)[^<>&]*[^<>&\s][^<>&]*(?=<)|(?<=\s)(?:lang|dir|alt|title|aria-label|data-[a-z]+|value)="[^"<>&]+\""""
)
_CURRENT = re.compile(' aria-current="true"')


class _Patterns(dict[tuple[Iterable[str], bool], re.Pattern[str]]):
    """The patterns of tinyhtml5's tokenizer, by their characters. Each is compiled once.

    tinyhtml5 2.1 stores a pattern under a wrong key, so it compiles one for each attribute of a page.
    """

    def __missing__(self, key: tuple[Iterable[str], bool]) -> re.Pattern[str]:
        characters, inside = key
        listed = "".join(map(re.escape, characters))
        pattern = self[key] = re.compile(f"[{listed}]+" if inside else f"[^{listed}]+")
        return pattern


inputstream.characters_until_regex = _Patterns()


class Document:
    """A parsed page.

    `root` is the <html> element. The names of SVG elements and attributes are without their namespace, so that the same
    rules apply to them. `syntax_errors` are (line, message).
    """

    def __init__(self, html: str) -> None:
        # the parser counts all three kinds of line ends
        html = html.replace("\r\n", "\n").replace("\r", "\n")
        parser = HTMLParser(namespace_html_elements=False)
        # tinyhtml5 takes a short text for a file name if such a file exists
        self.root: Element = parser.parse(StringIO(html))
        self.elements = [each for each in self.root.iter() if isinstance(each.tag, str)]
        for element in self.elements:
            element.tag = _local(element.tag)
            for name in [name for name in element.attrib if name.startswith("{")]:
                element.attrib.setdefault(_local(name), element.attrib.pop(name))
        self.syntax_errors = [
            (line, _syntax_error(html, line, column, code, data)) for (line, column), code, data in parser.errors
        ]

    def texts(self) -> list[str]:
        """Returns the texts that a person reads, without code and without texts marked as another language."""
        return [text for text in map(str.strip, self._texts(self.root)) if text]

    def _texts(self, element: Element) -> Iterator[str]:
        skipped = element.tag in ("script", "style", "code") or not isinstance(element.tag, str)
        if skipped or (element is not self.root and element.get("lang")):
            return
        yield element.text or ""
        for name in _READ:
            yield element.get(name, "")
        for child in element:
            yield from self._texts(child)
            yield child.tail or ""

    def loads(self) -> Iterator[str]:
        """Yields the addresses that a browser loads by itself or posts to."""
        for element in self.elements:
            if element.tag == "meta" and element.get("http-equiv", "").lower() == "refresh":
                yield from _REFRESH.findall(element.get("content", ""))
            if element.tag == "style":
                yield from css.loads(element.text or "")
            for name, value in element.attrib.items():
                if name == "srcset":
                    yield from (part.split()[0] for part in value.split(",") if part.strip())
                elif name in _LOADED and not (name == "href" and element.tag in _NAVIGATION):
                    yield value
                elif "(" in value:
                    # style="…" in HTML, fill="url(…)" in SVG
                    yield from css.loads(value)

    def style_sheets(self) -> list[str]:
        """Returns the addresses of the linked style sheets."""
        return [
            each.get("href", "") for each in self.elements if each.tag == "link" and each.get("rel") == "stylesheet"
        ]

    def faults(self, is_mail: bool = False) -> Iterator[str]:
        """Yields the faults of the elements, with what to do. A mail may have inline styles, but loads nothing."""
        labels = [each for each in self.elements if each.tag == "label" and _has_text(each)]
        labelled = {label.get("for") for label in labels} - {None}
        inside = {field for label in labels for field in label.iter()}
        for element in self.elements:
            tag = _start_tag(element)
            yield from _in_mail(element, tag) if is_mail else _inline(element, tag)
            if element.get("target"):
                yield f"{tag} opens another window: remove target, because the Alexa app has only one window"
            exempt = element.get("type", "text") in _UNLABELLED_TYPES and element.tag == "input"
            named = element.get("id") in labelled or element in inside or self._has_name(element)
            if element.tag in _FIELDS and not (exempt or named):
                yield f"{tag} has no label: add <label for=…> with its id and a text"
            if element.tag == "img" and "alt" not in element.attrib:
                yield f'{tag} has no alt: describe the image, or write alt="" for decoration'
            if element.tag == "button" and not (_has_text(element) or self._has_name(element)):
                yield f"{tag} has no name: add text or aria-label"
            if element.tag == "a" and "href" in element.attrib and not (_has_text(element) or self._has_name(element)):
                yield f"{tag} has no text: describe its target, or add aria-label"

    def _has_name(self, element: Element) -> bool:
        names = (element.get("aria-label", ""), element.get("title", ""))
        if any(map(str.strip, names)):
            return True
        ids = element.get("aria-labelledby", "").split()
        return bool(ids) and any(_has_text(each) for each in self.elements if each.get("id") in ids)


def structure(html: str) -> str:
    """Returns a page with a placeholder for each text. Pages with the same structure have the same faults."""
    return _TEXT.sub("x", _CURRENT.sub("", html))


def fragment(html: str) -> tuple[list[tuple[str, tuple[tuple[str, str], ...]]], list[str]]:
    """Parses a text with markup. Returns the (tag, attributes) of its elements, and its syntax errors."""
    if "<" not in html:
        return [], []
    parser = HTMLParser(namespace_html_elements=False)
    root: Element = parser.parse_fragment(StringIO(html))
    found = [(str(each.tag), tuple(sorted(each.attrib.items()))) for each in root.iter() if each is not root]
    return found, [_described(code, data) for _, code, data in parser.errors]


def _local(name: str) -> str:
    """Returns the name of an element or attribute without its namespace."""
    return name.rpartition("}")[2]


def _described(code: str, data: dict[str, object]) -> str:
    """Returns a parse error such as "unexpected end tag: div"."""
    return ": ".join([code.replace("-", " "), *map(str, data.values())])


def _syntax_error(html: str, line: int, column: int, code: str, data: dict[str, object]) -> str:
    before = html.split("\n")[line - 1][:column]
    excerpt = before[max(before.rfind("<"), 0) :][-_EXCERPT:].strip()
    near = f" at {excerpt}" if excerpt else ""
    return f"is not valid HTML{near} ({_described(code, data)}): browsers guess what is meant, so correct it"


def _has_text(element: Element) -> bool:
    """Returns whether the element, or an image in it, has text that a person reads or hears."""
    return bool("".join(_inner_texts(element)).strip())


def _inner_texts(element: Element) -> Iterator[str]:
    if isinstance(element.tag, str) and element.tag not in _FIELDS and element.tag not in ("script", "style"):
        yield from (element.text or "", element.get("alt", ""), element.get("aria-label", ""))
        for child in element:
            yield from _inner_texts(child)
            yield child.tail or ""


def _in_mail(element: Element, tag: str) -> Iterator[str]:
    """Yields what a mail must not have: most mail programs remove it or ask before they load it."""
    if element.tag in ("style", "link", "script", "img", "form"):
        yield f"{tag} is not for mails: use text and style=…"


def _inline(element: Element, tag: str) -> Iterator[str]:
    """Yields inline styles, scripts and handlers of an element, which the Content-Security-Policy blocks."""
    if element.tag == "style" or "style" in element.attrib:
        yield f"{tag} has inline styles, which the Content-Security-Policy blocks: move them to a file in static/"
    kind = element.get("type", "")
    code = not kind or "javascript" in kind or kind == "module"
    if element.tag == "script" and "src" not in element.attrib and code:
        yield f"{tag} is inline, which the Content-Security-Policy blocks: move it to a file in static/"
    for name, value in element.attrib.items():
        if name.startswith("on"):
            yield f"{tag} has {name}=, which the Content-Security-Policy blocks: use addEventListener in a script file"
        if value.strip().lower().startswith("javascript:"):
            yield f"{tag} has a javascript: address, which the Content-Security-Policy blocks: use a button instead"


def _start_tag(element: Element) -> str:
    parts = [element.tag]
    parts += [f'{name}="{element.get(name)}"' for name in ("id", "name", "class", "src") if element.get(name)]
    return f"<{' '.join(parts)}>"
