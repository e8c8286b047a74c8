"""Makes the message (RFC 5322) of a mail from the texts of the theme.

No value can add a header: headers are made from texts without control characters, and the result is parsed again.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, Policy
from typing import Any

from linkauth.mail.addresses import Sender, parse_address
from linkauth.mail.outbox import StoredMail
from linkauth.mail.parts import Parts
from linkauth.mail.transport import OutgoingMail

SUBJECT_LIMIT = 200
"""Maximum length of a subject in characters."""
_POLICY, _POLICY_UTF8 = SMTP.clone(cte_type="7bit"), SMTPUTF8.clone(cte_type="7bit")
_LANGUAGE = re.compile(r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*")
_CONTROL_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}


def compose(stored: StoredMail, parts: Parts, sender: Sender) -> OutgoingMail:
    """Returns the mail with these texts: a plain and an HTML body, addressed to one recipient.

    Its Message-ID and Date do not depend on the attempt. Raises InvalidAddress if the recipient is not an address.
    """
    recipient = parse_address(stored.mail.recipient)
    message = EmailMessage(_POLICY_UTF8 if recipient.needs_utf8 else _POLICY)
    message["From"] = _Encoded("From", _sender_value(sender))
    message["To"] = str(recipient)
    message["Subject"] = _Encoded("Subject", _encoded_words("Subject", header_text(parts.subject)[:SUBJECT_LIMIT]))
    message["Date"] = datetime.fromtimestamp(stored.created_at, UTC)
    name = re.sub(r"[^A-Za-z0-9_-]", "", stored.message_id)
    message["Message-ID"] = f"<{name}@{sender.address.domain}>"
    # so that no vacation notice is sent as an answer (RFC 3834 section 5; Exchange has its own header)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    headers = {*message.keys(), "MIME-Version", "Content-Type"}
    message.set_content(_encodable(parts.text))
    message.add_alternative(_encodable(parts.html), subtype="html")
    # the same in each attempt; the random one of the email package would come from the random state of all threads
    message.set_boundary(f"=_{name}")
    if _LANGUAGE.fullmatch(stored.mail.language):
        # at the end, because the email package would move it into the first part
        message["Content-Language"] = stored.mail.language
        headers.add("Content-Language")
    content = message.as_bytes()
    if sorted(message_from_bytes(content).keys()) != sorted(headers):
        # a defect of the email package, which had several of this kind
        raise ValueError("the message would have other headers than intended")
    return OutgoingMail(name, stored.created_at, sender.address, recipient, content)


def header_text(text: str) -> str:
    """Returns a text for a header, on one line and without control characters."""
    visible = "".join(" " if unicodedata.category(letter) in _CONTROL_CATEGORIES else letter for letter in text)
    return " ".join(visible.split())


class _Encoded(str):
    """The encoded value of a header, in the form that policies of the email package leave as it is.

    When the package itself encodes a text of several scripts, it loses or adds spaces (Python 3.11 to 3.14).
    """

    name: str

    def __new__(cls, name: str, value: str) -> _Encoded:
        self = super().__new__(cls, value)
        self.name = name
        return self

    def fold(self, *, policy: Policy[Any]) -> str:
        return f"{self.name}: {self}{policy.linesep}"


def _encoded_words(name: str, text: str) -> str:
    """Returns the value of the header `name`, folded, with encoded words (RFC 2047) if it needs them."""
    charset = "us-ascii" if text.isascii() and "=?" not in text else "utf-8"
    return Header(text, charset, header_name=name).encode(linesep="\r\n")


def _sender_value(sender: Sender) -> str:
    name = header_text(sender.name)
    if not name:
        return str(sender.address)
    if name.isascii() and "=?" not in name:
        quoted = re.sub(r'(["\\])', r"\\\1", name)
        return f'"{quoted}" <{sender.address}>'
    return f"{_encoded_words('From', name)}\r\n <{sender.address}>"


def _encodable(text: str) -> str:
    """Returns the text with a question mark in place of each lone surrogate, which UTF-8 cannot contain."""
    return text.encode("utf-8", "replace").decode("utf-8")
