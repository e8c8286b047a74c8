"""Derives readable colours from any configured colour (WCAG 2.2: relative luminance and contrast ratio)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

TEXT, EDGE = 4.5, 3.0
"""The minimum contrast of text (success criterion 1.4.3) and of edges and icons (1.4.11)."""
LINK, STRONG, DARK_PAGE = 6.0, 7.0, 15.0
"""The minimum contrast of links, of prominent text, and of white text on a dark page."""
_STEPS = 64


def luminance(colour: str) -> float:
    """Returns the relative luminance of `#rrggbb`, from 0 (black) to 1 (white)."""
    channels = [value / 255 for value in _channels(colour)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Returns the contrast ratio of two colours, from 1 (equal) to 21 (black and white)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def black_or_white(ground: str) -> str:
    """Returns the colour with the higher contrast on `ground`; this contrast is at least 4.58."""
    return max("#ffffff", "#000000", key=lambda colour: contrast(colour, ground))


@lru_cache
def readable(colour: str, ground: str, min_contrast: float) -> str:
    """Returns the nearest lighter or darker shade of `colour` that has `min_contrast` with `ground`.

    Returns black or white if no shade has this contrast.
    """
    shades = (shade for shade in _lighter_and_darker(colour) if contrast(shade, ground) >= min_contrast)
    return next(shades, black_or_white(ground))


def _lighter_and_darker(colour: str) -> Iterator[str]:
    """Yields `colour`, then shades of it in steps towards black and white."""
    for step in range(_STEPS + 1):
        for end in (0, 255):
            mixed = [value + (end - value) * step // _STEPS for value in _channels(colour)]
            yield "#" + "".join(f"{value:02x}" for value in mixed)


def _channels(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
