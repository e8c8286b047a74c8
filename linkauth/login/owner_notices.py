"""Tells the owner of an account by mail that its second factor was set up or removed.

Somebody who has stolen a password could set up a second factor before the owner does. The mail is stored after the
change; if that fails, the change stays, and the log says that nobody was told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

from linkauth import redaction
from linkauth.logs import event
from linkauth.mail.addresses import InvalidAddress, parse_address
from linkauth.mail.message import Mail

log = logging.getLogger(__name__)

NoticeKind = Literal["second_factor_added", "second_factor_removed"]


class OwnerNotices:
    """Stores the notices with `put` of an outbox. `wake` tells the sender of mails that there may be a new one."""

    def __init__(self, put: Callable[[Mail, int], None], wake: Callable[[], object] = lambda: None) -> None:
        self._put, self._wake = put, wake

    def send(self, kind: NoticeKind, address: str, username: str, client_id: str, language: str, now: int) -> bool:
        """Stores a notice to the owner of the account `username`. Returns whether it will be sent. Raises nothing.

        `client_id` and `language` select the theme and its texts. `now` is in seconds since 1970.
        """
        try:
            recipient = str(parse_address(address))
        except InvalidAddress:
            event(log, logging.INFO, "nobody was told by mail", notice=kind, reason="no email address is known")
            return False
        try:
            self._put(Mail(kind, recipient, client_id, language, (username,)), now)
        except Exception as error:
            # any error of a storage: the second factor is changed already
            event(log, logging.ERROR, "nobody was told by mail", notice=kind, reason=redaction.reason(error))
            return False
        self._wake()
        return True
