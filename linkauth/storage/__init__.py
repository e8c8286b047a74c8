"""Where links and tokens are kept: `tables`, their `schema` and its migrations, the `engine`, the `links` store, its
`ledger` for operators, signing `keys`, and the `comparisons` of backends."""

from linkauth.storage.comparisons import Comparison, Comparisons
from linkauth.storage.engine import open_engine
from linkauth.storage.keys import KeyStore
from linkauth.storage.ledger import COLUMNS, Ledger, Which
from linkauth.storage.links import LinkStore
from linkauth.storage.schema import require_current, upgrade

__all__ = [
    "COLUMNS",
    "Comparison",
    "Comparisons",
    "KeyStore",
    "Ledger",
    "LinkStore",
    "Which",
    "open_engine",
    "require_current",
    "upgrade",
]
