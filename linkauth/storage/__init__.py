"""The database of linkauth, over SQLAlchemy Core.

It has links, tokens, codes, signing keys, comparisons of backends, challenges, pending sign-ins, second factors,
passkeys, leaver sweeps, and the outbox of mails.
"""

from linkauth.storage.challenges import ChallengeStore
from linkauth.storage.comparisons import Comparisons
from linkauth.storage.engine import open_engine
from linkauth.storage.keys import KeyStore, StoredKey, key_store, require_signing_keys, unreadable_keys_problem
from linkauth.storage.leavers import LeaverSweeps
from linkauth.storage.link_admin import COLUMNS, LinkAdmin, LinkFilter
from linkauth.storage.links import LinkStore
from linkauth.storage.outbox import OutboxStore
from linkauth.storage.passkeys import PasskeyStore
from linkauth.storage.pending import PendingStore
from linkauth.storage.schema import open_storage, readable_by_others, require_current, revision, upgrade
from linkauth.storage.second_factor_admin import SecondFactorAdmin
from linkauth.storage.second_factors import SecondFactorStore

__all__ = [
    "COLUMNS",
    "ChallengeStore",
    "Comparisons",
    "KeyStore",
    "LeaverSweeps",
    "LinkAdmin",
    "LinkFilter",
    "LinkStore",
    "OutboxStore",
    "PasskeyStore",
    "PendingStore",
    "SecondFactorAdmin",
    "SecondFactorStore",
    "StoredKey",
    "key_store",
    "open_engine",
    "open_storage",
    "readable_by_others",
    "require_current",
    "require_signing_keys",
    "revision",
    "unreadable_keys_problem",
    "upgrade",
]
