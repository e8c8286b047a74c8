"""The permanent identifier of a person in a response, and the form of a typed name."""

from __future__ import annotations

import re
import unicodedata

SUBJECT_LIMIT = 255
CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def is_subject(text: str) -> bool:
    """Returns whether a text can identify a person."""
    return bool(text.strip()) and len(text) <= SUBJECT_LIMIT and not CONTROL_CHARACTERS.search(text)


def normalized_name(username: str, is_sensitive: bool) -> str:
    """Returns the name in the form NFC, and in lower case if the API ignores the case of names.

    Case folding is not used, because it equates different names (ß and ss).
    """
    composed = unicodedata.normalize("NFC", username)
    return composed if is_sensitive else unicodedata.normalize("NFC", composed.lower())
