"""Tests of each preset from the button to the link: who the person is, and whose address finds an account."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from linkauth.config.settings import SettingsError
from linkauth_oidc.presets import PRESETS
from plugins.oidc.tests.provider import CLIENT_ID, Provider
from plugins.oidc.tests.server import Received
from tests.alexa import fragment
from tests.conftest import ROOT
from tests.sign_ins.openid.stage import Stage, provider_settings

TENANT, OTHER_TENANT = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
APPLE_KEY = ECKey.generate_key("P-256", {"kid": "FGHIJ67890"})
VERIFIED, UNVERIFIED, SILENT = {"email_verified": True}, {"email_verified": False}, {"email_verified": None}
Case = tuple[dict[str, Any], bool]
CASES: dict[str, tuple[Case, ...]] = {
    # Amazon and Facebook say nothing about addresses, so `match` refuses them
    "amazon": (),
    "google": (
        ({**VERIFIED, "hd": "example.com"}, True),
        ({**UNVERIFIED, "hd": "example.com"}, False),
        # Google has checked once that the address exists
        (VERIFIED, False),
    ),
    "microsoft": (
        ({**SILENT, "tid": TENANT}, True),
        # a guest, whose address comes from another tenant
        ({**VERIFIED, "tid": TENANT, "acct": 1}, False),
        ({**VERIFIED, "tid": TENANT, "idp": "https://sts.example.org/other/"}, False),
        ({**SILENT, "tid": TENANT, "acct": 1, "xms_edov": True}, True),
    ),
    "apple": ((VERIFIED, True), ({"email_verified": "true"}, True), ({"email_verified": "false"}, False)),
    "facebook": (),
    "keycloak": ((VERIFIED, True), (UNVERIFIED, False), (SILENT, False)),
    "generic": ((VERIFIED, True), (UNVERIFIED, False), (SILENT, False), ({"email_verified": 1}, False)),
}
"""Further claims of a person with the address of a demo user, and whether the address finds this user."""


class Apple(Provider):
    """Checks the signed JWT that is the client secret."""

    def _credentials(self, request: Received) -> tuple[str, str]:
        client_id, secret = super()._credentials(request)
        claims = jwt.decode(secret, APPLE_KEY, algorithms=["ES256"]).claims
        assert (claims["iss"], claims["sub"]) == ("ABCDE12345", CLIENT_ID)
        return client_id, self.client_secret


@pytest.fixture
def start(make_app: Callable[..., Any]) -> Iterator[Callable[[str, str], Stage]]:
    """`start(preset, match)` returns a stage whose provider `corp` is one of this preset."""
    made: list[Provider] = []

    def new(preset: str, match: str) -> Stage:
        corp, own = Apple() if preset == "apple" else Provider(), Provider()
        made.extend((corp, own))
        stage = Stage(make_app, corp, own, **settings_of(preset, match, corp))
        corp.person.pop("hd")
        return stage

    yield new
    for each in made:
        each.stop()


def settings_of(preset: str, match: str, provider: Provider) -> dict[str, Any]:
    changes: dict[str, str | None] = {"preset": preset, "match": match, "label": "Example Corp"}
    # of the stage
    changes["hosted_domains"] = None
    if PRESETS[preset].values.get("protocol") == "oauth2":
        provider.is_openid = False
        names = ("authorization", "token", "userinfo")
        urls = (f"{provider.url}/{name}" for name in ("authorize", "token", "userinfo"))
        changes |= {"issuer": None, **{f"{name}_endpoint": url for name, url in zip(names, urls, strict=True)}}
    if preset == "microsoft":
        changes["tenant"] = TENANT
    if preset == "apple":
        key = APPLE_KEY.as_pem(private=True).decode()
        changes |= {"client_secret": None, "team_id": "ABCDE12345", "key_id": "FGHIJ67890", "private_key": key}
    return provider_settings("corp", provider, **changes)


def sign_in(stage: Stage, claims: dict[str, Any]) -> Any:
    """Signs in as a person with further claims. Returns linkauth's response."""
    subject = {"sub": "s-1", "user_id": "s-1", "id": "s-1"}
    stage.corp.person = {**subject, "name": "Ada", "email": "ada@example.com", "tid": TENANT, **claims}
    answer = stage.answer()
    if stage.services.providers[0].provider.response_mode == "query":
        return stage.back(answer)
    headers = {"Origin": "https://appleid.apple.com", "Sec-Fetch-Site": "cross-site"}
    return stage.alexa.app.post("/authorize/return/corp", answer, headers=headers, status="*")


def sub_of(stage: Stage, response: Any) -> str:
    """Returns the `sub` of the person who was linked, or ""."""
    if response.status_int != 303:
        assert response.status_int == 403
        return ""
    return str(stage.alexa.introspect(fragment(response.location)["access_token"]).json["sub"])


@pytest.mark.parametrize("preset", CASES)
def test_a_person_of_each_provider_has_an_account_of_its_own(start: Callable[[str, str], Stage], preset: str) -> None:
    stage = start(preset, "own")
    assert sub_of(stage, sign_in(stage, {})) == "corp:s-1"


@pytest.mark.parametrize(
    ("preset", "claims", "finds"),
    [(preset, claims, finds) for preset, cases in CASES.items() for claims, finds in cases],
)
def test_only_an_address_that_the_provider_vouches_for_finds_an_account(
    start: Callable[[str, str], Stage], preset: str, claims: dict[str, Any], finds: bool
) -> None:
    stage = start(preset, "email:staff")
    assert sub_of(stage, sign_in(stage, claims)).startswith("staff:") is finds


@pytest.mark.parametrize("preset", [preset for preset, cases in CASES.items() if not cases])
def test_the_start_refuses_a_match_by_an_address_that_a_provider_never_verifies(
    start: Callable[[str, str], Stage], preset: str
) -> None:
    with pytest.raises(SettingsError, match=r"sign_in\.corp\.match"):
        start(preset, "email:staff")


def test_a_person_of_another_tenant_is_refused(start: Callable[[str, str], Stage]) -> None:
    for match in ("own", "email:staff"):
        stage = start("microsoft", match)
        assert sub_of(stage, sign_in(stage, {**VERIFIED, "tid": OTHER_TENANT})) == ""


def test_every_preset_has_a_row_in_the_manual() -> None:
    text = (ROOT / "docs/sign_ins.md").read_text("utf-8")
    assert re.findall(r"^\| [^|]+ \| `(\w+)` \|", text, re.MULTILINE) == list(CASES)
    assert set(CASES) == set(PRESETS)
