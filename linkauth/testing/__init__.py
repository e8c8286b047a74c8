"""The plugin test kit: a plugin's tests are a subclass and its fixtures, the laws of the contract are here.

    class TestMyBackend(BackendContract):
        @pytest.fixture
        def store(self): ...      # a running store with the person that `known` names

pytest is needed to use it, and only then.
"""

from linkauth.config.presets import settings_of
from linkauth.testing.accounts import Newcomer
from linkauth.testing.backend import BackendContract
from linkauth.testing.store import Known, Store
from linkauth.testing.theme import ThemeContract

__all__ = ["BackendContract", "Known", "Newcomer", "Store", "ThemeContract", "settings_of"]
