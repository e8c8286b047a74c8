"""An attempt that the throttle counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from linkauth.login.throttle.counters import Bucket


@dataclass(eq=False, slots=True)
class Attempt:
    """An attempt to sign in. The caller reports the result with `failed()` or `succeeded()`, or neither if unknown.

    `taken` maps the buckets that count it as in progress to the times of their entries. `uncounted` are buckets that do
    not limit it, but count its failure. `names` are the normalized names, and the names of the accounts, of the person.
    `device` is the value of the cookie of the device, and `is_known` is set if it is known.
    """

    is_correct: bool | None = None
    taken: dict[Bucket, float] = field(default_factory=dict)
    uncounted: list[Bucket] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    device: str = ""
    is_known: bool = False

    def failed(self) -> None:
        self.is_correct = False

    def succeeded(self) -> None:
        self.is_correct = True
