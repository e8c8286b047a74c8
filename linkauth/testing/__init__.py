"""The test kit for plugins: base classes whose tests check the contracts of backends, sign-in providers and themes.

A plugin subclasses one of them and provides its fixtures:

    class TestMyBackend(BackendContract):
        @pytest.fixture
        def store(self): ...      # a running user store that contains the person of the fixture `known`

This package requires pytest, which a running server does not need.
"""

from linkauth.config.presets import settings_of
from linkauth.testing.addresses import Newcomer
from linkauth.testing.backend import BackendContract
from linkauth.testing.failover import FailoverContract
from linkauth.testing.provider_server import ProviderServer, Visitor
from linkauth.testing.sign_in import SignInContract
from linkauth.testing.store import Known, Store
from linkauth.testing.theme import ThemeContract

__all__ = [
    "BackendContract",
    "FailoverContract",
    "Known",
    "Newcomer",
    "ProviderServer",
    "SignInContract",
    "Store",
    "ThemeContract",
    "Visitor",
    "settings_of",
]
