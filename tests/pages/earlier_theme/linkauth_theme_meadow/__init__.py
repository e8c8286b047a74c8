"""The theme meadow, a child of the theme default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import linkauth_theme_default as parent


@dataclass(frozen=True)
class Parameters(parent.Parameters):
    """What an operator may set under `linkauth.theme.meadow.`, beside what the parent lets them set.

    `tagline` stands under the service's name; a line for a language too, such as `tagline.de`, is possible.
    """

    accent: str = "#6b2d73"
    tagline: Mapping[str, str] = field(default_factory=dict)


def includeme(config: Any) -> None:
    config.include(parent)
    config.add_theme("linkauth_theme_meadow")
