"""linkauth's default theme: one small page, no script, light and dark, from 320 px up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Text = Mapping[str, str]
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LOGOS = (".svg", ".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Parameters:
    """What a deployer may set under `linkauth.theme.default.`; a Text may have a line for each language too.

    `accent` is the colour of the button, `#rrggbb`; `logo` the path of an image file; the URLs are shown as links if
    they are set; `username_label` and `username_hint` say what the name is called here and what it looks like.
    """

    accent: str = "#1d4f91"
    logo: str = ""
    username_label: Text = field(default_factory=dict)
    username_hint: Text = field(default_factory=dict)
    help_url: Text = field(default_factory=dict)
    privacy_url: Text = field(default_factory=dict)
    terms_url: Text = field(default_factory=dict)

    def faults(self) -> Iterator[tuple[str, str]]:
        """What the types cannot say, as (key, problem)."""
        if not _COLOUR.fullmatch(self.accent):
            yield "accent", "is not a colour such as #1d4f91"
        if self.logo and not self.logo.lower().endswith(_LOGOS):
            yield "logo", "is not the path of an svg, png, jpg or webp file"
        elif self.logo and not Path(self.logo).is_file():
            yield "logo", "names a file that is not there"
        for key in ("help_url", "privacy_url", "terms_url"):
            if not all(re.fullmatch(r"(https://|mailto:|tel:)\S+", url) for url in getattr(self, key).values()):
                yield key, "is not a URL that begins with https://, mailto: or tel:"

    @property
    def on_accent(self) -> str:
        """Black or white, whichever is easier to read on the accent colour (WCAG 2.2, relative luminance)."""
        return "#ffffff" if 1.05 / (self._luminance + 0.05) >= (self._luminance + 0.05) / 0.05 else "#000000"

    @property
    def _luminance(self) -> float:
        channels = [int(self.accent[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    @property
    def logo_name(self) -> str:
        """The static file that holds the logo."""
        return "logo" + Path(self.logo).suffix.lower() if self.logo else "mark.svg"

    def static_files(self) -> dict[str, Path]:
        """Static files besides the package's own, name to path."""
        return {self.logo_name: Path(self.logo)} if self.logo else {}


def includeme(config: Any) -> None:
    config.add_theme("linkauth_theme_default")
