"""The visit of a person who recovers a password or registers: the request that the steps have in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visit:
    """The authorization request that the steps of a recovery or registration belong to.

    `query` is the raw query string, which is the same in each step. `client_id` and `language` select the theme of the
    mails and their texts. `address` is the IP address of the person. `is_embedded` is whether the browser is the
    embedded one of an app, which has no passkeys.
    """

    query: str
    client_id: str
    language: str
    address: str
    is_embedded: bool = False
