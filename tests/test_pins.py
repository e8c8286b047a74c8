"""Tests that constraints.txt pins every installed distribution, for all supported Pythons and within all ranges."""

from __future__ import annotations

import re
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
TEMPLATES = sorted(ROOT.glob("linkauth/cli/templates/*/setup.py.template"))
SETUPS = [ROOT / "setup.py", *sorted(ROOT.glob("*/*/setup.py")), *TEMPLATES]
OWN_DISTRIBUTION = re.compile(r"linkauth\b|\{\{")
"""The distributions of this repository, which have no pins."""
LOWEST_SAFE_VERSIONS = {
    "babel": "2.9.1",
    "cryptography": "46.0.7",
    "jinja2": "3.1.6",
    "joserfc": "1.6.3",
    "mako": "1.3.11",
    "pyasn1": "0.6.4",
    "pymysql": "1.1.1",
    "pyramid": "2.0.2",
    "pytest": "9.0.3",
    "requests": "2.33.0",
    "setuptools": "78.1.1",
    "urllib3": "2.7.0",
    "waitress": "3.0.1",
    "webob": "1.8.8",
    "werkzeug": "3.1.6",
}
"""The lowest releases without a published vulnerability. Version ranges must not permit lower releases."""


def supported_pythons() -> list[str]:
    """Returns the Python versions in README.md.

    The tests use the first release of each, for which Requires-Python is strictest.
    """
    match = re.search(r"Python 3\.(\d+) to 3\.(\d+)", (ROOT / "README.md").read_text("utf-8"))
    assert match, "README.md must name the supported Python versions"
    return [f"3.{minor}" for minor in range(int(match[1]), int(match[2]) + 1)]


def requirements(*lines: str) -> Iterator[Requirement]:
    """Yields the requirements in lines of a requirements file, without comments."""
    for line in lines:
        if text := re.sub(r"(^|\s)#.*", "", line).strip():
            yield Requirement(text)


def marker_environment(python: str) -> dict[str, str]:
    """Returns the environment in which markers are evaluated for a Python version."""
    return {"python_version": python, "python_full_version": f"{python}.0"}


PINS = list(requirements(*(ROOT / "constraints.txt").read_text("utf-8").splitlines()))


def pins(python: str) -> dict[str, Version]:
    """Returns the pinned version of each distribution for a Python version, by its canonical name."""
    pinned = [pin for pin in PINS if pin.marker is None or pin.marker.evaluate(marker_environment(python))]
    versions = {canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in pinned}
    assert len(versions) == len(pinned), f"a distribution is pinned twice for Python {python}"
    return versions


def installed_distributions() -> list[Distribution]:
    """Returns the distributions in this environment, without those that are vendored in setuptools."""
    return list(distributions(path=list({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})))


def setup_arguments(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Returns the arguments that a setup.py passes to setuptools.setup."""
    arguments: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", arguments.update)
    monkeypatch.chdir(ROOT)
    exec(compile(path.read_text("utf-8"), path.name, "exec"), {"__name__": "__main__"})
    return arguments


def version_ranges(setup: dict[str, Any]) -> Iterator[Requirement]:
    """Yields every requirement of a setup.py, including those of its extras."""
    lines = [
        *setup["install_requires"],
        *(line for extra in setup.get("extras_require", {}).values() for line in extra),
    ]
    yield from requirements(*(line for line in lines if not OWN_DISTRIBUTION.match(line)))


def test_every_pin_is_an_exact_version() -> None:
    assert [str(pin) for pin in PINS if [specifier.operator for specifier in pin.specifier] != ["=="]] == []


@pytest.mark.parametrize("python", supported_pythons())
def test_every_pin_supports_every_python_version(python: str) -> None:
    """Checks Requires-Python of the installed distributions. A pin for certain Python versions has a marker."""
    pinned = pins(python)
    problems = [
        f"{distribution.name} {distribution.version} requires Python {expected}"
        for distribution in installed_distributions()
        if (expected := distribution.metadata.get("Requires-Python"))
        and pinned.get(canonicalize_name(distribution.name)) == Version(distribution.version)
        and f"{python}.0" not in SpecifierSet(expected)
    ]
    assert problems == []


def test_every_installed_distribution_has_the_pinned_version() -> None:
    """pip is not pinned, because it comes with Python."""
    pinned, problems = pins(f"{sys.version_info.major}.{sys.version_info.minor}"), []
    for distribution in installed_distributions():
        name = canonicalize_name(distribution.name)
        if name != "pip" and not OWN_DISTRIBUTION.match(name) and pinned.get(name) != Version(distribution.version):
            problems.append(f"{name} {distribution.version} is pinned to {pinned.get(name)}")
    assert problems == []


@pytest.mark.parametrize("python", supported_pythons())
def test_every_dependency_of_an_installed_distribution_is_pinned(python: str) -> None:
    """Also for other Python versions: a dependency that only a later Python needs is pinned with a marker."""
    pinned, problems = pins(python), []
    for distribution in installed_distributions():
        for line in distribution.requires or [] if canonicalize_name(distribution.name) in pinned else []:
            expected = Requirement(line)
            version = pinned.get(canonicalize_name(expected.name))
            if expected.marker and not expected.marker.evaluate({**marker_environment(python), "extra": ""}):
                continue
            if version is None or version not in expected.specifier:
                problems.append(f"{distribution.name} requires {line}, but the pin is {version}")
    assert problems == []


@pytest.mark.parametrize("path", SETUPS, ids=lambda path: str(path.relative_to(ROOT)))
def test_version_ranges_contain_the_pins_and_no_release_with_a_known_vulnerability(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = setup_arguments(path, monkeypatch)
    problems = []
    for expected in version_ranges(setup):
        minimums = [Version(specifier.version) for specifier in expected.specifier if specifier.operator == ">="]
        safe = Version(LOWEST_SAFE_VERSIONS.get(canonicalize_name(expected.name), "0"))
        problems += [] if minimums and minimums[0] >= safe else [f"{expected} permits releases below {safe}"]
        for python in supported_pythons():
            version = pins(python).get(canonicalize_name(expected.name))
            problems += [] if version and version in expected.specifier else [f"{expected}: the pin is {version}"]
    assert problems == []
    assert [
        python for python in supported_pythons() if f"{python}.0" not in SpecifierSet(setup["python_requires"])
    ] == []


@pytest.mark.parametrize("python", supported_pythons())
def test_the_locked_versions_are_the_pins(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make lock` updates locked.txt, which contains all dependencies of servers and of the optional drivers."""
    text = (ROOT / "locked.txt").read_text("utf-8").replace("\\\n", "")
    # there are no URLs, so that locked.txt also works with a mirror
    assert "://" not in text
    locked: dict[str, Version] = {}
    for line in text.splitlines()[1:]:
        requirement, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        assert hashes, requirement
        for pin in requirements(requirement):
            if pin.marker is None or pin.marker.evaluate(marker_environment(python)):
                locked[canonicalize_name(pin.name)] = Version(next(iter(pin.specifier)).version)
    pinned = pins(python)
    assert {name: version for name, version in locked.items() if pinned.get(name) != version} == {}
    expected = set()
    for path in set(SETUPS) - set(TEMPLATES):
        setup = setup_arguments(path, monkeypatch)
        # a browser's tools are for theme authors, not for servers
        setup.get("extras_require", {}).pop("axe", None)
        expected |= {canonicalize_name(requirement.name) for requirement in version_ranges(setup)}
    assert expected - set(locked) == set()


def test_no_pin_has_a_known_vulnerability() -> None:
    for python in supported_pythons():
        for name, version in pins(python).items():
            assert version >= Version(LOWEST_SAFE_VERSIONS.get(name, "0")), name
