"""The user names of a backend: `accepts`, `username_form = phone` and `phone_region`."""

from __future__ import annotations

from linkauth.config.reader import Keys
from linkauth.config.values import convert
from linkauth.redaction import redact

_OFTEN_MEANT = {"UK": "GB", "EN": "GB", "EL": "GR", "DEU": "DE", "USA": "US"}
"""Codes that are no regions, and what they stand for."""


def read_accepts(keys: Keys, prefix: str) -> tuple[str, ...]:
    """Returns the patterns of the user names that may belong to a backend."""
    try:
        patterns: tuple[str, ...] = convert(keys.pop(prefix + "accepts") or "", tuple[str, ...])
    except ValueError as error:
        keys.add_fault(prefix + "accepts", redact(error))
        return ()
    # no name looks like this, so the backend would never be called
    if any(pattern.startswith(("@", "\\")) or pattern.endswith(("@", "\\")) for pattern in patterns):
        problem = "has a pattern without *, which no user name matches: write *@example.com or EXAMPLE\\*"
        keys.add_fault(prefix + "accepts", problem)
    return patterns


def read_phone_region(keys: Keys, prefix: str) -> str:
    """Returns the region of telephone numbers without a country code, or "" if user names are any texts."""
    form, region = keys.pop(prefix + "username_form"), (keys.pop(prefix + "phone_region") or "").upper()
    if form not in (None, "", "any", "phone"):
        keys.add_fault(prefix + "username_form", "is neither any nor phone")
    elif form != "phone" and region:
        keys.add_fault(prefix + "phone_region", "applies only to username_form = phone, which is not set")
    elif form == "phone" and (problem := _region_problem(region)):
        keys.add_fault(prefix + "phone_region", problem)
    elif form == "phone":
        return region
    return ""


def _region_problem(region: str) -> str:
    """Returns what is wrong with a region, or ""."""
    # the data take some time to import, and few backends need them
    import phonenumbers

    if not region:
        return "is missing: set the region of numbers without a country code, such as DE or US"
    if region in phonenumbers.SUPPORTED_REGIONS:
        return ""
    nearest = _nearest_region(region, sorted(phonenumbers.SUPPORTED_REGIONS))
    hint = f"; the nearest known region is {nearest}" if nearest else ""
    return f"is not a region with telephone numbers: set its two letters of ISO 3166-1, such as DE or US{hint}"


def _nearest_region(region: str, known: list[str]) -> str:
    """Returns the known region whose code or English name is most like the text, or ""."""
    import difflib

    from babel.core import Locale

    if region in _OFTEN_MEANT:
        return _OFTEN_MEANT[region]
    names = Locale.parse("en").territories
    by_name = {names[code].upper(): code for code in known if code in names}
    spellings = {code: code for code in known} if len(region) <= 3 else by_name
    found = difflib.get_close_matches(region, sorted(spellings), n=len(known), cutoff=0.5)
    # people rarely mistype the first letter
    found.sort(key=lambda each: not each.startswith(region[:1]))
    return spellings[found[0]] if found else ""
