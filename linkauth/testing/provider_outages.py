"""Contract tests for a sign-in provider whose server is down, hangs and returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from linkauth.backends import BackendUnavailable, Check
from linkauth.sign_ins import SignInProvider, SignInRequest, SignInResponse
from linkauth.testing.provider_server import ProviderServer, Visitor, new_request, wait_for_sign_in

ANSWER_SECONDS = 30
"""Within this time a call must end while the server hangs, also on a busy machine."""
Result = TypeVar("Result")


def within_limit(call: Callable[..., Result], *arguments: object) -> Result:
    """Returns the result of a call, which must end within ANSWER_SECONDS."""
    threads = ThreadPoolExecutor(1)
    try:
        return threads.submit(call, *arguments).result(timeout=ANSWER_SECONDS)
    finally:
        threads.shutdown(wait=False)


class OutagesContract:
    """The tests of SignInContract for outages."""

    @pytest.fixture
    def server(self) -> ProviderServer:
        raise AssertionError("the subclass must define the fixture `server`")

    @pytest.fixture
    def visitor(self) -> Visitor:
        raise AssertionError("the subclass must define the fixture `visitor`")

    @pytest.fixture
    def provider(self, server: ProviderServer) -> Iterator[SignInProvider]:
        provider = server.provider()
        yield provider
        provider.close()

    def test_a_provider_that_is_down_is_unavailable_and_recovers_by_itself(
        self, server: ProviderServer, visitor: Visitor
    ) -> None:
        for fails in (server.breaks, server.hangs):
            request = new_request()
            fails()
            # a server starts also while the provider is down
            provider = server.provider()
            try:
                with pytest.raises(BackendUnavailable):
                    within_limit(_unfinished, provider, request)
                server.returns()
                assert wait_for_sign_in(server, provider, request).identity.subject == visitor.subject
                # repeat in the middle of a sign-in, with what the provider has read before
                redirect = provider.begin(request)
                response = SignInResponse(server.signs_in(redirect.url), request, redirect.memory)
                fails()
                with pytest.raises(BackendUnavailable):
                    within_limit(provider.finish, response)
            finally:
                server.returns()
            assert wait_for_sign_in(server, provider, request).identity.subject == visitor.subject
            provider.close()

    def test_its_checks_are_well(self, provider: SignInProvider) -> None:
        checks = list(provider.check())
        assert checks, "check() returns no checks: `linkauth doctor` would report no problem"
        assert not [check for check in checks if not isinstance(check, Check) or not check.ok or not check.name]

    def test_its_checks_find_a_provider_that_is_down(self, server: ProviderServer) -> None:
        for fails in (server.breaks, server.hangs):
            for used in (False, True):
                provider = server.provider()
                if used:
                    wait_for_sign_in(server, provider, new_request())
                fails()
                try:
                    checks = within_limit(_checks, provider)
                finally:
                    server.returns()
                failed = [check for check in checks if not check.ok]
                assert failed, "check() reports no failure while the provider is down"
                assert all(check.name and check.detail for check in failed), "a failed check needs a name and a detail"
                wait_for_sign_in(server, provider, new_request())
                assert all(check.ok for check in provider.check())
                provider.close()


def _checks(provider: SignInProvider) -> list[Check]:
    return list(provider.check())


def _unfinished(provider: SignInProvider, request: SignInRequest) -> None:
    """Begins a sign-in, and finishes it with a code that nobody has issued. Both may need the provider."""
    redirect = provider.begin(request)
    provider.finish(SignInResponse({"state": request.state, "code": "never-issued"}, request, redirect.memory))
