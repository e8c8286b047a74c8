"""`make audit`: asks advisory indexes about every pin of constraints.txt, by the pip-audit of this Python.

Exits with 1 if a pin has a known vulnerability, and with 0 where no index can be asked, which it says.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

PINS = Path(__file__).parent.parent / "constraints.txt"
SERVICES = ("pypi", "osv")
"""What pip-audit can ask; the first that knows a pin decides."""


def judge(answer: str) -> list[str] | None:
    """What pip-audit's JSON `answer` says is wrong, one line a fault; None if the index knew no pin at all."""
    try:
        found = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        # pip-audit writes none when it cannot reach its index
        return None
    if all("skip_reason" in each for each in found):
        return None
    wrong = [f"{each['name']}: not audited: {each['skip_reason']}" for each in found if "skip_reason" in each]
    for each in found:
        for hole in each.get("vulns", ()):
            fixed = ", ".join(hole.get("fix_versions", ())) or "no release yet"
            wrong.append(f"{each['name']} {each['version']}: {hole['id']}, fixed in {fixed}")
    return wrong


def ask(service: str, pins: Path) -> str:
    """pip-audit's answer about the pins of a file."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--format", "json"]
    options = ["--disable-pip", "--no-deps", "--progress-spinner", "off", "--requirement", str(pins)]
    return subprocess.run([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout  # noqa: S603


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        # without markers: the pins for other Pythons too
        every = Path(folder) / "pins.txt"
        lines = PINS.read_text("utf-8").splitlines()
        every.write_text("\n".join(line.partition(";")[0] for line in lines), "utf-8")
        for service in SERVICES:
            wrong = judge(ask(service, every))
            if wrong is not None:
                print("\n".join(wrong) or f"audit: no pin has a vulnerability that {service} knows")
                return 1 if wrong else 0
    print(f"AUDIT SKIPPED: no advisory index can be reached ({' and '.join(SERVICES)} were asked); nothing was checked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
