"""The check of `linkauth doctor` for the list of breached passwords."""

from __future__ import annotations

from collections.abc import Iterator

from linkauth.cli.findings import Configuration, Finding, failed, ok
from linkauth.login.password_policy import LeakedPasswords
from linkauth.redaction import redact

KEY = "linkauth.breached_passwords"


def breached_passwords_checks(configuration: Configuration) -> Iterator[Finding]:
    """Opens the file of breached passwords, if one is configured."""
    path = configuration.settings.breached_passwords
    if not path:
        return
    try:
        LeakedPasswords(path)
    except ValueError as error:
        yield failed("passwords.breached", KEY, redact(error))
    else:
        yield ok("passwords.breached", KEY, "sorted SHA-1 hashes")
