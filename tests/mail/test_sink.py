"""Tests of the folder that mails are written to in development."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from linkauth.mail.compose import compose
from linkauth.mail.sink import Sink, sunk_mails
from linkauth.mail.transport import ServerUnavailable
from tests.mail.mails import ADA, NOW, SENDER, outgoing, render, stored


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var" / "mails"


def test_a_mail_is_written_for_its_owner_only_and_read_again(folder: Path) -> None:
    Sink(str(folder)).send(outgoing("ada@bücher.example"))
    (mail,) = sunk_mails(str(folder))
    parts = render(stored().mail)
    assert (mail.to, mail.subject, mail.text) == ("ada@xn--bcher-kva.example", parts.subject, parts.text)
    assert mail.html.rstrip("\n") == parts.html
    assert mail.date == datetime.fromtimestamp(NOW, UTC)
    (file,) = folder.iterdir()
    assert file.name == mail.name
    assert [path.stat().st_mode & 0o777 for path in (folder, file)] == [0o700, 0o600]


def test_texts_of_other_scripts_are_read_again(folder: Path) -> None:
    given = stored(names=("例え", "آدا", 'Jürgen, "O\'Brien" 🚗'))
    Sink(str(folder)).send(compose(given, render(given.mail), SENDER))
    (mail,) = sunk_mails(str(folder))
    assert (mail.subject, mail.text) == (render(given.mail).subject, render(given.mail).text)


def test_a_mail_that_is_sent_twice_is_in_the_folder_once(folder: Path) -> None:
    for number in (1, 1, 2):
        Sink(str(folder)).send(outgoing(number=number))
    assert len(sunk_mails(str(folder))) == 2


def test_the_newest_mails_come_first(folder: Path) -> None:
    for number in range(5):
        Sink(str(folder)).send(outgoing(f"ada{number}@example.com", number))
        (file,) = folder.glob(f"*{number:020}.eml")
        os.utime(file, ns=(NOW, NOW + number))
    assert [mail.to for mail in sunk_mails(str(folder), limit=2)] == ["ada4@example.com", "ada3@example.com"]


def test_other_files_and_a_missing_folder_are_ignored(folder: Path) -> None:
    assert sunk_mails(str(folder)) == []
    Sink(str(folder)).send(outgoing())
    (folder / "empty.eml").touch()
    (folder / "binary.eml").write_bytes(bytes(range(256)))
    (folder / "folder.eml").mkdir()
    (folder / "half.part").write_bytes(b"Subject: half")
    assert [mail.to for mail in sunk_mails(str(folder))] == [ADA]


def test_a_folder_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServerUnavailable, match=r"linkauth\.mail\.sink: .*written"):
        Sink(str(tmp_path / "file")).send(outgoing())
