"""The states of the login page with sign-in providers, and of the pages of the second factor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from linkauth.themes.providers import ProviderButton

PROVIDER_ERRORS = (
    *("provider_cancelled", "provider_refused", "provider_failed", "provider_unavailable", "provider_expired"),
    *("provider_other_browser", "provider_unmatched"),
)
"""Values of `error` on the login page after a sign-in at a provider. `provider_unmatched`: nobody has this account."""
FactorMethod = Literal["totp", "recovery_code", "mail", "passkey"]
FACTOR_METHODS: tuple[FactorMethod, ...] = get_args(FactorMethod)
"""Values of `method` on the page `second_factor`."""
SECOND_FACTOR_ERRORS = (
    *("missing", "wrong_code", "code_used", "passkey_refused", "throttled", "expired", "unavailable", "busy", "stale"),
)
"""Values of `error` on the page `second_factor`. `expired`: the pending sign-in; the person must sign in again."""
SETUP_ERRORS = ("missing", "wrong_code", "throttled", "expired", "unavailable", "busy", "stale")
"""Values of `error` on the page `second_factor_setup`."""
PROVIDERS = (
    ProviderButton("google", "google", brand_name="Google", refuses_embedded=True),
    ProviderButton("amazon", "amazon", brand_name="Amazon"),
)
EVERY_PROVIDER = (
    *PROVIDERS,
    ProviderButton("apple", "apple", brand_name="Apple"),
    ProviderButton("facebook", "facebook", brand_name="Facebook", refuses_embedded=True),
    ProviderButton("microsoft", "microsoft", brand_name="Microsoft"),
    ProviderButton("corp", label=(("", "Staff Portal"), ("de", "Mitarbeiterportal"))),
)
"""Examples of sign-in providers: every brand that the default theme draws, and one without a brand."""
RAW_QUERY = "client_id=skill&state=a%2Bb"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
OTPAUTH_URI = f"otpauth://totp/Example%20Rides:a.smith%40example.com?secret={SECRET}&issuer=Example%20Rides"
QR = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="232" height="232" viewBox="0 0 29 29"><path fill="#fff" '
    'd="M0 0h29v29h-29z"/><path stroke="#000" d="M4 4.5h7m3 0h2m2 0h7M4 5.5h1m5 0h1m2 0h3m2 0h1m5 0h1M4 24.5h7m3 0h5"/>'
    "</svg>"
)
"""Example of a QR code; the real ones have the same form and more lines."""
RECOVERY_CODES = tuple(f"{code}-{code[::-1]}" for code in ("kwq7m", "3xp2r", "b8hnd", "t4v9c", "j6s5g"))
REMEMBER_DAYS = 30


def provider_states(context: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (name, variables) of the login page with sign-in providers. `context` are those of the page without."""
    with_form = {**context, "sign_ins": PROVIDERS, "raw_query": RAW_QUERY}
    without_form = {**with_form, "password_form": False}
    yield "providers", with_form
    yield "providers.every", {**with_form, "sign_ins": EVERY_PROVIDER}
    yield "providers.only", without_form
    yield "providers.single", {**without_form, "sign_ins": PROVIDERS[:1]}
    yield "providers.embedded", {**with_form, "embedded": True}
    yield "providers.embedded.none", {**with_form, "embedded": True, "sign_ins": PROVIDERS[:1]}
    yield "providers.embedded.only", {**without_form, "embedded": True, "sign_ins": PROVIDERS[:1]}
    failed = {**with_form, "provider": "Google", "action": f"/authorize?{RAW_QUERY}"}
    for error in PROVIDER_ERRORS:
        yield error, {**failed, "error": error}
    registration = {**failed, "error": "provider_unmatched", "registration": True}
    yield "provider_unmatched.registration", registration
    yield "provider_unmatched.prefill", {**registration, "prefill": "example", "password_form": False}
    yield "provider_failed.only", {**failed, "error": "provider_failed", "password_form": False}
    yield "stale.providers", {**without_form, "error": "stale"}
    yield "unavailable.providers", {**failed, "error": "unavailable"}


def second_factor_states(context: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (name, variables) of the page `second_factor`. `context` are those of each step."""
    totp = {
        **context,
        "method": "totp",
        "methods": ("totp", "recovery_code"),
        "remember_days": 0,
        "passkey_options": "",
    }
    yield "fresh", totp
    yield "remember", {**totp, "remember_days": REMEMBER_DAYS}
    for method in FACTOR_METHODS[1:]:
        yield method, {**totp, "method": method, "methods": FACTOR_METHODS}
    yield "single", {**totp, "methods": ("totp",)}
    for error in SECOND_FACTOR_ERRORS:
        yield error, {**totp, "error": error}
    for error in ("missing", "wrong_code", "code_used"):
        for method in ("recovery_code", "mail"):
            yield f"{error}.{method}", {**totp, "error": error, "method": method, "methods": FACTOR_METHODS}


def setup_states(context: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (name, variables) of the page `second_factor_setup`. `context` are those of each step."""
    fresh = {**context, "secret": SECRET, "qr": QR, "uri": OTPAUTH_URI, "optional": False, "methods": ()}
    fresh["passkey_options"] = ""
    yield "fresh", fresh
    yield "optional", {**fresh, "optional": True, "methods": ("mail",)}
    for error in SETUP_ERRORS:
        yield error, {**fresh, "error": error}
