"""Recognizes the embedded browsers of apps by their User-Agent (RFC 8252 section 8.12).

Some sign-in providers refuse them. The table is from knowledge of these browsers and of the field; there is no standard
for it. A browser that calls itself something else is not recognized. In-app browser tabs (Custom Tabs,
SFSafariViewController, ASWebAuthenticationSession) are the real browser, which providers accept, and send its
User-Agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

USER_AGENT_LIMIT = 1_000
"""The number of characters of a User-Agent that are read."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Matches a User-Agent that contains each of `patterns` and none of `lacks`. Patterns are those of `matches`."""

    patterns: tuple[str, ...]
    lacks: tuple[str, ...] = ()


EMBEDDED_BROWSERS = (
    # WebView of Android 5 and later
    Rule(("android*; wv)",)),
    # WebView of Android 4.4, and apps that remove wv; some real browsers of phone makers send the same and their name
    Rule(("android*version/4.0 chrome/",), lacks=("browser/",)),
    # WKWebView and UIWebView: browsers on iOS add Safari/. On an iPad the device may be a Macintosh
    *(Rule((f"({device}*applewebkit/",), lacks=("safari/",)) for device in ("iphone", "ipad", "ipod", "macintosh")),
    # the Alexa app
    Rule(("pitanguibridge/",)),
    # Amazon's tablets: the pages that apps show have the User-Agent of the browser Silk
    Rule(("silk/",)),
    Rule(("amazonwebappplatform",)),
    # other apps; most of them are found by the rules above too
    *(Rule((app,)) for app in ("fban/", "fbav/", "fb_iab/", "instagram ", " line/", "micromessenger/", "kakaotalk ")),
    *(Rule((app,)) for app in ("twitter for ", "snapchat/", "[pinterest/", "linkedinapp", "bytedancewebview/")),
    *(Rule((app,)) for app in ("musical_ly_", "trill_", "naver(inapp", " gsa/", "googleapp/")),
)
"""The built-in table. All patterns are in lower case."""


def is_embedded(user_agent: str, patterns: Sequence[str] = ()) -> bool:
    """Return whether a User-Agent is that of an embedded browser.

    `patterns` replace the built-in table if there are any: the setting `linkauth.embedded_browsers`.
    """
    text = user_agent[:USER_AGENT_LIMIT].lower()
    if patterns:
        return any(matches(text, each) for each in patterns)
    return any(
        all(matches(text, each) for each in rule.patterns) and not any(matches(text, each) for each in rule.lacks)
        for rule in EMBEDDED_BROWSERS
    )


def matches(text: str, pattern: str) -> bool:
    """Return whether the parts of a pattern between its `*` occur in `text` in this order, anywhere in it.

    Lower and upper case of the pattern are the same; `text` is in lower case. A pattern without a text matches nothing.
    """
    parts = [part for part in pattern.lower().split("*") if part]
    position = 0
    for part in parts:
        found = text.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return bool(parts)
