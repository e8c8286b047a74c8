"""The default theme of linkauth: small pages in light and dark, from 320 px width. Its script is optional."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linkauth_theme_default.colours import DARK_PAGE, EDGE, LINK, STRONG, TEXT, black_or_white, contrast, readable

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Text = Mapping[str, str]
LOGO_LIMIT = 50_000
"""Maximum size of the logo in bytes; phones load it with the page."""
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_URL = re.compile(r"(https://|mailto:|tel:)\S+")
_LOGOS = {
    ".svg": re.compile(rb""),
    ".png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    ".jpg": re.compile(rb"\xff\xd8\xff"),
    ".jpeg": re.compile(rb"\xff\xd8\xff"),
    ".webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
"""Extensions of image files and the signatures at their beginning."""
_ACTIVE = {"script", "foreignObject", "handler", "animate", "set"}
"""SVG elements with active content."""
_LOADS = re.compile(r"@import|url\(\s*+[\"']?+(?!#|data:image/)", re.IGNORECASE)
"""References to external resources in the styles and attributes of an SVG file."""


@dataclass(frozen=True)
class Scheme:
    """The derived colours of the light or the dark color scheme. The names contain the background."""

    page: str
    text_on_page: str
    quiet_on_page: str
    edge_on_card: str
    link_on_card: str


@dataclass(frozen=True)
class Parameters:
    """The settings under `linkauth.theme.default.`. A Text may be translated.

    `accent` is the colour of the button and of links, `background` that of the page around the card, both `#rrggbb`.
    Colours with too little contrast are made lighter or darker. `logo` is the path of an image file. `username_label`,
    `username_hint` and `username_example` describe the user name. URLs are shown as links if they are set.
    `support_text` (such as a telephone number) is shown with errors that the user cannot solve.
    """

    accent: str = "#1d4f91"
    background: str = ""
    logo: str = ""
    username_label: Text = field(default_factory=dict)
    username_hint: Text = field(default_factory=dict)
    username_example: Text = field(default_factory=dict)
    recovery_url: Text = field(default_factory=dict)
    sign_up_url: Text = field(default_factory=dict)
    support_url: Text = field(default_factory=dict)
    support_text: Text = field(default_factory=dict)
    privacy_url: Text = field(default_factory=dict)
    terms_url: Text = field(default_factory=dict)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yields (key, problem) for each invalid value."""
        if not _COLOUR.fullmatch(self.accent):
            yield "accent", "is not a colour such as #1d4f91"
        if self.background and not _COLOUR.fullmatch(self.background):
            yield "background", "is not a colour such as #f4f5f7"
        if self.logo and (problem := _logo_problem(Path(self.logo))):
            yield "logo", problem
        for key in ("recovery_url", "sign_up_url", "support_url", "privacy_url", "terms_url"):
            if not all(_URL.fullmatch(url) for url in getattr(self, key).values()):
                yield key, "is not a URL that begins with https://, mailto: or tel:"

    @property
    def on_accent(self) -> str:
        """The colour of text on the accent colour."""
        return black_or_white(self.accent)

    @property
    def light(self) -> Scheme:
        return self._scheme(self.background or "#f4f5f7", "#ffffff", "#16191f", "#535b67")

    @property
    def dark(self) -> Scheme:
        page = readable(self.background, "#ffffff", DARK_PAGE) if self.background else "#0e1116"
        return self._scheme(page, "#181c23", "#eef1f5", "#b0b8c4")

    def _scheme(self, page: str, card: str, text: str, quiet: str) -> Scheme:
        on_page = text if contrast(text, page) >= STRONG else black_or_white(page)
        return Scheme(
            page=page,
            text_on_page=on_page,
            quiet_on_page=quiet if contrast(quiet, page) >= TEXT else on_page,
            edge_on_card=readable(self.accent, card, EDGE),
            link_on_card=readable(self.accent, card, LINK),
        )

    @property
    def logo_name(self) -> str:
        """The name of the static file with the logo."""
        return "logo" + Path(self.logo).suffix.lower() if self.logo else "mark.svg"

    def static_files(self) -> dict[str, Path]:
        """Returns additional static files, name to path."""
        return {self.logo_name: Path(self.logo)} if self.logo else {}


def _logo_problem(path: Path) -> str | None:
    if path.suffix.lower() not in _LOGOS:
        return "is not the path of an svg, png, jpg or webp file"
    if not path.is_absolute():
        return "is a relative path: write an absolute path, or begin it with %(here)s/ for the folder of the ini file"
    try:
        with path.open("rb") as file:
            content = file.read(LOGO_LIMIT + 1)
    except OSError as error:
        return f"names the file {str(path)!a}, which cannot be read: {os.strerror(error.errno or 0)}"
    except ValueError:
        return "is not a valid path"
    if len(content) > LOGO_LIMIT:
        return f"names a file of more than {LOGO_LIMIT} bytes, too much for phones"
    if not _LOGOS[path.suffix.lower()].match(content):
        return "names a file whose content does not match its extension"
    if path.suffix.lower() != ".svg":
        return None
    if b"<?xml-stylesheet" in content:
        return "names an svg file that loads a style sheet"
    # only an svg logo needs it
    from xml.etree import ElementTree

    try:
        # the deployer configures this file, so it is trusted
        drawing = ElementTree.fromstring(content)  # noqa: S314
    except ElementTree.ParseError:
        return "names an svg file that is not XML"
    return "names an svg file with active or external content" if any(map(_is_active, drawing.iter())) else None


def _is_active(element: Element) -> bool:
    """Returns whether an SVG element can run a script or load an external resource."""
    attributes = {name.rpartition("}")[2].lower(): value.strip() for name, value in element.attrib.items()}
    links = attributes.get("href", "#")
    texts = (element.text or "", element.tail or "", *attributes.values())
    return (
        element.tag.rpartition("}")[2] in _ACTIVE
        or any(name.startswith("on") for name in attributes)
        or not links.startswith(("#", "data:image/"))
        or any(map(_LOADS.search, texts))
    )


def includeme(config: Any) -> None:
    config.add_theme("linkauth_theme_default")
