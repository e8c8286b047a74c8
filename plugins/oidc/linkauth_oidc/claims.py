"""From the claims of a provider to a person: names, and which of the claims the provider vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkauth.backends import Identity
from linkauth.sign_ins import InvalidAnswer, ProvidedIdentity, SignInRefused
from linkauth_oidc.documents import parse_object, text_of, texts_of
from linkauth_oidc.presets import CONSUMERS, TENANT
from linkauth_oidc.settings import GUID, OIDCSettings

SUBJECT_LIMIT = 255
TEXT_LIMIT = 254
"""The maximum number of characters of a name or an address. A longer one counts as missing."""
_GMAIL = ("@gmail.com", "@googlemail.com")
NEVER_VERIFIED = ("amazon", "facebook")
"""Presets of providers that say nothing about the address, whatever a claim says."""


def person(settings: OIDCSettings, claims: Mapping[str, Any], form_name: str = "") -> ProvidedIdentity:
    """Returns the person of verified claims. `form_name` is a name that came through the browser.

    Raises InvalidAnswer if there is no valid subject, and SignInRefused if the person is of another domain or tenant.
    """
    _check_domain(settings, claims)
    _check_tenant(settings, claims)
    subject = subject_of(settings, claims)
    email = _text(claims, settings.email_claim)
    if email.count("@") != 1 or not all(email.split("@")) or any(map(str.isspace, email)):
        email = ""
    passed = {name: claims[name] for name in settings.passed_claims if name in claims}
    verified = {name for name in settings.verified_claims if _text(claims, name)}
    if email and _is_email_verified(settings, claims, email):
        verified.add("email")
    identity = Identity(
        subject,
        _text(claims, settings.username_claim) or email or subject,
        _text(claims, settings.name_claim) or form_name,
        email,
        texts_of(dict(claims), settings.groups_claim),
        passed,
    )
    return ProvidedIdentity(identity, frozenset(verified))


def subject_of(settings: OIDCSettings, claims: Mapping[str, Any]) -> str:
    """Returns the permanent identifier of the person. Raises InvalidAnswer."""
    subject = claims.get(settings.subject_claim)
    if not settings.is_openid and isinstance(subject, int) and not isinstance(subject, bool):
        # some APIs of plain OAuth 2 have numbers
        subject = str(subject)
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_LIMIT or not subject.isprintable():
        raise InvalidAnswer(f"the answer has no valid {settings.subject_claim}: subject_claim names the identifier")
    return subject


def is_missing(settings: OIDCSettings, claims: Mapping[str, Any]) -> bool:
    """Returns whether a claim that the settings name is not among those of the ID token."""
    email = (settings.email_claim, "email_verified")
    names = (settings.username_claim, settings.name_claim, settings.groups_claim, *settings.passed_claims, *email)
    return any(name and name not in claims for name in names)


def merged(settings: OIDCSettings, claims: Mapping[str, Any], userinfo: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the claims of an ID token with those of the userinfo endpoint that it lacks.

    The address and the claim that verifies it come from the same document.
    """
    pair = (settings.email_claim, "email_verified")
    if not all(name in claims for name in pair) and all(name in userinfo for name in pair):
        claims = {name: value for name, value in claims.items() if name not in pair}
    elif settings.email_claim in claims:
        userinfo = {name: value for name, value in userinfo.items() if name not in pair}
    else:
        claims = {name: value for name, value in claims.items() if name != "email_verified"}
    return {**userinfo, **claims}


def name_in_form(user: str) -> str:
    """Returns the name in the parameter `user` of Apple's form, or "". It came through the browser: it proves nothing.

    Apple sends it only the first time that a person signs in.
    """
    document = parse_object(user) if len(user) <= 4_000 else None
    name = document.get("name") if document else None
    if not isinstance(name, dict):
        return ""
    whole = " ".join(filter(None, (text_of(name, part).strip() for part in ("firstName", "lastName"))))
    return whole if len(whole) <= TEXT_LIMIT and whole.isprintable() else ""


def issuer_of(settings: OIDCSettings, claims: Mapping[str, Any]) -> str:
    """Returns the issuer that a token must have: the setting, with the tenant of the token in a template of Microsoft.

    Raises InvalidAnswer if the tenant of the token is not the identifier of one.
    """
    if not settings.is_any_tenant:
        return settings.issuer
    tenant = text_of(dict(claims), "tid")
    if not GUID.fullmatch(tenant):
        raise InvalidAnswer("the ID token has no valid tenant (tid)")
    return settings.issuer.replace(TENANT, tenant)


def is_issuer(settings: OIDCSettings, issuer: str) -> bool:
    """Returns whether the issuer in an answer through the browser is that of the settings, or one of its template."""
    before, template, after = settings.issuer.partition(TENANT)
    if not template:
        return issuer == settings.issuer
    tenant = issuer.removeprefix(before).removesuffix(after)
    return bool(GUID.fullmatch(tenant)) and issuer == before + tenant + after


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    is_usable = isinstance(value, str) and len(value) <= TEXT_LIMIT and value.isprintable()
    return value.strip() if isinstance(value, str) and is_usable else ""


def _check_domain(settings: OIDCSettings, claims: Mapping[str, Any]) -> None:
    """Raises SignInRefused if a person of Google is not of an organization that the settings name."""
    if settings.hosted_domains and _text(claims, "hd").lower() not in map(str.lower, settings.hosted_domains):
        raise SignInRefused("the person is not of a domain in hosted_domains")


def _check_tenant(settings: OIDCSettings, claims: Mapping[str, Any]) -> None:
    """Raises SignInRefused if a person of Microsoft is not of a tenant that the settings permit."""
    if settings.tenant.lower() == "organizations" and _text(claims, "tid").lower() == CONSUMERS:
        raise SignInRefused("the person has a personal account, and tenant = organizations permits none")
    if settings.is_own_tenant and _text(claims, "tid").lower() != settings.tenant.lower():
        raise SignInRefused("the person is of another tenant than the setting tenant")


def _is_email_verified(settings: OIDCSettings, claims: Mapping[str, Any], email: str) -> bool:
    """Returns whether the provider vouches for the address."""
    if settings.preset in NEVER_VERIFIED or not settings.may_verify_email:
        return False
    if settings.preset == "microsoft":
        return _is_microsoft_email_verified(settings, claims)
    said = claims.get("email_verified")
    # Apple may send it as a text
    if said is not True and said != "true":
        return False
    if settings.preset == "google":
        # of other addresses Google knows only that they were verified once (OpenID Connect, "email_verified")
        return email.lower().endswith(_GMAIL) or bool(_text(claims, "hd"))
    return True


def _is_microsoft_email_verified(settings: OIDCSettings, claims: Mapping[str, Any]) -> bool:
    """Returns whether the domain of the address belongs to the tenant (xms_edov), or the person is of one's own tenant.

    The address of a guest comes from another tenant, where an administrator may have typed it.
    """
    edov = claims.get("xms_edov")
    if edov is True or (isinstance(edov, str | int) and str(edov).lower() in ("1", "true")):
        return True
    is_guest = "idp" in claims or claims.get("acct", 0) != 0
    return settings.is_own_tenant and not is_guest
