"""The theme of the fictional Vellmoor Railway, an example of a child of the default theme.

It overrides colours, the header, two sentences, a page and the logo, and adds a parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import linkauth_theme_default as parent

MOTTO_LIMIT = 60


@dataclass(frozen=True)
class Parameters(parent.Parameters):
    """The parameters of the parent with another `accent`, and `motto`, a line of at most 60 letters under the name."""

    accent: str = "#1f4d3f"
    motto: Mapping[str, str] = field(default_factory=dict)

    def faults(self) -> Iterator[tuple[str, str]]:
        yield from super().faults()
        if any(len(each) > MOTTO_LIMIT for each in self.motto.values()):
            yield "motto", f"is longer than {MOTTO_LIMIT} letters"


def includeme(config: Any) -> None:
    config.include(parent)
    config.add_theme("linkauth_theme_vellmoor")
