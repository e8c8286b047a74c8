"""Tests that each error in an ini file is told by `serve` and by `doctor`, in one sentence that names the fix.

Everything runs in this process: the application is loaded and the server is made, but it serves no request.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.config.loader import StartError
from linkauth.simulator import people
from linkauth.web.serving import load, server
from tests.conftest import ROOT
from tests.deployment.broken_settings import CANARY, ERRORS, Error
from tests.servers.development_server import free_port


@pytest.fixture(scope="module")
def correct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A correct ini file: development.ini with a free port, without its logging, with tables and people."""
    folder = tmp_path_factory.mktemp("correct")
    text = (ROOT / "development.ini").read_text("utf-8").partition("[loggers]")[0]
    path = folder / "correct.ini"
    path.write_text(text.replace("6543", str(free_port())).replace("%(here)s", str(folder)), "utf-8")
    people.create(f"sqlite:///{folder}/var/people.sqlite")
    return path


def refusal(ini: Path) -> str:
    """Returns why `linkauth serve` does not start with this ini file, or "" if it would start."""
    try:
        loaded = load(str(ini))
    except StartError as error:
        return str(error)
    try:
        server(str(ini), loaded).close()
    except StartError as error:
        return str(error)
    finally:
        loaded.services.close()
    return ""


def doctor(ini: Path) -> tuple[int, str]:
    """Returns the exit code of `linkauth doctor` and what it prints."""
    result = CliRunner().invoke(main, ["doctor", "--offline", str(ini)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_a_correct_ini_file_starts_and_passes_all_checks(correct: Path) -> None:
    code, output = doctor(correct)
    assert (code, "FAILED" in output) == (0, False), output
    assert refusal(correct) == ""


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.sentence[:60])
def test_serve_and_doctor_name_the_fix_of_an_error(correct: Path, tmp_path: Path, error: Error) -> None:
    text, count = re.subn(error.pattern, error.replacement, correct.read_text("utf-8"), flags=re.MULTILINE)
    assert count, error.pattern
    ini = tmp_path / "broken.ini"
    ini.write_text(text, "utf-8")
    refused = refusal(ini)
    code, output = doctor(ini)
    assert error.sentence in refused
    # doctor writes a section without a key as a column of its own
    assert error.sentence.replace("[server:main] ", "[server:main]: ") in output.replace(
        "[server:main] ", "[server:main]: "
    )
    assert code == 1
    assert CANARY not in refused + output
    assert len(refused.splitlines()) < 8


@pytest.mark.parametrize(
    ("change", "encoding"),
    [
        (lambda text: text.replace("\n", "\r\n"), "utf-8"),
        (lambda text: text.replace(" = ", "\t=\t"), "utf-8"),
        (lambda text: text.replace("linkauth.theme = ", "linkauth.theme: "), "utf-8"),
        (
            lambda text: text.replace("linkauth.theme = default", "name = default\nlinkauth.theme = %(name)s"),
            "utf-8",
        ),
        (lambda text: text.replace("linkauth.theme", "pyramid.reload_templates = true\nlinkauth.theme"), "utf-8"),
    ],
)
def test_a_file_that_is_written_otherwise_is_accepted(
    correct: Path, tmp_path: Path, change: Callable[[str], str], encoding: str
) -> None:
    ini = tmp_path / "other.ini"
    ini.write_bytes(change(correct.read_text("utf-8")).encode(encoding))
    assert refusal(ini) == ""


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [
        ("utf-8-sig", "begins with a byte order mark: save it as UTF-8 without BOM"),
        ("utf-16", "is not text in UTF-8 (it looks like UTF-16): save it as UTF-8"),
        ("utf-16-le", "is not text in UTF-8 (it looks like UTF-16): save it as UTF-8"),
        ("latin-1", "line 2 is not text in UTF-8: save it as UTF-8"),
        ("cp1252", "line 2 is not text in UTF-8: save it as UTF-8"),
    ],
)
def test_an_ini_file_with_another_encoding_is_reported_with_the_fix(
    correct: Path, tmp_path: Path, encoding: str, sentence: str
) -> None:
    ini = tmp_path / "encoded.ini"
    text = correct.read_text("utf-8").replace("\n", f"\n# Prüfstück {CANARY}\n", 1)
    ini.write_bytes(text.encode(encoding, "replace"))
    outputs = [refusal(ini), doctor(ini)[1], CliRunner().invoke(main, ["db", "upgrade", str(ini)]).output]
    for output in outputs:
        assert f"{ini}: {sentence}" in output
        assert CANARY not in output


@pytest.mark.parametrize(
    ("text", "encoding", "sentence"),
    [
        ("[app:main]\n# Prüfstück\n", "latin-1", "base.ini: line 2 is not text in UTF-8"),
        ("[app:main]\n", "utf-16", "base.ini: is not text in UTF-8 (it looks like UTF-16): save it as UTF-8"),
        ("[app:main]\n", "utf-8-sig", "base.ini: begins with a byte order mark: save it as UTF-8 without BOM"),
        (f"[app:main]\n{CANARY}\n", "utf-8", "base.ini: line 2 is neither a [section] nor a key = value"),
        ("[app:main]\nlinkauth.a = 1\nlinkauth.a = 2\n", "utf-8", "base.ini: line 3: [app:main] linkauth.a is set in"),
        ("[app:main]\ntheme = default\n", "utf-8", "base.ini: line 2: [app:main] theme does not begin with linkauth."),
        ("[app:main]\nuse = config:broken.ini\n", "utf-8", "which includes this section"),
    ],
)
def test_an_error_in_an_included_ini_file_is_reported(tmp_path: Path, text: str, encoding: str, sentence: str) -> None:
    (tmp_path / "base.ini").write_text(text, encoding)
    ini = tmp_path / "broken.ini"
    ini.write_text("[app:main]\nuse = config:base.ini\n", "utf-8")
    refused = refusal(ini)
    assert sentence in refused
    assert CANARY not in refused
    assert sentence in doctor(ini)[1]


def test_a_folder_is_not_an_ini_file(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: is a folder: write the path of an ini file in it"
