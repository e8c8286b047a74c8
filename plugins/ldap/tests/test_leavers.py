"""Tests of leaver sweeps, which look everybody with a link up again, on real slapd and Samba."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex

import pytest
from sqlalchemy import Engine

from linkauth_ldap import LDAPBackend
from tests.leavers.user_store import Sweeper, add_links, empty_engine, ended
from tests.servers.openldap import OpenLDAP
from tests.servers.samba import SambaAD

Make = Callable[..., LDAPBackend]
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = empty_engine(f"sqlite:///{tmp_path}/links.sqlite")
    yield engine
    engine.dispose()


@pytest.fixture
def newcomer(slapd: OpenLDAP) -> Iterator[str]:
    """The DN of a new person, who is in no group."""
    uid = f"new-{token_hex(4)}"
    dn = f"uid={uid},{slapd.people_base}"
    with slapd.a.as_root() as connection:
        connection.add(dn, "inetOrgPerson", {"uid": uid, "cn": uid, "sn": uid})
    slapd.settle()
    yield dn
    with slapd.a.as_root() as connection:
        connection.search(slapd.people_base, f"(uid={uid})", attributes=["uid"])
        for entry in connection.response:
            if entry["type"] == "searchResEntry":
                connection.delete(entry["dn"])
    slapd.settle()


def subject_at(slapd: OpenLDAP, dn: str) -> str:
    with slapd.a.as_root() as connection:
        connection.search(dn, "(objectClass=*)", "BASE", attributes=["entryUUID"])
        return str(connection.response[0]["attributes"]["entryUUID"])


def delete(slapd: OpenLDAP, dn: str) -> None:
    with slapd.a.as_root() as connection:
        connection.delete(dn)
    slapd.settle()


class TestOpenLDAP:
    def test_people_who_have_left(self, slapd: OpenLDAP, openldap_backend: Make, engine: Engine, newcomer: str) -> None:
        helpdesk = {"bind_dn": slapd.helpdesk_dn, "bind_password": slapd.helpdesk_password}
        names = ("ended", "locked", "mustchange3", *(f"user{number:02}" for number in range(1, 11)))
        subjects = {name: slapd.subject_of(name) for name in names}
        deleted = subject_at(slapd, newcomer)
        add_links(engine, [*subjects.values(), deleted, NOBODY])
        delete(slapd, newcomer)
        # user01 and user02 are in the group admins
        denied = {"denied_groups": f"cn=admins,ou=groups,{slapd.base}"}
        report = Sweeper(engine, openldap_backend(**helpdesk, **denied))(max_share=50)
        assert ended(engine) == {
            deleted: "left: gone",
            NOBODY: "left: gone",
            subjects["ended"]: "left: account_expired",
            subjects["user01"]: "left: not_entitled",
            subjects["user02"]: "left: not_entitled",
        }
        expected = {"people": 15, "present": 8, "kept.locked": 1, "kept.must_change_password": 1}
        assert expected.items() <= report.counts.items()

    def test_what_the_service_account_cannot_read_ends_nothing(
        self, slapd: OpenLDAP, openldap_backend: Make, engine: Engine
    ) -> None:
        veiled = slapd.subject_of("veiled")
        add_links(engine, [veiled, slapd.subject_of("user03")])
        assert openldap_backend().look_up(veiled).refused == "disabled"
        report = Sweeper(engine, openldap_backend())(max_share=100)
        assert (report.outcome, report.counts["doubtful"], ended(engine)) == ("finished", 1, {})

    def test_a_wrong_search_base_or_password_ends_nothing(
        self, slapd: OpenLDAP, openldap_backend: Make, engine: Engine
    ) -> None:
        add_links(engine, [slapd.subject_of("user03"), slapd.subject_of("user04")])
        for wrong in ({"user_base": f"ou=nowhere,{slapd.base}"}, {"bind_password": "wrong"}):
            assert Sweeper(engine, openldap_backend(**wrong))(max_share=100).outcome == "unavailable"
        # an existing base without people is not an error of LDAP, so that the share must stop the sweep
        elsewhere = openldap_backend(user_base=slapd.group_base)
        assert Sweeper(engine, elsewhere)().outcome == "stopped"
        assert ended(engine) == {}

    def test_a_subject_of_two_entries_ends_nothing(
        self, slapd: OpenLDAP, openldap_backend: Make, engine: Engine
    ) -> None:
        # two people have this address
        add_links(engine, ["dup@example.org", "user03@example.org"])
        report = Sweeper(engine, openldap_backend(subject_attribute="mail"))(max_share=100)
        assert (report.counts["doubtful"], ended(engine)) == (1, {})

    def test_nothing_ends_if_the_servers_stop_during_the_sweep(
        self, slapd: OpenLDAP, openldap_backend: Make, engine: Engine, newcomer: str
    ) -> None:
        deleted = subject_at(slapd, newcomer)
        people = sorted([*(slapd.subject_of(f"user{number:02}") for number in range(1, 31)), deleted])
        add_links(engine, people)
        delete(slapd, newcomer)
        sweep = Sweeper(engine, openldap_backend())
        sweep.before = lambda count: slapd.stop() if count == 12 else None
        try:
            report = sweep()
        finally:
            slapd.start()
        assert (report.outcome, report.counts["people"], ended(engine)) == ("unavailable", 12, {})
        sweep.before = lambda _: None
        report = sweep()
        assert (report.outcome, report.resumed, report.counts["people"]) == ("finished", True, 31)
        assert ended(engine) == {deleted: "left: gone"}

    def test_nothing_more_ends_if_the_servers_stop_while_links_end(
        self, slapd: OpenLDAP, openldap_backend: Make, engine: Engine
    ) -> None:
        gone = [f"00000000-0000-0000-0000-00000000000{number}" for number in range(3)]
        add_links(engine, [*gone, *(slapd.subject_of(f"user{number:02}") for number in range(1, 11))])
        sweep = Sweeper(engine, openldap_backend())
        # 13 look-ups, and two for each link that ends
        sweep.before = lambda count: slapd.stop() if count == 15 else None
        try:
            report = sweep(max_share=50)
        finally:
            slapd.start()
        assert (report.outcome, report.counts["ended"]) == ("unavailable", 1)
        assert ended(engine) == {gone[0]: "left: gone"}


class TestActiveDirectory:
    def test_people_who_have_left(self, domain: SambaAD, ad_backend: Make, engine: Engine) -> None:
        leaving = {"disabled": "disabled", "disexp": "disabled", "accexpired": "account_expired"}
        kept = {
            **{"lockedout": "locked", "mustchange": "must_change_password"},
            **{"nohours": "logon_restricted", "smartcard": "logon_restricted"},
        }
        present = ("user01", "user02", "user03", "workst", "neverexp")
        subjects = {name: domain.subject_of(name) for name in (*leaving, *kept, *present, "veiled")}
        add_links(engine, [*subjects.values(), NOBODY])
        report = Sweeper(engine, ad_backend())(max_share=50)
        expected = {subjects[name]: f"left: {reason}" for name, reason in leaving.items()}
        assert ended(engine) == {**expected, NOBODY: "left: gone"}
        counts = {"doubtful": 1, "kept.logon_restricted": 2, "kept.locked": 1, "present": 5}
        assert counts.items() <= report.counts.items()

    def test_people_who_have_lost_their_group_leave_although_they_must_change_their_password(
        self, domain: SambaAD, ad_backend: Make, engine: Engine
    ) -> None:
        backend = ad_backend(required_groups=f"CN=developers,{domain.group_base}")
        subjects = {name: domain.subject_of(name) for name in ("user03", "user04", "mustchange")}
        add_links(engine, [*subjects.values()])
        Sweeper(engine, backend)(max_share=50)
        assert ended(engine) == {subjects["mustchange"]: "left: not_entitled"}
