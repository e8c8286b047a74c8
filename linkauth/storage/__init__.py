"""Where links and tokens are kept: `tables`, their `schema` and its migrations, the `engine`, the `links` store, its
`ledger` for operators, signing `keys`, and the `comparisons` of backends."""

from linkauth.storage.comparisons import Comparison, Comparisons
from linkauth.storage.engine import open_engine
from linkauth.storage.keys import KeyStore, StoredKey, unreadable
from linkauth.storage.ledger import COLUMNS, Ledger, Which
from linkauth.storage.links import LinkStore
from linkauth.storage.schema import readable_by_others, require_current, revision, upgrade

__all__ = [
    "COLUMNS",
    "Comparison",
    "Comparisons",
    "KeyStore",
    "Ledger",
    "LinkStore",
    "StoredKey",
    "Which",
    "open_engine",
    "readable_by_others",
    "require_current",
    "revision",
    "unreadable",
    "upgrade",
]
