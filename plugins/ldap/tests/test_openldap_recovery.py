"""Tests of the recovery of passwords and user names on a real OpenLDAP."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    PasswordRecovery,
    PasswordRefused,
    UnknownUser,
    WrongPassword,
)
from linkauth_ldap import LDAPBackend
from tests.servers.openldap import OpenLDAP

Make = Callable[..., LDAPBackend]
NEW = "Copper-31-harbour-Violet"


@pytest.fixture
def backend(slapd: OpenLDAP, openldap_backend: Make) -> LDAPBackend:
    registrar = {"bind_dn": slapd.registrar_dn, "bind_password": slapd.registrar_password}
    return openldap_backend(password_recovery=True, **registrar)


@pytest.fixture
def restored(slapd: OpenLDAP) -> Iterator[Callable[[str], str]]:
    """Returns a function that marks a person as changed, and returns the subject. The end of the test restores it."""
    changed: list[str] = []

    def mark(username: str) -> str:
        slapd.restore(username)
        changed.append(username)
        return slapd.subject_of(username)

    yield mark
    for username in changed:
        slapd.restore(username)


def test_offered_only_if_enabled(backend: LDAPBackend, openldap_backend: Make) -> None:
    assert PasswordRecovery in backend.offers
    assert PasswordRecovery not in openldap_backend().offers


class TestPeopleAtAnAddress:
    def names_at(self, backend: LDAPBackend, address: str) -> list[tuple[str, str]]:
        return [(person.username, person.email) for person in backend.people_at(address)]

    def test_all_people_without_regard_to_case(self, backend: LDAPBackend) -> None:
        assert self.names_at(backend, "User04@EXAMPLE.org") == [("user04", "user04@example.org")]
        assert [name for name, _ in self.names_at(backend, "dup@example.org")] == ["dup1", "dup2"]
        # each address of a person counts, and the mail goes to this one
        assert self.names_at(backend, "second@example.org") == [("twomails", "second@example.org")]

    @pytest.mark.parametrize(
        "address", ["*@example.org", "nobody@example.org", "*)(uid=*@x", "ü@example.org", "\ud800@x"]
    )
    def test_nobody(self, backend: LDAPBackend, address: str) -> None:
        assert self.names_at(backend, address) == []

    def test_people_who_cannot_sign_in_by_any_name_are_excluded(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        backend = openldap_backend(user_filter="(&(sn=User04)(uid={username}))")
        assert self.names_at(backend, "user04@example.org")
        assert self.names_at(backend, "user05@example.org") == []

    def test_one_search(self, slapd: OpenLDAP, backend: LDAPBackend) -> None:
        backend.people_at("user04@example.org")
        before = slapd.a.log.read_text("utf-8").count(" SRCH base=")
        backend.people_at("dup@example.org")
        assert slapd.a.log.read_text("utf-8").count(" SRCH base=") - before == 1


class TestRecipient:
    def test_accounts_that_a_new_password_helps(self, backend: LDAPBackend) -> None:
        for username in ("user04", "expired2", "mustchange", "grace", "lockme"):
            assert backend.recipient(username).email == f"{username}@example.org"
        assert backend.recipient("nomail").email == ""

    @pytest.mark.parametrize(
        ("username", "reason"),
        [
            ("locked", "locked"),
            ("ended", "account_expired"),
            ("notyet", "account_expired"),
            ("shadowexp", "account_expired"),
        ],
    )
    def test_accounts_that_an_administrator_has_closed(self, backend: LDAPBackend, username: str, reason: str) -> None:
        with pytest.raises(AccountRefused) as refused:
            backend.recipient(username)
        assert (refused.value.reason, refused.value.proven) == (reason, False)

    def test_an_unknown_name_takes_the_time_of_a_known_one(
        self, backend: LDAPBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []
        monkeypatch.setattr("linkauth_ldap.directory.wait_until", lambda deadline, seconds: waits.append(seconds))
        backend.recipient("user04")
        with pytest.raises(AccountRefused):
            backend.recipient("ended")
        assert waits == []
        with pytest.raises(UnknownUser):
            backend.recipient("nobody-of-that-name")
        assert waits[0] in backend._recovery._times
        assert len(backend._recovery._times) == 2

    def test_a_name_of_two_people_gets_nothing(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        registrar = {"bind_dn": slapd.registrar_dn, "bind_password": slapd.registrar_password}
        both = openldap_backend(password_recovery=True, user_filter="(|(uid={username})(mail={username}))", **registrar)
        with pytest.raises(AccountRefused):
            both.recipient("user01@example.org")
        assert both.recipient("user02@example.org").username == "user02"

    def test_people_in_denied_groups_get_nothing(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        registrar = {"bind_dn": slapd.registrar_dn, "bind_password": slapd.registrar_password}
        backend = openldap_backend(
            password_recovery=True, denied_groups=f"cn=admins,ou=groups,{slapd.base}", **registrar
        )
        with pytest.raises(AccountRefused, match="not_entitled"):
            backend.recipient("user01")
        with pytest.raises(AccountRefused, match="not_entitled"):
            backend.reset_password(slapd.subject_of("user01"), NEW)
        assert backend.recipient("user04").groups == ("company", "developers", "everyone", "staff")

    def test_a_hidden_lock_is_misconfigured(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        """The default service account cannot read the state of the policy, and a reset would lift a lock."""
        backend = openldap_backend(password_recovery=True)
        for call in (
            lambda: backend.recipient("locked"),
            lambda: backend.reset_password(slapd.subject_of("locked"), NEW),
        ):
            with pytest.raises(BackendMisconfigured, match="pwdAccountLockedTime"):
                call()
        (failed,) = [check for check in backend.check() if not check.ok]
        assert (failed.name, "pwdAccountLockedTime" in failed.detail) == ("password recovery", True)


class TestReset:
    @pytest.mark.parametrize("username", ["user41", "expired2", "mustchange3", "grace"])
    def test_the_person_can_sign_in_at_once(
        self, slapd: OpenLDAP, backend: LDAPBackend, restored: Callable[[str], str], username: str
    ) -> None:
        backend.reset_password(restored(username), NEW)
        assert backend.authenticate(username, NEW).username == username
        with pytest.raises(WrongPassword):
            backend.authenticate(username, slapd.people[username].password)

    def test_a_reset_ends_the_lock_of_wrong_passwords(
        self, backend: LDAPBackend, restored: Callable[[str], str]
    ) -> None:
        subject = restored("user42")
        for _ in range(3):
            with pytest.raises(WrongPassword):
                backend.authenticate("user42", "a wrong one")
        with pytest.raises(AccountRefused, match="locked"):
            backend.authenticate("user42", "a wrong one")
        assert backend.recipient("user42").subject == subject
        backend.reset_password(subject, NEW)
        assert backend.authenticate("user42", NEW).username == "user42"

    def test_a_lock_of_an_administrator_remains(self, slapd: OpenLDAP, backend: LDAPBackend) -> None:
        with pytest.raises(AccountRefused, match="locked"):
            backend.reset_password(slapd.subject_of("locked"), NEW)
        assert backend.find("locked").refused == "locked"

    def test_the_policy_of_the_directory_applies(
        self, slapd: OpenLDAP, backend: LDAPBackend, restored: Callable[[str], str]
    ) -> None:
        subject, current = restored("user43"), slapd.people["user43"].password
        for new, rule, minimum in (("short", "too_short", 8), (current, "used_before", 0), ("ü" * 600, "policy", 8)):
            with pytest.raises(PasswordRefused) as refused:
                backend.reset_password(subject, new)
            assert (refused.value.rule, refused.value.minimum) == (rule, minimum)
        assert backend.authenticate("user43", current)

    @pytest.mark.parametrize("subject", ["*", "00000000-0000-0000-0000-000000000000", "x)(uid=*", "user04", ""])
    def test_other_subjects_are_unknown(self, backend: LDAPBackend, subject: str) -> None:
        with pytest.raises(UnknownUser):
            backend.reset_password(subject, NEW)

    def test_an_account_without_permission_is_misconfigured(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        # without the state of the policy, which this account cannot read
        backend = openldap_backend(password_recovery=True, state_check=())
        with pytest.raises(BackendMisconfigured, match="may not change"):
            backend.reset_password(slapd.subject_of("user44"), NEW)
        assert backend.authenticate("user44", slapd.people["user44"].password)


class TestMinimumLength:
    def test_of_the_readable_policies(self, backend: LDAPBackend, openldap_backend: Make) -> None:
        assert backend.minimum_length() == 8
        # the default service account can read no policy
        assert openldap_backend().minimum_length() == 0

    def test_is_zero_while_the_directory_is_down(self, openldap_backend: Make) -> None:
        assert openldap_backend(uris=("ldap://127.0.0.1:1",)).minimum_length() == 0

    def test_is_kept_while_the_directory_is_down(
        self, slapd: OpenLDAP, backend: LDAPBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert backend.minimum_length() == 8
        monkeypatch.setattr("linkauth_ldap.minimum_length.TIMEOUT_SECONDS", 0.01)
        backend._minimum_length._due = 0
        slapd.a.hang()
        slapd.b.hang()
        try:
            assert backend.minimum_length() == 8
        finally:
            slapd.a.resume()
            slapd.b.resume()
