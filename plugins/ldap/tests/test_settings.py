"""Tests of the settings of the ldap backend, and of filters and DNs."""

from __future__ import annotations

from typing import Any

import pytest

from linkauth.testing import settings_of
from linkauth_ldap import LDAPBackend, LDAPSettings
from linkauth_ldap.directory import Directory
from linkauth_ldap.filters import canonical_dn, fill_filter, first_rdn, rdn_value
from linkauth_ldap.new_entries import NewEntry

GOOD: dict[str, Any] = {"uris": ("ldaps://dc1.example.com",), "user_base": "ou=people,dc=example,dc=com"}
AD_TEMPLATE = {"preset": "activedirectory", "login_mode": "template", "user_dn_template": "cn={rdn},dc=x"}
SERVICE = {"bind_dn": "cn=x", "bind_password": "x"}
LDAPI = "ldapi://%2Frun%2Fslapd%2Fldapi"
CERTIFICATE = {"tls_client_certificate": "/c.pem", "tls_client_key": "/c.key"}
NEW = {**SERVICE, "registration": True, "new_entry": "objectClass=person\ncn={name|username}\nsn={family_name}"}
GROUP = "cn=staff,ou=groups,dc=example,dc=com"


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, set()),
        ({"uris": ()}, {"uris"}),
        ({"uris": ("http://x",)}, {"uris"}),
        ({"uris": ("ldaps://x/dc=base",)}, {"uris"}),
        ({"uris": ("ldaps://user:pw@x",)}, {"uris"}),
        ({"uris": ("ldaps://x:99999",)}, {"uris"}),
        ({"uris": ("ldap://x",)}, {"uris"}),
        ({"uris": ("ldap://127.0.0.1",)}, {"uris"}),
        ({"uris": ("ldap://x",), "starttls": True}, set()),
        ({"uris": ("ldap://127.0.0.1", "ldap://localhost"), "allow_cleartext": "true"}, set()),
        ({"uris": ("ldap://x",), "allow_cleartext": "true"}, {"uris"}),
        ({"uris": ("ldap://x",), "allow_cleartext": "anywhere"}, set()),
        ({"uris": ("ldaps://dc1..example.com",)}, {"uris"}),
        ({"uris": (f"ldaps://{'x' * 64}.example.com",)}, {"uris"}),
        ({"uris": (LDAPI,)}, set()),
        ({"uris": ("LDAPI://%2frun%2fldapi/",)}, set()),
        ({"uris": ("ldapi:///run/slapd/ldapi",)}, set()),
        ({"uris": ("ldapi:///",)}, {"uris"}),
        ({"uris": ("ldapi://%2Frun%2Fldapi/dc=x",)}, {"uris"}),
        ({"uris": ("ldapi://",)}, {"uris"}),
        ({"uris": ("ldapi://run%2Fslapd",)}, {"uris"}),
        ({"uris": ("ldapi://%2Frun%2Fldapi/????x-mod=0777",)}, {"uris"}),
        ({"uris": ("ldapi://%2Frun%2Fldapi%00",)}, {"uris"}),
        ({"uris": ("ldapi://%2F" + "x" * 107,)}, {"uris"}),
        ({"uris": (LDAPI,), "starttls": True}, {"starttls"}),
        ({"uris": (LDAPI,), "tls_ca_file": "/x", "tls_server_names": ("x",)}, {"tls_ca_file", "tls_server_names"}),
        ({"uris": (LDAPI,), **CERTIFICATE}, set(CERTIFICATE)),
        # without a service account, one would search as the user of the process and the other as nobody
        ({"uris": (LDAPI, "ldaps://x"), "tls_ca_file": "/x"}, {"bind_dn"}),
        ({"uris": (LDAPI, "ldaps://x"), "tls_ca_file": "/x", **SERVICE}, set()),
        ({"uris": (LDAPI, "ldaps://x"), **CERTIFICATE}, set()),
        ({"uris": (LDAPI, "ldap://x"), "starttls": True, **SERVICE, **CERTIFICATE}, set()),
        ({"uris": (LDAPI,), "registration": True, "preset": "openldap"}, set()),
        ({"uris": (LDAPI,), "password_change": "service"}, set()),
        (CERTIFICATE, set()),
        ({**CERTIFICATE, "tls_client_certificate": ""}, {"tls_client_key"}),
        ({"uris": ("ldap://x",), "allow_cleartext": "anywhere", **CERTIFICATE}, set(CERTIFICATE)),
        ({"tls_server_names": (".example.com",)}, {"tls_server_names"}),
        ({"starttls": True}, {"starttls"}),
        ({"bind_dn": "cn=x"}, {"bind_password"}),
        ({"bind_password": "x"}, {"bind_dn"}),
        ({"user_base": ""}, {"user_base"}),
        ({"user_base": "people"}, {"user_base"}),
        ({"user_filter": "(uid=*)"}, {"user_filter"}),
        ({"user_filter": "(uid={username}"}, {"user_filter"}),
        ({"user_filter": "(uid={user})"}, {"user_filter"}),
        ({"user_filter": "(userPrincipalName={login})"}, set()),
        ({"mail_as_username": True}, set()),
        ({"mail_as_username": True, "email_attribute": ""}, {"mail_as_username"}),
        (
            {"mail_as_username": True, "login_mode": "template", "user_dn_template": "uid={rdn},ou=people"},
            {"mail_as_username"},
        ),
        ({"login_mode": "template", "user_base": "", "user_dn_template": "uid={rdn},ou=people"}, set()),
        ({"login_mode": "template"}, {"user_dn_template"}),
        (
            {"login_mode": "template", "user_dn_template": "{upn}@x", "preset": "activedirectory"},
            {"group_mode"},
        ),
        ({"login_mode": "template", "user_dn_template": "{upn}@x", "user_base": ""}, {"user_base"}),
        ({"login_mode": "template", "user_dn_template": "uid={username}"}, {"user_dn_template"}),
        ({"user_dn_template": "uid={rdn}"}, {"user_dn_template"}),
        ({"username_pattern": "("}, {"username_pattern"}),
        ({"required_groups": GROUP}, {"required_groups"}),
        ({"required_groups": GROUP, "group_base": "dc=example,dc=com"}, set()),
        ({"required_groups": "staff", "group_base": "dc=example,dc=com"}, {"required_groups"}),
        ({"denied_groups": f"{GROUP}\n{GROUP}", "preset": "activedirectory"}, set()),
        ({"denied_groups": GROUP, "group_base": "ou=other,dc=example,dc=com"}, {"denied_groups"}),
        ({"group_filter": "(member={name})"}, {"group_filter"}),
        ({"group_base": "x"}, {"group_base"}),
        ({"group_mode": "tokengroups"}, {"group_mode"}),
        ({"group_mode": "in_chain", "group_base": "dc=x", "denied_groups": "cn=a,dc=x"}, {"group_mode"}),
        ({"group_mode": "tokengroups", "state_check": ("ad",)}, set()),
        (
            {**AD_TEMPLATE, "bind_dn": "cn=x", "bind_password": "x", "user_base": ""},
            {"group_base"},
        ),
        ({**AD_TEMPLATE, "bind_dn": "cn=x", "bind_password": "x", "user_base": "", "group_base": "dc=x"}, set()),
        ({"connect_timeout": 0}, {"connect_timeout"}),
        ({"total_timeout": 61}, {"total_timeout"}),
        ({"group_limit": 0}, {"group_limit"}),
        ({"group_nesting": -1}, {"group_nesting"}),
        ({"claims": ("department:departmentNumber", "title")}, set()),
        ({"claims": ("a:b:c",)}, {"claims"}),
        ({"password_change": "service"}, {"password_change"}),
        ({"password_change": "self", "uris": ("ldap://x",), "allow_cleartext": "anywhere"}, {"password_change"}),
        (
            {"login_mode": "template", "user_dn_template": "{upn}@x", "password_change": "self"},
            {"password_change"},
        ),
        ({"password_recovery": True}, {"password_recovery"}),
        ({**SERVICE, "password_recovery": True}, set()),
        ({**SERVICE, "password_recovery": True, "email_attribute": ""}, {"password_recovery"}),
        (
            {**SERVICE, "registration": True, "uris": ("ldap://x",), "allow_cleartext": "anywhere"},
            {"registration", "new_entry"},
        ),
        ({**SERVICE, "registration": True}, {"new_entry"}),
        ({**SERVICE, "registration": True, "preset": "openldap"}, set()),
        ({**SERVICE, "registration": True, "preset": "activedirectory"}, set()),
        ({**NEW, "new_entry_dn": f"uid={{username}},ou=new, {GOOD['user_base']}"}, set()),
        ({**NEW, "new_entry_dn": "uid={username},ou=services,dc=example,dc=com"}, {"new_entry_dn"}),
        ({**NEW, "new_entry_dn": f"cn={{name}},{GOOD['user_base']}"}, {"new_entry_dn"}),
        ({**NEW, "new_entry_dn": f"uid={{User}},{GOOD['user_base']}"}, {"new_entry_dn"}),
        ({**NEW, "new_entry_dn": f"uid={{username}}+cn=x,{GOOD['user_base']}"}, {"new_entry_dn"}),
        ({**NEW, "preset": "activedirectory", "new_entry_dn": f"cn={{name}},{GOOD['user_base']}"}, {"new_entry_dn"}),
        ({**NEW, "new_entry": "cn={name}"}, {"new_entry"}),
        ({**NEW, "new_entry": "objectClass=person\nmail"}, {"new_entry"}),
        ({**NEW, "new_entry": "objectClass=person\ncn={name"}, {"new_entry"}),
        ({**NEW, "new_entry": "objectClass=person\nuserPassword=x"}, {"new_entry"}),
        ({**NEW, "new_entry": "objectClass=person\ndescription={password}"}, {"new_entry"}),
        ({**NEW, "preset": "activedirectory", "new_entry_password": "modify"}, {"new_entry_password"}),
    ],
)
def test_contradicting_settings_are_reported(changes: dict[str, Any], keys: set[str]) -> None:
    assert {key for key, _ in settings_of(LDAPSettings, **{**GOOD, **changes}).faults()} == keys


def test_precedence_of_ini_preset_and_defaults() -> None:
    preset = settings_of(LDAPSettings, **GOOD, preset="activedirectory")
    assert (preset.subject_attribute, preset.subject_format, preset.ppolicy) == ("objectGUID", "guid_le", False)
    own = settings_of(LDAPSettings, **GOOD, preset="activedirectory", subject_attribute="objectSid", ppolicy=True)
    assert (own.subject_attribute, own.subject_format, own.ppolicy) == ("objectSid", "guid_le", True)
    assert settings_of(LDAPSettings, **GOOD).subject_attribute == "entryUUID"


def test_presets_of_new_entries() -> None:
    ad = settings_of(LDAPSettings, **{**GOOD, **SERVICE}, preset="activedirectory", registration=True)
    template = NewEntry(ad)
    values = template.values("max", {"given_name": "Max", "family_name": "Müller, jr", "email": "max@example.org"})
    assert template.dn(values) == "CN=max,ou=people,dc=example,dc=com"
    assert template.attributes(values) == {
        "objectClass": [b"user"],
        "sAMAccountName": [b"max"],
        "userPrincipalName": [b"max@example.com"],
        "userAccountControl": [b"512"],
        "displayName": ["Max Müller, jr".encode()],
        "givenName": [b"Max"],
        "sn": ["Müller, jr".encode()],
        "mail": [b"max@example.org"],
        "CN": [b"max"],
    }
    # an email address does not fit into sAMAccountName, and other characters are not allowed in it
    assert [template.allows(name) for name in ("max", "a" * 21, "a[b", "max.")] == [True, False, False, False]
    named = settings_of(
        LDAPSettings, **{**GOOD, **NEW, "new_entry_dn": "cn={name},ou=people,dc=example,dc=com"}, preset="openldap"
    )
    assert NewEntry(named).dn(values) == "cn=Max Müller\\, jr,ou=people,dc=example,dc=com"
    assert NewEntry(named).dn(NewEntry(named).values("max", {})) == ""
    escaped = {
        **NEW,
        "new_entry_dn": "cn=a\\, {username},ou=people,dc=example,dc=com",
        "new_entry": "objectClass=person",
    }
    assert NewEntry(settings_of(LDAPSettings, **{**GOOD, **escaped})).attributes(values)["cn"] == [b"a, max"]


def test_repr_contains_no_password() -> None:
    settings = settings_of(LDAPSettings, **GOOD, bind_dn="cn=x", bind_password="s3cret-of-the-service")
    assert "s3cret" not in repr(settings) + repr(LDAPBackend(settings)) + str(vars(LDAPBackend(settings)))


def test_invalid_certificate_files_are_refused_at_start(tmp_path: Any) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("not a certificate")
    for path in (str(empty), str(tmp_path / "missing.pem")):
        for key in ("tls_ca_file", "tls_client_certificate"):
            with pytest.raises(ValueError, match=key):
                LDAPBackend(settings_of(LDAPSettings, **GOOD, **{key: path}))


def test_values_are_escaped() -> None:
    assert fill_filter("(uid={username})", username="*)(uid=*") == "(uid=\\2a\\29\\28uid=\\2a)"
    # a placeholder in a value is not replaced
    assert fill_filter("(a={dn})(b={username})", dn="{username}", username="x") == "(a={username})(b=x)"
    assert canonical_dn(f"uid={rdn_value('a,ou=services')},dc=x") == (("uid", "a,ou=services"), ("dc", "x"))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("staff\\user01", "user01"),
        ("USER01@Boss.example.com", "USER01"),
        # case folding turns this letter into two
        ("sta\ufb00\\Xuser01", "Xuser01"),
        ("userX@bo\u00df.example.com", "userX"),
        ("staffuser01", "staffuser01"),
        ("other\\user01", "other\\user01"),
        ("user01@example.com", "user01@example.com"),
        ("staff\\", "staff\\"),
    ],
)
def test_own_domain_is_removed_from_a_name(typed: str, expected: str) -> None:
    settings = settings_of(LDAPSettings, **GOOD, username_domains=("STAFF", "boss.example.com"))
    assert Directory(settings).without_domain(typed) == expected


def test_equivalent_dns_are_equal() -> None:
    same = ["cn=Ops\\, Infra,dc=x", "CN=ops\\2C infra, DC=X", "cn=ops\\2c infra,dc=x"]
    assert len({canonical_dn(dn) for dn in same}) == 1
    assert canonical_dn("cn=ops,dc=x") != canonical_dn(same[0])
    assert canonical_dn("cn=M\\C3\\BCller,dc=x") == canonical_dn("cn=Müller,dc=x")
    # in composed and decomposed form
    assert (
        canonical_dn("cn=CAF\u00c9,dc=x") == canonical_dn("cn=Cafe\u0301,dc=x") == canonical_dn("cn=cafe\\CC\\81,dc=x")
    )
    # a trailing space has two escaped forms, and directories ignore it
    assert canonical_dn("cn=\\ staff\\ ,dc=x") == canonical_dn("cn=staff\\20,dc=x") == canonical_dn("cn=staff,dc=x")
    assert canonical_dn("cn=back\\\\ ,dc=x") == canonical_dn("cn=back\\5C,dc=x")
    assert canonical_dn("staff") is None
    assert first_rdn("cn=ops\\2C infra (EU),dc=x") == "ops, infra (EU)"
