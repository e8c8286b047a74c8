"""The database of linkauth: links, tokens, codes, signing keys and comparisons of backends, over SQLAlchemy Core."""

from linkauth.storage.comparisons import Comparisons
from linkauth.storage.engine import open_engine
from linkauth.storage.keys import KeyStore, StoredKey, key_store, unreadable_keys_problem
from linkauth.storage.link_admin import COLUMNS, LinkAdmin, LinkFilter
from linkauth.storage.links import LinkStore
from linkauth.storage.schema import open_storage, readable_by_others, require_current, revision, upgrade

__all__ = [
    "COLUMNS",
    "Comparisons",
    "KeyStore",
    "LinkAdmin",
    "LinkFilter",
    "LinkStore",
    "StoredKey",
    "key_store",
    "open_engine",
    "open_storage",
    "readable_by_others",
    "require_current",
    "revision",
    "unreadable_keys_problem",
    "upgrade",
]
