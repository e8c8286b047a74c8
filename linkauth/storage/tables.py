"""The database tables. Times are whole seconds since 1970 (UTC). Tokens and codes are stored as SHA-256 digests."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    text,
)

VERSION_TABLE = "linkauth_version"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite generates IDs only in a column of the type INTEGER
IdType = BigInteger().with_variant(Integer(), "sqlite")

links = Table(
    "links",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("backend", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("username", String(255), nullable=False),
    Column("client_id", String(255), nullable=False, index=True),
    Column("scope", String(4096), nullable=False),
    Column("grant", String(32), nullable=False),
    Column("locale", String(35), nullable=False),
    # the claims for the client, as a JSON object
    Column("claims", Text, nullable=False, server_default="{}"),
    Column("created_at", BigInteger, nullable=False),
    # times of the first token, the first use, and the last use (to the hour)
    Column("token_issued_at", BigInteger),
    Column("first_used_at", BigInteger),
    Column("last_used_at", BigInteger),
    # NULL for an active link
    Column("ended_at", BigInteger),
    Column("end_reason", String(255)),
    Index("ix_links_backend_subject", "backend", "subject"),
)
# for the search of operators, which ignores case
Index("ix_links_username_lower", func.lower(links.c.username))

tokens = Table(
    "tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("link_id", IdType, ForeignKey(links.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    # NULL: no expiry
    Column("expires_at", BigInteger),
    # NULL: the scope of the link
    Column("scope", String(4096)),
    # rotated refresh tokens: the number of predecessors, and the time of the rotation
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("used_at", BigInteger),
    # ID of a JWT, for the deny list
    Column("jti", String(64)),
)

codes = Table(
    "codes",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("link_id", IdType, ForeignKey(links.c.id, ondelete="CASCADE"), nullable=False, index=True),
    # NULL: not in the authorization request
    Column("redirect_uri", Text),
    Column("code_challenge", String(43)),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

deny_list = Table(
    "deny_list",
    metadata,
    # there is only the row 1
    Column("id", Integer, primary_key=True, autoincrement=False),
    # incremented by each transaction that ends links, so that servers detect an outdated signed list
    Column("version", BigInteger, nullable=False),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("signs_from", BigInteger, nullable=False),
    # NULL: there is no newer key
    Column("retires_at", BigInteger),
    # the private key, encrypted once per secret in the ini, separated by spaces
    Column("sealed", Text, nullable=False),
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("shadow", String(64), primary_key=True),
    # the backend that accepted the sign-in
    Column("backend", String(64), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("username", String(255), nullable=False),
    # the last outcome, unless the shadow was unavailable
    Column("outcome", String(32), nullable=False),
    # NULL: the shadow refused the sign-in
    Column("same_subject", Boolean),
    Column("compared_at", BigInteger, nullable=False),
    # number of comparisons, and how many of them found the shadow unavailable
    Column("asked", BigInteger, nullable=False),
    Column("unavailable", BigInteger, nullable=False),
)

challenges = Table(
    "challenges",
    metadata,
    # SHA-256 digests of the value in the page, and of the query of the authorization request
    Column("digest", LargeBinary(32), primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("request", LargeBinary(32), nullable=False),
    # the account; "" if there is none, or if no mail is sent
    Column("backend", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    # digest of the value in the page and the code; random if nobody gets the code
    Column("code", LargeBinary(32), nullable=False),
    # the fields of a registration, encrypted once per secret in the ini, separated by spaces; NULL if there are none
    Column("data", Text),
    Column("tries_left", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    # whether a correct code has extended the validity
    Column("extended", Boolean, nullable=False),
    # time of the last claim; NULL: unused
    Column("used_at", BigInteger),
    # "replaced", "expired" or "finished"
    Column("end_reason", String(16)),
    Index("ix_challenges_backend_subject", "backend", "subject"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", IdType, primary_key=True),
    # keyed digests of the address and of the source of the request; random if the mail does not count for the limit
    Column("recipient", LargeBinary(32), nullable=False),
    Column("source", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    # NULL if the mail is done
    Column("due_at", BigInteger, index=True),
    Column("leased_until", BigInteger),
    # the mail, encrypted, and the ID of the key; NULL if the mail is done
    Column("sealed", Text),
    Column("key_id", String(16)),
    # NULL: waiting
    Column("outcome", String(16)),
    Column("done_at", BigInteger, index=True),
    Index("ix_outbox_recipient_created_at", "recipient", "created_at"),
    Index("ix_outbox_source_created_at", "source", "created_at"),
)

second_factors = Table(
    "second_factors",
    metadata,
    Column("backend", String(64), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("username", String(255), nullable=False),
    # a random name of this enrolment, which remembered devices are bound to
    Column("enrolment", String(22), nullable=False),
    # the secrets, encrypted once per secret in the ini, and the IDs of these keys; both separated by spaces
    Column("sealed", Text, nullable=False),
    Column("key_ids", Text, nullable=False),
    # the time step (RFC 6238) of the last accepted code
    Column("last_step", BigInteger, nullable=False),
    # wrong codes since the last accepted one, and the time until which no code is accepted
    Column("failures", Integer, nullable=False),
    Column("waits_until", BigInteger, nullable=False),
    Column("enrolled_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    # keyed digest; the key is encrypted in the row of second_factors
    Column("digest", LargeBinary(32), primary_key=True),
    Column("backend", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("used_at", BigInteger),
    Index("ix_recovery_codes_backend_subject", "backend", "subject"),
)

leases = Table(
    "leases",
    metadata,
    # what only one process at a time may do, on all machines
    Column("name", String(32), primary_key=True),
    # random for each process, and the host and the process ID for operators
    Column("owner", String(32), nullable=False),
    Column("holder", String(255), nullable=False),
    Column("taken_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

leaver_sweeps = Table(
    "leaver_sweeps",
    metadata,
    # a row for each backend whose leaver sweep is not finished
    Column("backend", String(64), primary_key=True),
    Column("started_at", BigInteger, nullable=False),
    # the last subject that was looked up, in the order of the database; "" at the beginning
    Column("position", String(255), nullable=False),
    # a subject that was found, or ""
    Column("witness", String(255), nullable=False),
    # whether everybody was looked up
    Column("is_complete", Boolean, nullable=False),
    # the numbers of the report, as a JSON object
    Column("counts", Text, nullable=False),
)

leavers = Table(
    "leavers",
    metadata,
    # people whose links the leaver sweep of their backend will end, after it has looked up everybody
    Column("backend", String(64), primary_key=True),
    Column("subject", String(255), primary_key=True),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("credential_id", LargeBinary(1023), primary_key=True),
    Column("backend", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    # that of the second factor to which the passkey belongs
    Column("enrolment", String(22), nullable=False),
    # a COSE key (RFC 9052)
    Column("public_key", LargeBinary, nullable=False),
    # the last counter of the authenticator; 0 if it has none
    Column("sign_count", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Index("ix_passkeys_backend_subject", "backend", "subject"),
)


def full_metadata() -> MetaData:
    """Returns the metadata including the partial index of JWTs, for migrations and their tests.

    The index is not in `metadata`, because its dialect options import every dialect, which slows the start.
    """
    if not any(index.name == "ix_tokens_jti" for index in tokens.indexes):
        jwts = text("jti IS NOT NULL")
        # for the query of the deny list
        Index("ix_tokens_jti", tokens.c.expires_at, sqlite_where=jwts, postgresql_where=jwts)
    return metadata
