"""Where links and tokens are kept: `tables`, their `schema` and its migrations, the `engine`, the `links` store, its
`ledger` for operators, and signing `keys`."""

from linkauth.storage.engine import open_engine
from linkauth.storage.keys import KeyStore
from linkauth.storage.ledger import COLUMNS, Ledger, Which
from linkauth.storage.links import LinkStore
from linkauth.storage.schema import require_current, upgrade

__all__ = ["COLUMNS", "KeyStore", "Ledger", "LinkStore", "Which", "open_engine", "require_current", "upgrade"]
