"""Failures of account linking after the redirect that people report, each injected and named by `linkauth why`.

The number of a test is that of the failure; `test_page_failures` has the others, and says more about both.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from tests.alexa import basic
from tests.protocol.flow import VERIFIER
from tests.why.conftest import HOME, LAYLA, Linking, action, named

PUBLIC = "https://link.example.com"
REFRESH = "linkauth.client.rotating.refresh"


def test_01_a_refresh_token_that_died_when_it_was_replaced_is_used_again(linking: Linking) -> None:
    first = linking.linked("rotating")["refresh_token"]
    assert linking.refresh(first, "rotating").status_int == 200
    assert linking.refresh(first, "rotating").status_int == 400
    found = linking.last("rotating")
    assert (found["reached"], found["cause"]) == ("ended", "refresh_reused")
    assert "stable" in action(found, REFRESH)


def test_02_the_detection_of_reuse_ends_the_whole_link(linking: Linking) -> None:
    first = linking.linked("rotating")["refresh_token"]
    newest = linking.refresh(first, "rotating").json["refresh_token"]
    linking.refresh(first, "rotating")
    # the newest token is good, but its link has ended
    assert linking.refresh(newest, "rotating").json["error"] == "invalid_grant"
    found = linking.last("rotating")
    assert [step["cause"] for step in found["steps"]][-2:] == ["refresh_reused", "link_ended"]
    assert found["cause"] == "refresh_reused"
    assert named(found, "setting") == [REFRESH]


def test_03_a_refresh_token_is_dead_after_14_days_without_use(
    linking: Linking, monkeypatch: pytest.MonkeyPatch
) -> None:
    linking.days_ago(15, monkeypatch)
    token = linking.linked("rotating")["refresh_token"]
    linking.days_ago(0, monkeypatch)
    assert linking.refresh(token, "rotating").status_int == 400
    found = linking.last("rotating")
    assert found["cause"] == "refresh_expired"
    assert "linkauth.client.rotating.refresh_token_idle" in named(found, "setting")


def test_04_linking_works_for_one_hour(linking: Linking, monkeypatch: pytest.MonkeyPatch) -> None:
    alexa = linking.alexa("expiring", "https://expiring.example.com/cb", response_type="token")
    del alexa.parameters["scope"]
    linking.days_ago(0.5, monkeypatch)
    token = alexa.link()["access_token"]
    assert linking.use(token) == 200
    linking.days_ago(0, monkeypatch)
    assert linking.use(token) == 401
    found = linking.last("expiring")
    assert found["reached"] == "expired"
    assert named(found, "setting")[0] == "linkauth.client.expiring.access_token_lifetime"


def test_05_the_refresh_token_has_expired(linking: Linking, monkeypatch: pytest.MonkeyPatch) -> None:
    linking.days_ago(2, monkeypatch)
    token = linking.linked("lasting")["refresh_token"]
    linking.days_ago(0, monkeypatch)
    linking.refresh(token, "lasting")
    found = linking.last("lasting")
    assert found["cause"] == "refresh_expired"
    assert named(found, "setting")[0] == "linkauth.client.lasting.refresh_token_lifetime"


def test_06_an_old_code_comes_back_and_older_links_do_not_matter(linking: Linking) -> None:
    alexa = linking.alexa()
    code = alexa.code()
    assert linking.exchange(code).status_int == 200
    assert linking.exchange(code).status_int == 400
    found = linking.last()
    assert (found["reached"], found["cause"]) == ("ended", "code_used")
    assert "must not keep old codes" in action(found, "")
    # to link again works at once
    assert linking.use(linking.linked()["access_token"]) == 200
    assert linking.last()["is_well"] is True


def test_09_the_token_uri_was_pasted_with_a_state(linking: Linking) -> None:
    form = {"grant_type": "authorization_code", "code": linking.alexa().code(), "redirect_uri": HOME}
    # this is harmless
    assert linking.token(form, path="/token?state=STATE").status_int == 200
    assert (linking.last()["reached"], linking.last()["cause"]) == ("tokens_issued", "")
    # this is not: the secret is in logs now
    linking.alexa().code()
    linking.token({"grant_type": "authorization_code"}, path="/token?client_secret=x&client_id=home")
    found = linking.last()
    assert (found["reached"], found["cause"]) == ("redirected_with_code", "secret_in_query")
    assert action(found, "Access Token URI") == f"it must be exactly {PUBLIC}/token"


@pytest.mark.parametrize("in_body", [False, True])
def test_11_the_secret_of_the_console_is_wrong_in_either_scheme(linking: Linking, in_body: bool) -> None:
    form = {"grant_type": "authorization_code", "code": linking.alexa("lasting").code(), "redirect_uri": LAYLA}
    form |= {"client_id": "lasting", "client_secret": "c4n4ry"} if in_body else {}
    linking.client.post("/token", form, headers={} if in_body else basic("lasting", "c4n4ry"), status=401)
    found = linking.last("lasting")
    assert (found["reached"], found["cause"]) == ("redirected_with_code", "wrong_secret")
    assert "linkauth.client.lasting.secret" in action(found, "Your Secret")
    assert "c4n4ry" not in str(found)


def test_11_the_client_sends_no_secret(linking: Linking) -> None:
    code = linking.alexa("lasting").code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": LAYLA, "client_id": "lasting"}
    linking.client.post("/token", form, status=401)
    assert linking.last("lasting")["cause"] == "missing_secret"


def test_20_21_the_three_states_of_a_link(linking: Linking) -> None:
    code = linking.alexa().code()
    assert linking.last()["reached"] == "redirected_with_code"
    token = linking.exchange(code).json["access_token"]
    found = linking.last()
    assert found["reached"] == "tokens_issued"
    assert any("AcceptGrant" in each["action"] for each in found["corrections"] if each["kind"] == "program")
    assert linking.use(token) == 200
    found = linking.last()
    assert (found["reached"], found["is_well"]) == ("used", True)


def test_22_a_write_fails_and_the_repeated_request_succeeds(linking: Linking, monkeypatch: pytest.MonkeyPatch) -> None:
    code = linking.alexa().code()

    def fail(*arguments: Any) -> bool:
        raise OperationalError("", {}, Exception("disk I/O error"))

    with monkeypatch.context() as broken:
        broken.setattr(linking.services.links._changes, "redeem", fail)
        assert linking.exchange(code).status_int == 503
    found = linking.last()
    assert (found["reached"], found["cause"]) == ("redirected_with_code", "storage")
    assert named(found, "setting") == ["linkauth.database"]
    assert "disk I/O error" in found["meaning"]
    assert linking.exchange(code).status_int == 200
    assert (linking.last()["reached"], linking.last()["cause"]) == ("tokens_issued", "")


def test_26_pkce_is_on_in_one_of_the_two_requests_only(linking: Linking) -> None:
    linking.alexa("pkce").open(status=303)
    found = linking.last("pkce")
    assert found["cause"] == "missing_challenge"
    assert named(found, "console field") == ["Proof Key for Code Exchange (PKCE)"]
    code = linking.alexa("lasting").code()
    assert linking.exchange(code, "lasting", code_verifier=VERIFIER).status_int == 400
    found = linking.last("lasting")
    assert (found["reached"], found["cause"]) == ("redirected_with_code", "wrong_verifier")
    assert "/authorize got no code_challenge" in found["meaning"]


def test_27_a_short_column_has_cut_the_token(linking: Linking) -> None:
    linking.refresh(linking.linked("lasting")["refresh_token"][:32], "lasting")
    found = linking.why("--client", "lasting")["requests"][-1]
    assert (found["client_id"], found["cause"]) == ("lasting", "refresh_unknown")
    assert "its length is 32 instead of 43" in found["meaning"]
    assert "255 characters" in found["corrections"][0]["action"]
    linking.exchange(linking.alexa("lasting").code()[:40], "lasting")
    found = linking.last("lasting")
    assert (found["reached"], found["cause"]) == ("redirected_with_code", "code_unknown")
    assert "its length is 40 instead of 43" in found["meaning"]
