"""constraints.txt holds for every Python that README promises, for all that is installed, within setup.py's ranges."""

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
OWN = re.compile(r"linkauth\b|\{\{")
"""What comes from this repository: it has no pin."""
SAFE = {
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
"""The lowest releases without a published hole, of what had one; a range must not reach below."""


def promised() -> list[str]:
    """The Pythons that README promises: the first release of each, which is the strictest for a Requires-Python."""
    found = re.search(r"Python 3\.(\d+) to 3\.(\d+)", (ROOT / "README.md").read_text("utf-8"))
    assert found, "README says which Pythons linkauth runs on"
    return [f"3.{minor}" for minor in range(int(found[1]), int(found[2]) + 1)]


def requirements(*lines: str) -> Iterator[Requirement]:
    """The requirements of lines of a pip file, without comments."""
    for line in lines:
        if text := re.sub(r"(^|\s)#.*", "", line).strip():
            yield Requirement(text)


def environment(python: str) -> dict[str, str]:
    """What a marker sees under that Python."""
    return {"python_version": python, "python_full_version": f"{python}.0"}


PINS = list(requirements(*(ROOT / "constraints.txt").read_text("utf-8").splitlines()))


def pins(python: str) -> dict[str, Version]:
    """Name and version of everything that is pinned for that Python."""
    chosen = [pin for pin in PINS if pin.marker is None or pin.marker.evaluate(environment(python))]
    found = {canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in chosen}
    assert len(found) == len(chosen), f"a pin is there twice for Python {python}"
    return found


def installed() -> list[Distribution]:
    """What is in this environment, without what setuptools brings inside itself."""
    return list(distributions(path=list({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})))


def declared(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a setup.py hands to setuptools."""
    kept: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", kept.update)
    monkeypatch.chdir(ROOT)
    exec(compile(path.read_text("utf-8"), path.name, "exec"), {"__name__": "__main__"})
    return kept


def ranges(setup: dict[str, Any]) -> Iterator[Requirement]:
    """Every range of a setup.py, those of its extras too."""
    lines = [
        *setup["install_requires"],
        *(line for extra in setup.get("extras_require", {}).values() for line in extra),
    ]
    yield from requirements(*(line for line in lines if not OWN.match(line)))


def test_every_pin_is_an_exact_version() -> None:
    assert [str(pin) for pin in PINS if [each.operator for each in pin.specifier] != ["=="]] == []


@pytest.mark.parametrize("python", promised())
def test_no_pin_excludes_a_promised_python(python: str) -> None:
    """By the Requires-Python of what is installed; a pin that is for other Pythons only says so with a marker."""
    chosen = pins(python)
    wrong = [
        f"{each.name} {each.version} wants Python {expected}"
        for each in installed()
        if (expected := each.metadata.get("Requires-Python"))
        and chosen.get(canonicalize_name(each.name)) == Version(each.version)
        and f"{python}.0" not in SpecifierSet(expected)
    ]
    assert wrong == []


def test_everything_that_is_installed_has_its_pin() -> None:
    """And is what the pin says; pip itself comes with Python."""
    chosen, wrong = pins(f"{sys.version_info.major}.{sys.version_info.minor}"), []
    for each in installed():
        name = canonicalize_name(each.name)
        if name != "pip" and not OWN.match(name) and chosen.get(name) != Version(each.version):
            wrong.append(f"{name} {each.version} is pinned to {chosen.get(name)}")
    assert wrong == []


@pytest.mark.parametrize("python", promised())
def test_what_is_installed_asks_for_nothing_that_has_no_pin(python: str) -> None:
    """On other Pythons too: a dependency that only a later Python has is pinned with its marker."""
    chosen, wrong = pins(python), []
    for each in installed():
        for line in each.requires or [] if canonicalize_name(each.name) in chosen else []:
            expected = Requirement(line)
            version = chosen.get(canonicalize_name(expected.name))
            if expected.marker and not expected.marker.evaluate({**environment(python), "extra": ""}):
                continue
            if version is None or version not in expected.specifier:
                wrong.append(f"{each.name} wants {line}, pinned is {version}")
    assert wrong == []


@pytest.mark.parametrize("path", SETUPS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_ranges_of_a_distribution_hold_its_pins_and_no_release_with_a_known_hole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = declared(path, monkeypatch)
    wrong = []
    for expected in ranges(setup):
        floors = [Version(each.version) for each in expected.specifier if each.operator == ">="]
        safe = Version(SAFE.get(canonicalize_name(expected.name), "0"))
        wrong += [] if floors and floors[0] >= safe else [f"{expected} reaches below {safe}"]
        for python in promised():
            version = pins(python).get(canonicalize_name(expected.name))
            wrong += [] if version and version in expected.specifier else [f"{expected}: pinned is {version}"]
    assert wrong == []
    assert [python for python in promised() if f"{python}.0" not in SpecifierSet(setup["python_requires"])] == []


@pytest.mark.parametrize("python", promised())
def test_the_locked_versions_are_the_pins(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make lock` writes them anew; it locks everything that a server may be told to use."""
    text = (ROOT / "locked.txt").read_text("utf-8").replace("\\\n", "")
    # a hash without an address: whoever has a mirror installs from it
    assert "://" not in text
    locked: dict[str, Version] = {}
    for line in text.splitlines()[1:]:
        requirement, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        assert hashes, requirement
        for pin in requirements(requirement):
            if pin.marker is None or pin.marker.evaluate(environment(python)):
                locked[canonicalize_name(pin.name)] = Version(next(iter(pin.specifier)).version)
    chosen = pins(python)
    assert {name: version for name, version in locked.items() if chosen.get(name) != version} == {}
    expected = set()
    for path in set(SETUPS) - set(TEMPLATES):
        setup = declared(path, monkeypatch)
        # a browser's tools are for theme authors, not for servers
        setup.get("extras_require", {}).pop("axe", None)
        expected |= {canonicalize_name(each.name) for each in ranges(setup)}
    assert expected - set(locked) == set()


def test_the_pins_themselves_have_no_known_hole() -> None:
    for python in promised():
        wrong = {name: str(version) for name, version in pins(python).items() if version < Version(SAFE.get(name, "0"))}
        assert wrong == {}
