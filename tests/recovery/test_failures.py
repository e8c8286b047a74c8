"""Tests of a recovery while a backend or the storage is unavailable: nothing is lost, and the form works later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from linkauth.backends import BackendUnavailable, UnknownUser
from linkauth.config.settings import SettingsError
from tests.backends.recovering import FIRST_PASSWORD
from tests.recovery.conftest import MAIL_SETTINGS
from tests.recovery.visitor import NEW, Site, alert, form_of, heading

UNAVAILABLE = "This does not work right now"
CHANGED = "Your password has been changed, but nothing is linked yet"
WAIT_SECONDS = 60
PASSWORDS = {"new_password": NEW, "repeated_password": NEW}


@contextmanager
def without_table(site: Site, table: str) -> Iterator[None]:
    """Makes every statement on a table of the storage fail."""
    with site.services.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO hidden_{table}"))
    try:
        yield
    finally:
        with site.services.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE hidden_{table} RENAME TO {table}"))


@pytest.mark.parametrize("method", ["recipient", "people_at"])
def test_backend_that_is_down_at_the_start_is_said_and_the_form_works_later(site: Site, method: str) -> None:
    typed = f"ada-down-{method.replace('_', '-')}@mail.example"
    site.backend.faults.set(method, BackendUnavailable("connection refused"))
    visitor = site.visitor()
    visitor.open()
    page = visitor.send(username=typed, status=503)
    assert (alert(page), page.headers["Retry-After"]) == (UNAVAILABLE, "30")
    assert form_of(page)["username"].value == typed
    assert site.mails(typed) == []
    site.backend.faults.clear()
    visitor.send(status=200)
    assert len(site.mails(typed)) == 1


def test_backend_that_is_down_at_the_end_leaves_the_code_usable(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("ada-end")
    visitor.enter(site.code("ada-end"))
    for error in (BackendUnavailable("down"), RuntimeError("crash"), SystemExit("exit")):
        site.backend.faults.set("reset_password", error)  # type: ignore[arg-type]
        page = visitor.choose(status=503)
        assert (heading(page), alert(page)) == ("Choose a new password", UNAVAILABLE)
        assert NEW not in page.text
    assert site.backend.password_of("ada-end") == FIRST_PASSWORD
    site.backend.faults.clear()
    visitor.choose()
    visitor.linked()


def test_second_post_waits_for_the_first_one_and_succeeds_if_that_fails(site: Site) -> None:
    first, second = site.visitor(), site.visitor()
    first.ask("ada-both")
    second.page = first.enter(site.code("ada-both"))
    hold = site.backend.faults.hold("reset_password", "ada-both", BackendUnavailable("down"))
    with ThreadPoolExecutor(2) as pool:
        failing = pool.submit(first.choose, status=503)
        assert hold.entered.wait(WAIT_SECONDS)
        succeeding = pool.submit(second.send, **PASSWORDS)
        hold.released.set()
        assert alert(failing.result()) == UNAVAILABLE
        if succeeding.result().status_int == 503:
            # the machine is so busy that the first one has taken several seconds
            second.choose()
    second.linked()
    assert site.backend.password_of("ada-both") == NEW


def test_failed_sign_in_after_the_change_is_said(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("ada-signs")
    visitor.enter(site.code("ada-signs"))
    site.backend.faults.set("accepted", BackendUnavailable("down"))
    assert alert(visitor.choose(status=503)) == CHANGED
    site.backend.faults.clear()
    visitor.send(username="ada-signs", password=NEW, status=303)
    visitor.linked()


def test_account_that_disappears_starts_again(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("ada-gone")
    visitor.enter(site.code("ada-gone"))
    site.backend.faults.set("reset_password", UnknownUser())
    page = visitor.choose(status=403)
    assert alert(page) == "This code cannot be used any more"
    assert form_of(page)["username"].value == "ada-gone"


@pytest.mark.parametrize("table", ["challenges", "outbox"])
def test_storage_that_is_down_is_said_at_every_step_and_the_forms_work_later(site: Site, table: str) -> None:
    username = f"ada-storage-{table}"
    visitor = site.visitor()
    visitor.open()
    for values in ({"username": username}, {"code": ""}, PASSWORDS):
        if "code" in values:
            values = {"code": site.code(username)}
        with without_table(site, table):
            before = heading(visitor.page)
            needs_table = table == "challenges" or "username" in values
            if needs_table:
                page = visitor.send(status=503, **values)
                assert (heading(page), alert(page)) == (before, UNAVAILABLE)
                if "username" in values:
                    assert form_of(page)["username"].value == username
        if "new_password" in values and table == "outbox":
            # the notice cannot be stored, but the password is set
            with without_table(site, table):
                assert alert(visitor.send(status=503, **values)) == CHANGED
            assert site.backend.password_of(username) == NEW
            return
        visitor.send(status=303 if "new_password" in values else 200, **values)
    visitor.linked()
    assert len(site.mails(f"{username}@mail.example")) == 2


def test_link_that_cannot_be_stored_is_said(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("ada-link")
    visitor.enter(site.code("ada-link"))
    with without_table(site, "links"):
        assert alert(visitor.choose(status=503)) == CHANGED
    visitor.send(username="ada-link", password=NEW, status=303)
    visitor.linked()


def test_recovery_without_mail_settings_stops_the_start(make_site: Callable[..., Site]) -> None:
    with pytest.raises(SettingsError) as raised:
        make_site(**dict.fromkeys(MAIL_SETTINGS))  # type: ignore[arg-type]
    assert "linkauth.mail.host: is missing" in str(raised.value)
    assert "linkauth.backend.recovering offers password recovery" in str(raised.value)
