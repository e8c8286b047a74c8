"""A mail before it is rendered: its kind and its values. The theme has the texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

MailKind = Literal[
    "recovery_code",
    "user_names",
    "password_changed",
    "registration_code",
    "name_taken",
    "account_exists",
    "second_factor_code",
    "test",
]
"""`user_names`: several accounts have this address, and the mail lists their names. `password_changed`: a notice after
a recovery. `name_taken` and `account_exists`: answers to a registration, which the page does not give.
`second_factor_code`: a code for the second step of a sign-in."""
MAIL_KINDS: tuple[MailKind, ...] = get_args(MailKind)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one person.

    `recipient` is an email address. If it is "", the mail is stored like any other, but not sent, so that the time of a
    request does not show whether an account exists. `client_id` and `language` select the theme and its
    texts. `names` are the user names of accounts. `code` has 8 characters, valid for `minutes`.
    """

    kind: MailKind
    recipient: str = field(repr=False)
    client_id: str
    language: str
    names: tuple[str, ...] = field(default=(), repr=False)
    code: str = field(default="", repr=False)
    minutes: int = 0
