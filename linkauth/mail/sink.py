"""A folder that mails are written to instead of being sent, for development. The simulator shows its mails."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from linkauth.mail.transport import OutgoingMail, ServerUnavailable
from linkauth.redaction import reason


@dataclass(frozen=True, slots=True)
class SunkMail:
    """A mail in the folder. `name` is that of its file, `date` the value of its header Date."""

    name: str
    date: datetime
    to: str
    subject: str
    text: str
    html: str


class Sink:
    """The transport that writes mails to `folder`, each as a file `*.eml`. It creates the folder if needed.

    Only the account of linkauth can read new files and a new folder, because mails contain codes.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def send(self, mail: OutgoingMail) -> None:
        """Writes a mail. A second call for the same mail replaces the file. Raises ServerUnavailable."""
        written = datetime.fromtimestamp(mail.created_at, UTC)
        try:
            self._folder.mkdir(0o700, parents=True, exist_ok=True)
            # not visible as a mail before it is complete. It gets the mode 0600
            descriptor, temporary = tempfile.mkstemp(".part", dir=self._folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(mail.content)
                os.replace(temporary, self._folder / f"{written:%Y%m%dT%H%M%SZ}-{mail.name}.eml")
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError as error:
            problem = f"linkauth.mail.sink: the folder cannot be written: {reason(error)}"
            raise ServerUnavailable(problem, misconfigured=True) from error

    def abort(self) -> None:
        """Does nothing: writing takes no time."""


def sunk_mails(folder: str, limit: int = 50) -> list[SunkMail]:
    """Returns the newest mails in the folder, the newest first. Files that cannot be read are omitted."""
    try:
        files = [(path.name[:16], path.stat().st_mtime_ns, path) for path in Path(folder).glob("*.eml")]
    except OSError:
        # a file was deleted in the meantime
        return []
    mails = (_read(path) for _, _, path in sorted(files, reverse=True)[:limit])
    return [mail for mail in mails if mail]


def _read(path: Path) -> SunkMail | None:
    try:
        message = message_from_bytes(path.read_bytes(), policy=default)
        assert isinstance(message, EmailMessage)
        parts = (message.get_body((kind,)) for kind in ("plain", "html"))
        text, html = (part.get_content().replace("\r\n", "\n") if part else "" for part in parts)
        return SunkMail(
            path.name,
            message["Date"].datetime,
            str(message["To"]),
            str(make_header(decode_header(message["Subject"]))),
            text,
            html,
        )
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        # somebody else's file, or one that was just deleted
        return None
