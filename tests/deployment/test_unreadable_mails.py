"""Tests that doctor reports mails that a server cannot decrypt after a change of linkauth.secret."""

from __future__ import annotations

from pathlib import Path

from linkauth.simulator import people
from linkauth.storage import ChallengeStore, open_engine
from tests.cli.test_keys import SECRET, run_command
from tests.deployment.test_changed_secret import OTHER_SECRET, write
from tests.storage.challenge_values import new_started, start


def test_doctor_warns_about_mails_of_another_secret(tmp_path: Path) -> None:
    ini = write(tmp_path / "linkauth.ini", jwts=False)
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    run_command("db", "upgrade", ini)
    engine = open_engine(f"sqlite:///{tmp_path}/linkauth.sqlite", for_operator=True)
    start(ChallengeStore(engine, SECRET), new_started())
    engine.dispose()
    assert "all checks passed" in run_command("doctor", "--offline", ini)
    write(ini, jwts=False, secret=OTHER_SECRET)
    (line,) = [line for line in run_command("doctor", "--offline", ini).splitlines() if "mails: " in line]
    assert line.startswith("warning")
    assert "1 waiting mail(s) cannot be decrypted" in line
    assert "linkauth.previous_secrets" in line
    assert OTHER_SECRET not in line
    assert SECRET not in line
    write(ini, jwts=False, secret=OTHER_SECRET, previous_secrets=SECRET)
    assert "all checks passed" in run_command("doctor", "--offline", ini)
