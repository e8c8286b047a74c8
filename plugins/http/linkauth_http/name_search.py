"""Sends the forms of a typed name to the API one after another, in the same number of requests for every outcome."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeVar

from linkauth.backends import AccountRefused, UnknownUser, WrongPassword, name_forms
from linkauth.backends.names import NameForms

Result = TypeVar("Result")


def composed_forms(forms: NameForms, username: str) -> list[str]:
    """Returns the forms of a typed name in the form NFC, which APIs expect, without repeats; the best one first."""
    return list(dict.fromkeys(unicodedata.normalize("NFC", form) for form in forms(username)))


def likely_forms(forms: NameForms, username: str, limit: int) -> list[str]:
    """Returns at most `limit` of the composed forms: the typed one, then those that an API most likely contains.

    These are the spellings of a telephone number, and then the forms with the most changes, such as plain ASCII.
    """
    typed, *others = composed_forms(name_forms, username)
    spellings = [form for form in composed_forms(forms, username) if form not in (typed, *others)]
    return [typed, *spellings, *reversed(others)][:limit]


def first_known(
    names: Sequence[str],
    call: Callable[[str], Result],
    spend: Callable[[], object],
    probe: Callable[[], tuple[bool, int]] = lambda: (True, 0),
    likely: Sequence[str] = (),
) -> Result:
    """Returns the result of `call` for the first name that the API knows. Raises what `call` raises.

    `probe` returns whether the API tells an unknown name from a wrong password, and how many requests it has sent to
    find out. If it does not, the names of `likely` are tried also after WrongPassword, and no others: the API may count
    each as a failure of one account. If an earlier name than the last one is refused, `spend` is called for each
    further name, so that the time does not show that the API knows it.
    """
    rest, tried = list(names), set[str]()
    while rest:
        name = rest.pop(0)
        tried.add(name)
        try:
            return call(name)
        except UnknownUser:
            if not rest:
                raise
        except WrongPassword:
            if not rest:
                raise
            tells_unknown, sent = probe()
            if tells_unknown:
                _spend(spend, len(rest) - sent)
                raise
            rest = [each for each in likely if each not in tried]
            if not rest:
                raise
        except AccountRefused as refused:
            if not refused.proven:
                _spend(spend, len(rest))
            raise
    raise UnknownUser


def _spend(spend: Callable[[], object], count: int) -> None:
    for _ in range(count):
        spend()
