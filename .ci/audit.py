"""`make audit`: checks every pinned version in constraints.txt for known vulnerabilities, with pip-audit.

The exit code is 1 if a pin has a known vulnerability or cannot be audited. It is 0 if no vulnerability service can be
reached; the output then reports that nothing was checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

PINS = Path(__file__).parent.parent / "constraints.txt"
SERVICES = ("pypi", "osv")
"""The vulnerability services of pip-audit. The first one that knows at least one pin is used."""


def problems(report: str) -> list[str] | None:
    """Returns one line for each problem in a JSON report of pip-audit, or None if the service knew none of the pins."""
    try:
        dependencies = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        # pip-audit writes no report if it cannot reach the service
        return None
    if all("skip_reason" in dependency for dependency in dependencies):
        return None
    skipped = [dependency for dependency in dependencies if "skip_reason" in dependency]
    lines = [f"{dependency['name']}: not audited: {dependency['skip_reason']}" for dependency in skipped]
    for dependency in dependencies:
        for vulnerability in dependency.get("vulns", ()):
            fixed = ", ".join(vulnerability.get("fix_versions", ())) or "no release yet"
            lines.append(f"{dependency['name']} {dependency['version']}: {vulnerability['id']}, fixed in {fixed}")
    return lines


def run_pip_audit(service: str, pins: Path) -> str:
    """Returns the JSON report of pip-audit for a file of pins, or "" if the service cannot be reached."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--format", "json"]
    options = ["--disable-pip", "--no-deps", "--progress-spinner", "off", "--requirement", str(pins)]
    return subprocess.run([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout  # noqa: S603


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        # remove the environment markers, to audit the pins for other Python versions too
        pins = Path(folder) / "pins.txt"
        lines = PINS.read_text("utf-8").splitlines()
        pins.write_text("\n".join(line.partition(";")[0] for line in lines), "utf-8")
        for service in SERVICES:
            vulnerable_pins = problems(run_pip_audit(service, pins))
            if vulnerable_pins is not None:
                print("\n".join(vulnerable_pins) or f"audit: {service} knows no vulnerability of a pin")
                return 1 if vulnerable_pins else 0
    print(
        f"AUDIT SKIPPED: no vulnerability service can be reached (tried {' and '.join(SERVICES)}); nothing was checked"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
