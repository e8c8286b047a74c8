"""Names as keyboards and clipboards send them, on a real OpenLDAP: each is found, and nobody becomes another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from ldap3.utils.dn import escape_rdn

from linkauth.backends import NameTaken, UnknownUser, WrongPassword
from linkauth.testing.names import FULL_WIDTH, typed_names
from linkauth_ldap import LDAPBackend
from linkauth_ldap.connections import DirectoryConnection
from tests.servers.openldap import OpenLDAP
from tests.servers.openldap_tree import hash_password

Make = Callable[..., LDAPBackend]
STORED = ("4711", "ada.k@example.com", "o'neil", "zo\u00e9-\u00fc", "a(b)*\\c")
FORMS_OF_ANOTHER = {"\u0664\u0667\u0661\u0661": "4711", "o\u2019neil": "o'neil"}
NEW = "Quartz-52-meadow-Lantern"


def password_of(name: str) -> str:
    return f"password of {name.encode().hex()}"


@contextmanager
def people_added(slapd: OpenLDAP, *names: str) -> Iterator[None]:
    """Adds people with these names for the `with` block."""
    dns = [f"uid={escape_rdn(name)},{slapd.people_base}" for name in names]
    with slapd.a.as_root() as connection:
        for dn, name in zip(dns, names, strict=True):
            values = {"cn": name, "sn": name, "uid": name, "mail": "one@example.com"}
            assert connection.add(dn, ["inetOrgPerson"], {**values, "userPassword": hash_password(password_of(name))})
    slapd.settle()
    yield
    with slapd.a.as_root() as connection:
        for dn in dns:
            assert connection.delete(dn)
    slapd.settle()


@pytest.fixture(scope="module")
def directory(slapd: OpenLDAP) -> Iterator[OpenLDAP]:
    """The directory with people who have the names in STORED."""
    with people_added(slapd, *STORED):
        yield slapd


def test_every_form_is_found_by_one_search(
    directory: OpenLDAP, openldap_backend: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[str] = []
    search = DirectoryConnection.search

    def counting(connection, base, filter_text, *arguments):  # type: ignore[no-untyped-def]
        searches.append(filter_text)
        return search(connection, base, filter_text, *arguments)

    monkeypatch.setattr(DirectoryConnection, "search", counting)
    backend = openldap_backend(user_filter="(|(uid={username})(mail={username}))", group_mode="none")
    for name in STORED:
        identity = backend.authenticate(name, password_of(name))
        assert identity.username == name
        for typed in typed_names(name):
            searches.clear()
            assert backend.authenticate(typed, password_of(name)) == identity, ascii(typed)
            assert len(searches) == 1
            assert backend.find(typed).identity == identity
            assert backend.find(typed).form == name
            with pytest.raises(WrongPassword):
                backend.authenticate(typed, "wrong")
            backend.authenticate(name, password_of(name))
    for unknown in ("4712".translate(FULL_WIDTH), "o\u2019neal", "*\u200b", "\uff0a", "4*".translate(FULL_WIDTH)):
        with pytest.raises(UnknownUser):
            backend.authenticate(unknown, password_of("4711"))


def test_the_own_domain_is_removed_in_every_form(directory: OpenLDAP, openldap_backend: Make) -> None:
    backend = openldap_backend(username_domains=("STAFF", "staff.example.org"))
    for typed in ("4711@staff.example.org", "STAFF\\4711"):
        for name in (typed, typed.translate(FULL_WIDTH), f"\u2068{typed}\u2069"):
            assert backend.authenticate(name, password_of("4711")).username == "4711"


def test_each_of_two_names_that_are_forms_is_itself(directory: OpenLDAP, openldap_backend: Make) -> None:
    template = {"login_mode": "template", "user_dn_template": f"uid={{rdn}},{directory.people_base}"}
    with people_added(directory, *FORMS_OF_ANOTHER):
        for backend in (openldap_backend(), openldap_backend(**template)):
            for name, other in FORMS_OF_ANOTHER.items():
                for each in (name, other):
                    for typed in (each, f"\u200e{each}\u200b"):
                        assert backend.authenticate(typed, password_of(each)).username == each
                        assert backend.find(typed).identity.username == each
                        assert backend.find(typed).form == each
                with pytest.raises(WrongPassword):
                    backend.authenticate(other, password_of(name))
        with pytest.raises(WrongPassword):
            # without a template, the best form that has an entry decides alone
            openldap_backend().authenticate("\u0664\u0667\u0661\u0661", password_of("4711"))


def test_a_template_tries_only_forms_that_the_directory_tells_apart(
    directory: OpenLDAP, openldap_backend: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    binds: list[str] = []
    bind = DirectoryConnection.bind

    def counting(connection, dn, *arguments):  # type: ignore[no-untyped-def]
        binds.append(dn)
        return bind(connection, dn, *arguments)

    monkeypatch.setattr(DirectoryConnection, "bind", counting)
    base = directory.people_base
    alone = {"bind_dn": "", "bind_password": "", "group_mode": "none", "password_change": "self"}
    backend = openldap_backend(login_mode="template", user_dn_template=f"uid={{rdn}},{base}", **alone)
    for name in STORED[:4]:
        for typed in typed_names(name):
            assert backend.authenticate(typed, password_of(name)).username == name, ascii(typed)
    # a wrong password counts once for each person
    for typed, count in (("zo\u00e9-\u00fc", 1), ("4711".translate(FULL_WIDTH), 1), ("o\u2019neil", 2)):
        binds.clear()
        with pytest.raises(WrongPassword):
            backend.authenticate(typed, "wrong")
        assert len(binds) == count
    backend.change_password("o\u2019neil", password_of("o'neil"), NEW)
    assert backend.authenticate("o'neil", NEW).username == "o'neil"
    with pytest.raises(WrongPassword):
        backend.change_password("o\u2019neil", "wrong", NEW)
    directory.modify(f"uid=o'neil,{base}", {"userPassword": [hash_password(password_of("o'neil"))]})


def test_a_new_name_is_taken_if_one_of_its_forms_is(directory: OpenLDAP, openldap_backend: Make) -> None:
    registrar = {"bind_dn": directory.registrar_dn, "bind_password": directory.registrar_password}
    backend = openldap_backend(registration=True, password_recovery=True, **registrar)
    for name in STORED[:4]:
        for typed in typed_names(name):
            assert backend.is_taken(typed), ascii(typed)
            assert backend.recipient(typed).username == name
    for typed in ("\u0664\u0667\u0661\u0661", "o\u2019neil"):
        with pytest.raises(NameTaken):
            backend.register(typed, NEW, {})
    assert not backend.is_taken("\u0664\u0667\u0661\u0662")
