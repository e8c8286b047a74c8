"""Fixtures with a real OpenID provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.servers import openid_provider
from tests.servers.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIDProvider
from tests.sign_ins.openid.visit import NAME, Visit, new_visit

RETURN = f"https://link.example.com/authorize/return/{NAME}"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIDProvider]:
    openid_provider.required()
    started = OpenIDProvider(tmp_path_factory.mktemp("openid"), [RETURN])
    started.start()
    yield started
    started.stop()


def settings(provider: OpenIDProvider, match: str = "own", **changes: str) -> dict[str, str]:
    """Returns the settings of the provider; `__` stands for a dot."""
    prefix = f"sign_in__{NAME}__"
    base = {
        "use": "oidc",
        "preset": "generic",
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "label": "Example Corp",
        "match": match,
    }
    return {"sign_ins": NAME, **{prefix + key: value for key, value in base.items()}, **changes}


@pytest.fixture(scope="module")
def make_visit(make_app: Callable[..., Any], provider: OpenIDProvider) -> Callable[..., Visit]:
    """`make_visit(match, **settings)` returns a visit to a new app."""

    def make(match: str = "own", **changes: str) -> Visit:
        return new_visit(make_app(**settings(provider, match, **changes)))

    return make
