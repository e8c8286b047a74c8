"""Contract tests for a sign-in provider."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest

from linkauth.backends import BackendUnavailable, Identity
from linkauth.sign_ins import (
    MEMORY_LIMIT,
    InvalidAnswer,
    ProvidedIdentity,
    Redirect,
    ResponseMode,
    SignInCancelled,
    SignInFailed,
    SignInProvider,
    SignInResponse,
)
from linkauth.testing.provider_outages import OutagesContract
from linkauth.testing.provider_server import REDIRECT_URI, ProviderServer, Visitor, new_request, sign_in

URL_LIMIT = 8_000
"""Maximum number of characters of a URL that servers commonly accept."""
THREADS = 12
SECRET_LENGTH = 8
"""Shorter texts are no secrets, and may be parts of words."""
HOSTILE_CODES = (
    *("", " ", "unknown", "x" * 20_000, "a\0b", "\ud800", "é", "a\r\nX-Header: b", "{0.__class__}", "' OR 1=1--"),
    *("%00", "../../token", '"}', "🔑"),
)
HOSTILE_ERRORS = (
    *("server_error", "temporarily_unavailable", "invalid_request", "unauthorized_client", "invalid_scope"),
    *("interaction_required", "", "no-such-error", "x" * 20_000, "a\r\nb", "\ud800", "<b>", "access_denied "),
)
LANGUAGES = ("", "en", "pt-BR", "zh-Hant-TW", "ar")


class SignInContract(OutagesContract):
    """The base class for the tests of a sign-in provider. A subclass provides the fixtures `server` and `visitor`.

    A subclass cannot override the tests: defining such a class raises TypeError.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        contract_tests = [name for name in dir(SignInContract) if name.startswith("test_")]
        # also finds a replacement in a base class that precedes this one in the MRO
        if replaced := [name for name in contract_tests if getattr(cls, name) is not getattr(SignInContract, name)]:
            raise TypeError(f"{cls.__name__} replaces tests of its contract: {', '.join(replaced)}")

    def test_its_settings_and_attributes_have_their_types(self, provider: SignInProvider) -> None:
        assert type(provider).Settings.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert isinstance(provider.brand, str)
        assert isinstance(provider.brand_name, str)
        assert provider.response_mode in get_args(ResponseMode)
        assert isinstance(provider.refuses_embedded_browsers, bool)

    def test_begin_leads_to_the_provider_with_state_and_redirect_uri(self, provider: SignInProvider) -> None:
        for language in LANGUAGES:
            request = new_request(language)
            redirect = provider.begin(request)
            assert isinstance(redirect, Redirect)
            url = urlsplit(redirect.url)
            is_local = url.hostname in ("127.0.0.1", "::1", "localhost")
            assert url.scheme == "https" or (url.scheme == "http" and is_local), "the page must be at https"
            assert not url.fragment, "a server does not get the fragment of a URL"
            assert len(redirect.url) <= URL_LIMIT
            assert redirect.url.isascii()
            assert redirect.url.isprintable()
            query = parse_qs(url.query, keep_blank_values=True)
            assert query["state"] == [request.state], "the state must be in the URL, once and unchanged"
            assert query["redirect_uri"] == [REDIRECT_URI], "the redirect URI must be in the URL, once and unchanged"

    def test_the_memory_is_small_and_different_for_each_sign_in(self, provider: SignInProvider) -> None:
        """What is different, such as a PKCE verifier or a nonce, binds the answer to this sign-in."""
        request = new_request()
        first, second = provider.begin(request), provider.begin(request)
        for redirect in (first, second):
            assert all(isinstance(text, str) for item in redirect.memory.items() for text in item)
            assert sum(len(name) + len(value) for name, value in redirect.memory.items()) <= MEMORY_LIMIT
        assert first.memory != second.memory
        assert first.url != second.url

    def test_the_person_is_identified(self, server: ProviderServer, provider: SignInProvider, visitor: Visitor) -> None:
        for language in LANGUAGES:
            found = sign_in(server, provider, new_request(language))
            assert isinstance(found, ProvidedIdentity)
            identity = found.identity
            assert isinstance(identity, Identity)
            assert identity.subject == visitor.subject
            assert 1 <= len(identity.username) <= 255
            assert identity.email == visitor.email
            assert found.verified == visitor.verified
            assert all(map(provider.may_verify, found.verified)), "may_verify() denies what is verified"
            known = {"email"} if identity.email else set()
            assert found.verified <= known | identity.claims.keys(), "what is verified must be in the identity"

    def test_another_process_may_finish(self, server: ProviderServer, visitor: Visitor) -> None:
        first, second = server.provider(), server.provider()
        first_request = new_request()
        assert sign_in(server, first, first_request, second).identity.subject == visitor.subject
        first.close()
        second.close()

    def test_an_answer_is_used_once(self, server: ProviderServer, provider: SignInProvider) -> None:
        request = new_request()
        redirect = provider.begin(request)
        response = SignInResponse(server.signs_in(redirect.url), request, redirect.memory)
        provider.finish(response)
        with pytest.raises(InvalidAnswer):
            provider.finish(response)

    def test_an_answer_to_another_sign_in_is_invalid(self, server: ProviderServer, provider: SignInProvider) -> None:
        """Somebody could make a person use the answer that belongs to somebody else."""
        request, other_request = new_request(), new_request()
        for changed in ("state", "memory", "no memory", "both"):
            redirect, other = provider.begin(request), provider.begin(other_request)
            parameters = dict(server.signs_in(redirect.url))
            assert parameters["state"] == request.state
            response = SignInResponse(parameters, request, redirect.memory)
            if changed in ("state", "both"):
                response = replace(response, request=other_request)
            if changed in ("memory", "both"):
                response = replace(response, memory=other.memory)
            if changed == "no memory":
                response = replace(response, memory={})
            with pytest.raises(InvalidAnswer):
                provider.finish(response)

    def test_an_answer_without_a_state_or_with_another_one_is_invalid(
        self, server: ProviderServer, provider: SignInProvider
    ) -> None:
        request = new_request()
        for state in (None, "", request.state[:-1], request.state + "x", request.state.swapcase(), "é"):
            redirect = provider.begin(request)
            parameters = {**server.signs_in(redirect.url), "state": state}
            given = {name: value for name, value in parameters.items() if value is not None}
            with pytest.raises(InvalidAnswer):
                provider.finish(SignInResponse(given, request, redirect.memory))

    def test_a_changed_answer_is_invalid(self, server: ProviderServer, provider: SignInProvider) -> None:
        request = new_request()
        redirect = provider.begin(request)
        answer = server.signs_in(redirect.url)
        for code in (None, *HOSTILE_CODES):
            parameters = {**answer, "code": code}
            given = {name: value for name, value in parameters.items() if value is not None}
            with pytest.raises(SignInFailed):
                provider.finish(SignInResponse(given, request, redirect.memory))
        with pytest.raises(InvalidAnswer):
            provider.finish(SignInResponse({}, request, redirect.memory))

    def test_a_person_who_cancels_has_cancelled(self, server: ProviderServer, provider: SignInProvider) -> None:
        request = new_request()
        redirect = provider.begin(request)
        with pytest.raises(SignInCancelled):
            provider.finish(SignInResponse(server.cancels(redirect.url), request, redirect.memory))

    def test_every_error_is_a_failure(self, server: ProviderServer, provider: SignInProvider) -> None:
        request = new_request()
        redirect = provider.begin(request)
        cancelled, answer = server.cancels(redirect.url), server.signs_in(redirect.url)
        for error in HOSTILE_ERRORS:
            for parameters in ({**cancelled, "error": error}, {**answer, "error": error or "server_error"}):
                described = {**parameters, "error_description": f"{error} happened", "error_uri": "https://x.example"}
                with pytest.raises((SignInFailed, BackendUnavailable)):
                    provider.finish(SignInResponse(described, request, redirect.memory))

    def test_nothing_shows_a_secret_a_code_or_a_token(
        self, server: ProviderServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        provider = server.provider()
        texts = [repr(provider), str(vars(provider)), str(dict(provider.registration(REDIRECT_URI)))]
        hidden: list[str] = []
        for change in (
            {},
            {"code": "canary-4f1b-code"},
            {"state": "canary-4f1b-state"},
            {"error": "canary-4f1b-error"},
        ):
            request = new_request()
            redirect = provider.begin(request)
            answer: Mapping[str, str] = {**server.signs_in(redirect.url), **change}
            response = SignInResponse(answer, request, redirect.memory)
            hidden += [request.state, *redirect.memory.values(), answer["code"], *change.values()]
            texts += [repr(request), repr(redirect), repr(response)]
            try:
                texts.append(repr(provider.finish(response)))
            except (SignInFailed, BackendUnavailable) as error:
                texts += [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
        server.breaks()
        texts += [f"{check.name} {check.detail}" for check in provider.check()]
        server.returns()
        texts += [f"{check.name} {check.detail}" for check in provider.check()]
        provider.close()
        # the name of an unknown error helps the operator
        hidden.remove("canary-4f1b-error")
        shown = "\n".join([*texts, caplog.text])
        # the memory may contain words that are no secrets
        long = [each for each in (*hidden, *server.secrets()) if len(each) >= SECRET_LENGTH and each != REDIRECT_URI]
        assert len(long) > len(change)
        assert [number for number, secret in enumerate(long) if secret in shown] == []

    def test_many_threads_get_their_own_answers(
        self, server: ProviderServer, provider: SignInProvider, visitor: Visitor
    ) -> None:
        begun = [(request, provider.begin(request)) for request in (new_request() for _ in range(2 * THREADS))]
        answers = [server.signs_in(redirect.url) for _, redirect in begun]

        def finish(number: int) -> object:
            request, redirect = begun[number]
            # each third one gets the answer to the sign-in before
            parameters = answers[number - 1 if number % 3 == 2 else number]
            try:
                return provider.finish(SignInResponse(parameters, request, redirect.memory)).identity.subject
            except InvalidAnswer as error:
                return type(error)

        with ThreadPoolExecutor(THREADS) as threads:
            results = list(threads.map(finish, range(len(begun))))
        assert results == [InvalidAnswer if number % 3 == 2 else visitor.subject for number in range(len(begun))]

    def test_it_says_what_to_register_without_a_connection(self, server: ProviderServer) -> None:
        reached = server.provider()
        host = urlsplit(reached.begin(new_request()).url).hostname
        reached.close()
        server.breaks()
        try:
            provider = server.provider()
            fields, hosts = provider.registration(REDIRECT_URI), provider.hosts()
            provider.close()
        finally:
            server.returns()
        assert all(isinstance(text, str) and text for field in fields.items() for text in field)
        assert REDIRECT_URI in fields.values()
        assert isinstance(hosts, tuple)
        assert host in hosts, "hosts() must name the host of the page that begin() leads to"
        assert not [each for each in hosts if set(each) & set("/@ ?#*")]
