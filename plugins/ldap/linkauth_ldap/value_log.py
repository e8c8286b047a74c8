"""Logs attribute values that are not understood."""

from __future__ import annotations

import logging

from linkauth.identities import shown_name
from linkauth_ldap.values import UnknownValue

log = logging.getLogger(__name__)


class UnknownValueLog:
    """Logs values that are not understood, each one once, and at most LIMIT of them."""

    LIMIT = 100

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()

    def log(self, unknown: UnknownValue, dn: str) -> None:
        key = unknown.attribute, unknown.value
        if key in self._logged or len(self._logged) >= self.LIMIT:
            return
        self._logged.add(key)
        more = "" if len(self._logged) < self.LIMIT else "; further ones are not logged"
        message = "account refused, a value is not understood: %s: attribute=%s dn=%a%s"
        log.error(message, unknown, unknown.attribute, shown_name(dn), more)
