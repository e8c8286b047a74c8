"""Second factors: the values, and the contract of their storage.

A person has at most one second factor: a secret that an authenticator app shares with linkauth (TOTP, RFC 6238), and
recovery codes for the loss of that app.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from linkauth.backends import BackendUnavailable

Method = Literal["totp", "recovery_code", "mail", "passkey"]
FREE_FAILURES = 5
"""How many wrong codes in succession are accepted without a wait."""
WAIT_SECONDS, MAX_WAIT_SECONDS = 30, 3_600
"""The wait after FREE_FAILURES wrong codes; each further one doubles it, up to the maximum. So whoever knows the
password of a person can try 24 of a million codes a day."""
RECOVERY_CODES = 10


class SecondFactorUnreadable(BackendUnavailable):
    """No secret in the ini file decrypts the second factor of the person. The message names the setting to change."""


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """The second factor of a person. Times are in seconds since 1970.

    `enrolment` is a random name of 22 characters: a later second factor of the same person has another one. `secret` is
    that of the authenticator app, and `pepper` is the key of the digests of the recovery codes. `last_step` is the time
    step of the last accepted code, and `codes_left` the number of unused recovery codes.
    """

    backend: str
    subject: str
    username: str
    enrolment: str
    secret: str = field(repr=False)
    pepper: bytes = field(repr=False)
    last_step: int
    enrolled_at: int
    codes_left: int = RECOVERY_CODES


@dataclass(frozen=True, slots=True)
class Proof:
    """What a typed code was found to be: the time step of a correct TOTP code, or the digest of a recovery code.

    Both are None for a code that cannot be correct.
    """

    step: int | None = None
    digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of an attempt. `retry_after` is in seconds, if `result` is "throttled".

    `result` is "used" for a correct code that was accepted before, and "gone" if the person no longer has this second
    factor. `codes_left` is the number of unused recovery codes. `failures` is the number of wrong codes in succession.
    """

    result: Literal["accepted", "wrong", "used", "throttled", "gone"]
    retry_after: int = 0
    codes_left: int = 0
    failures: int = 0


class SecondFactors(Protocol):
    """Stores second factors. Every method raises the errors of an unavailable storage."""

    def find(self, backend: str, subject: str) -> SecondFactor | None:
        """Returns the second factor of a person, or None. Raises SecondFactorUnreadable."""

    def enrol(self, factor: SecondFactor, digests: Sequence[bytes]) -> bool:
        """Stores a new second factor with the digests of its recovery codes.

        Returns False, and changes nothing, if the person has one already.
        """

    def attempt(self, factor: SecondFactor, proof: Proof, now: int) -> Attempt:
        """Accepts a proof, each one once, or counts a failure.

        Parallel attempts of several processes cannot have more failures together than successive ones.
        """


def wait_after(failures: int) -> int:
    """Returns how many seconds no code is accepted after that number of wrong ones in succession."""
    if failures < FREE_FAILURES:
        return 0
    # the exponent is limited, because a number of any size is slow to compute
    return min(WAIT_SECONDS << min(failures - FREE_FAILURES, 10), MAX_WAIT_SECONDS)
