"""Telephone numbers as user names. A person may type any spelling of the number that the user store contains."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from linkauth.backends.names import name_forms

_NUMBER = re.compile(r"[+0-9(][0-9 ()./\u2010-\u2015\u2212\u30fc-]*")
"""Texts that may be telephone numbers. Digits within another name are no number. A Japanese keyboard sends U+30FC, the
mark of a long vowel, for the hyphen between digits."""
_DIGITS = re.compile(r"[1-9][0-9]*")


class PhoneForms:
    """The forms of telephone numbers in a user store, in place of `name_forms`.

    `region` is the ISO 3166-1 code of the region of numbers that are typed without a country code.
    """

    def __init__(self, region: str) -> None:
        self.region = region

    def __call__(self, typed: str) -> tuple[str, ...]:
        """Returns the forms of a typed name, the best one first.

        If it is a valid number (ITU-T E.164), its spellings follow the forms of the text: `+4915123456789`,
        `015123456789`, `4915123456789`, `004915123456789`, `+49 1512 3456789` and `01512 3456789`. The national ones
        are included only for numbers of the region, because another region may have the same national number.
        """
        forms = name_forms(typed)
        return tuple(dict.fromkeys((*forms, *_spellings(forms[-1], self.region))))

    def key(self, typed: str) -> str:
        """Returns the number in the form E.164, or the typed name if it is no valid number."""
        return next(iter(_spellings(name_forms(typed)[-1], self.region)), typed)

    @property
    def example(self) -> str:
        """A number that a person of the region may type, in the national form."""
        import phonenumbers

        kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
        found = filter(None, (phonenumbers.example_number_for_type(self.region, kind) for kind in kinds))
        number = next(found, None)
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL) if number else ""


@lru_cache(1024)
def _spellings(text: str, region: str) -> tuple[str, ...]:
    import phonenumbers

    number = _parse(text, region)
    if number is None:
        return ()
    formats = phonenumbers.PhoneNumberFormat
    e164, international, national = (
        phonenumbers.format_number(number, each) for each in (formats.E164, formats.INTERNATIONAL, formats.NATIONAL)
    )
    is_home = number.country_code == phonenumbers.country_code_for_region(region)
    further = (e164[1:], f"00{e164[1:]}", international)
    # what user stores usually contain comes first
    return (e164, "".join(filter(str.isdecimal, national)), *further, national) if is_home else (e164, *further)


def _parse(text: str, region: str) -> Any:
    """Returns the valid number that a text means, or None."""
    import phonenumbers

    # address books put special spaces and direction marks between the digits
    text = "".join(" " if each.isspace() else each for each in text if unicodedata.category(each) != "Cf")
    if not _NUMBER.fullmatch(text):
        return None
    # the international number without its plus sign, which is not a national number with the same digits
    code = str(phonenumbers.country_code_for_region(region))
    texts = [f"+{text}"] if _DIGITS.fullmatch(text) and text.startswith(code) else []
    # 00 is understood also where another prefix is dialled, such as 011 in the USA
    international = [f"+{text[2:]}"] if text.startswith("00") else []
    for each in (*texts, text, *international):
        try:
            number = phonenumbers.parse(each, region)
        except phonenumbers.NumberParseException:
            continue
        if not number.extension and phonenumbers.is_valid_number(number):
            return number
    return None
