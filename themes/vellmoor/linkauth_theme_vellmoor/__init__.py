"""The theme of the Vellmoor Railway, which does not exist: what a child of the default theme can be.

Colours, a header of its own, two sentences, a whole page, a logo and a parameter; everything else is the parent's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import linkauth_theme_default as parent

MOTTO_LIMIT = 60


@dataclass(frozen=True)
class Parameters(parent.Parameters):
    """The parent's parameters with this railway's accent, and `motto`, a line of 60 letters under its name."""

    accent: str = "#1f4d3f"
    motto: Mapping[str, str] = field(default_factory=dict)

    def faults(self) -> Iterator[tuple[str, str]]:
        yield from super().faults()
        if any(len(each) > MOTTO_LIMIT for each in self.motto.values()):
            yield "motto", f"is longer than {MOTTO_LIMIT} letters"


def includeme(config: Any) -> None:
    config.include(parent)
    config.add_theme("linkauth_theme_vellmoor")
