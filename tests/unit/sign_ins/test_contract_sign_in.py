"""Tests of the contract tests for sign-in providers: each defect makes one fail.

That a correct provider passes is shown where the template of new plugins is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkauth.backends import BackendUnavailable
from linkauth.sign_ins import SignInFailed
from linkauth.testing import SignInContract, Visitor, provider_server
from linkauth.testing.provider_server import REDIRECT_URI
from tests.unit.sign_ins import defective_providers as defects
from tests.unit.sign_ins.template_plugin import SERVER

ADA = Visitor("p-1815", "ada@example.com", frozenset({"email"}))

BEGIN = "test_begin_leads_to_the_provider_with_state_and_redirect_uri"
MEMORY = "test_the_memory_is_small_and_different_for_each_sign_in"
PERSON = "test_the_person_is_identified"
OTHER = "test_an_answer_to_another_sign_in_is_invalid"
STATE = "test_an_answer_without_a_state_or_with_another_one_is_invalid"
SECRETS = "test_nothing_shows_a_secret_a_code_or_a_token"
DOWN = "test_a_provider_that_is_down_is_unavailable_and_recovers_by_itself"
CHECKS = "test_its_checks_find_a_provider_that_is_down"
REGISTER = "test_it_says_what_to_register_without_a_connection"
DEFECTS: list[tuple[Any, str]] = [
    *((each, BEGIN) for each in (defects.OtherState, defects.OtherRedirectURI, defects.Fragment, defects.PlainHTTP)),
    *((each, MEMORY) for each in (defects.HugeMemory, defects.NumberInMemory, defects.SameMemory)),
    *(
        (each, PERSON)
        for each in (defects.OtherPerson, defects.VerifiesNothing, defects.DeniesToVerify, defects.VerifiesMissingClaim)
    ),
    (defects.OnlyKeptVerifiers, "test_another_process_may_finish"),
    (defects.KeepsVerifiers, OTHER),
    *((defects.IgnoresState, each) for each in (OTHER, STATE)),
    (defects.AcceptsTwice, "test_an_answer_is_used_once"),
    (defects.Crashes, "test_a_changed_answer_is_invalid"),
    (defects.IgnoresError, "test_every_error_is_a_failure"),
    (defects.CancelledIsRefused, "test_a_person_who_cancels_has_cancelled"),
    *((each, SECRETS) for each in (defects.MessageWithCode, defects.LogsVerifier, defects.ShowsSecret)),
    (defects.OneAtATime, "test_many_threads_get_their_own_answers"),
    *((each, DOWN) for each in (defects.DownIsInvalid, defects.ConnectsAtOnce, defects.NeverRecovers)),
    (defects.WithoutChecks, "test_its_checks_are_well"),
    *(
        (each, CHECKS)
        for each in (defects.WithoutChecks, defects.CheckAlwaysOk, defects.CheckWithoutDetail, defects.RaisingCheck)
    ),
    *(
        (each, REGISTER)
        for each in (defects.WithoutHosts, defects.HostIsURL, defects.RegistersNothing, defects.ConnectsAtOnce)
    ),
]


@pytest.fixture
def run(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any, str], None]]:
    """Returns `run(provider_class, test_name)`, which runs a test of the contract without pytest's fixtures."""
    monkeypatch.setattr(provider_server, "RECOVERY_SECONDS", 0)
    servers: list[Any] = []

    def run_test(provider_class: Any, test_name: str) -> None:
        monkeypatch.setattr(SERVER, "KitExampleProvider", provider_class)
        server = SERVER.OAuthServer(REDIRECT_URI)
        servers.append(server)
        arguments = {"server": server, "visitor": ADA, "caplog": caplog}
        test = getattr(SignInContract, test_name)
        names = test.__code__.co_varnames[1 : test.__code__.co_argcount]
        if "provider" in names:
            arguments["provider"] = server.provider()
        test(SignInContract(), **{name: arguments[name] for name in names})

    yield run_test
    for server in servers:
        server.close()


@pytest.mark.parametrize(("provider_class", "test_name"), DEFECTS)
def test_a_defect_makes_a_contract_test_fail(
    provider_class: Any, test_name: str, run: Callable[[Any, str], None]
) -> None:
    expected = (AssertionError, pytest.fail.Exception, BackendUnavailable, UnicodeEncodeError, SignInFailed)
    with pytest.raises(expected):
        run(provider_class, test_name)


def test_every_contract_test_finds_a_defect() -> None:
    tests = {name for name in dir(SignInContract) if name.startswith("test_")}
    assert tests - {name for _, name in DEFECTS} == {"test_its_settings_and_attributes_have_their_types"}


def test_a_contract_test_cannot_be_replaced() -> None:
    with pytest.raises(TypeError, match="replaces tests of its contract: test_its_checks_are_well"):
        type("Weak", (SignInContract,), {"test_its_checks_are_well": lambda self: None})
