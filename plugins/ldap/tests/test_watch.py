"""Tests of `linkauth watch` as a process, with a server's database and people in real slapd and Samba."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leavers.watched_app import WatchedApp, wait_for
from tests.servers.leaver import openldap_person, samba_person
from tests.servers.openldap import OpenLDAP
from tests.servers.samba import SambaAD


@pytest.fixture
def openldap_app(slapd: OpenLDAP, tmp_path: Path) -> Iterator[WatchedApp]:
    app = WatchedApp(
        tmp_path,
        {
            "use": "ldap",
            "preset": "openldap",
            "uris": " ".join(each.ldap for each in slapd.providers),
            "starttls": "true",
            "tls_ca_file": slapd.ca_file,
            "user_base": slapd.people_base,
            "group_base": slapd.group_base,
            "bind_dn": slapd.bind_dn,
            "bind_password": slapd.bind_password,
        },
    )
    yield app
    app.close()


@pytest.fixture
def ad_app(domain: SambaAD, tmp_path: Path) -> Iterator[WatchedApp]:
    app = WatchedApp(
        tmp_path,
        {
            "use": "ldap",
            "preset": "activedirectory",
            "uris": domain.ldaps,
            "tls_ca_file": domain.ca_file,
            "user_base": domain.people_base,
            "bind_dn": domain.admin_dn,
            "bind_password": domain.admin_password,
        },
    )
    yield app
    app.close()


def test_people_who_leave_openldap(slapd: OpenLDAP, openldap_app: WatchedApp) -> None:
    app = openldap_app
    with (
        openldap_person(slapd) as (expiring, first, _),
        openldap_person(slapd) as (_, second, deleted_dn),
        openldap_person(slapd) as (_, third, _),
    ):
        tokens = [app.link(name) for name in (first, second, third)]
        with app.watching() as process:
            assert [app.is_active(token) for token in tokens] == [True, True, True]
            expiring.disable()
            wait_for(lambda: not app.is_active(tokens[0]), process)
            with slapd.a.as_root() as connection:
                connection.delete(deleted_dn)
            wait_for(lambda: not app.is_active(tokens[1]), process)
            # the connection of the feed is lost, and comes back by itself
            slapd.stop()
            slapd.start()
            expiring.enable()
            again = app.link(first)
            expiring.disable()
            wait_for(lambda: not app.is_active(again), process)
            assert app.is_active(tokens[2])
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        assert app.value("SELECT group_concat(end_reason) FROM links").split(",") == [
            "left: account_expired",
            "left: gone",
            "left: account_expired",
        ]
        assert app.value("SELECT count(*) FROM leases") == 0


def test_people_who_leave_active_directory(domain: SambaAD, ad_app: WatchedApp) -> None:
    app = ad_app
    with (
        samba_person(domain) as (disabled, first, _),
        samba_person(domain) as (absent, second, _),
        samba_person(domain) as (_, third, deleted_dn),
        samba_person(domain) as (_, fourth, _),
    ):
        tokens = [app.link(name) for name in (first, second, third, fourth)]
        with app.watching() as process:
            disabled.disable()
            wait_for(lambda: not app.is_active(tokens[0]), process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        # while nobody watches
        absent.disable()
        with domain.as_admin() as connection:
            connection.delete(deleted_dn)
        assert [app.is_active(token) for token in tokens] == [False, True, True, True]
        assert app.watch_once() == 0
        assert [app.is_active(token) for token in tokens] == [False, False, False, True]
        ended = app.value("SELECT group_concat(end_reason, ', ') FROM links WHERE ended_at IS NOT NULL")
        assert sorted(ended.split(", ")) == ["left: disabled", "left: disabled", "left: gone"]
