"""Colours that can be read, whatever colour is given (WCAG 2.2: relative luminance and contrast ratio)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

TEXT, EDGE = 4.5, 3.0
"""The least contrast of text (success criterion 1.4.3) and of edges and icons (1.4.11)."""
LINK, STRONG, NIGHT = 6.0, 7.0, 15.0
"""The contrast of links, of text that stands out, and of white text on a page that is dark."""
_STEPS = 64


def luminance(colour: str) -> float:
    """Of `#rrggbb`, from 0 for black to 1 for white."""
    channels = [value / 255 for value in _channels(colour)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """From 1 for the same to 21 for black and white."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def black_or_white(ground: str) -> str:
    """What is easier to read on `ground`; its contrast is never below 4.58."""
    return max("#ffffff", "#000000", key=lambda colour: contrast(colour, ground))


@lru_cache
def readable(colour: str, ground: str, least: float) -> str:
    """The colour nearest to `colour` whose contrast with `ground` is `least`: lighter or darker, of the same hue.

    Black or white where nothing has that contrast.
    """
    return next(
        (each for each in _lighter_and_darker(colour) if contrast(each, ground) >= least), black_or_white(ground)
    )


def _lighter_and_darker(colour: str) -> Iterator[str]:
    """`colour`, then step by step towards black and white."""
    for step in range(_STEPS + 1):
        for end in (0, 255):
            mixed = [value + (end - value) * step // _STEPS for value in _channels(colour)]
            yield "#" + "".join(f"{value:02x}" for value in mixed)


def _channels(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
