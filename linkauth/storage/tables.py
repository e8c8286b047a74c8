"""The tables. Times are whole seconds since 1970, UTC; of a token only its SHA-256 is kept."""

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

# SQLite counts up by itself only in a column that is declared just INTEGER
Key = BigInteger().with_variant(Integer(), "sqlite")

links = Table(
    "links",
    metadata,
    Column("id", Key, primary_key=True),
    Column("backend", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("username", String(255), nullable=False),
    Column("client_id", String(255), nullable=False, index=True),
    Column("scope", String(4096), nullable=False),
    Column("grant", String(32), nullable=False),
    Column("locale", String(35), nullable=False),
    # what the granted scopes let the client know, as a JSON object
    Column("claims", Text, nullable=False, server_default="{}"),
    Column("created_at", BigInteger, nullable=False),
    # when its first token was issued, first used, and last used (to the hour)
    Column("token_issued_at", BigInteger),
    Column("first_used_at", BigInteger),
    Column("last_used_at", BigInteger),
    # a living link has neither
    Column("ended_at", BigInteger),
    Column("end_reason", String(255)),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("link_id", Key, ForeignKey(links.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    # none: it does not expire
    Column("expires_at", BigInteger),
    # none: all of its link's
    Column("scope", String(4096)),
    # refresh tokens under rotation: how many came before, and when it was rotated away
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("used_at", BigInteger),
    # names a JWT in the deny list
    Column("jti", String(64)),
)

codes = Table(
    "codes",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("link_id", Key, ForeignKey(links.c.id, ondelete="CASCADE"), nullable=False, index=True),
    # none: the request left it out
    Column("redirect_uri", Text),
    Column("code_challenge", String(43)),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

deny_list = Table(
    "deny_list",
    metadata,
    # one row: 1
    Column("id", Integer, primary_key=True, autoincrement=False),
    # grows with each transaction that ends links, so that each server sees that its signed list is outdated
    Column("version", BigInteger, nullable=False),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("signs_from", BigInteger, nullable=False),
    # none: no younger key is there
    Column("retires_at", BigInteger),
    # the private key, encrypted once for each secret of the ini, with spaces between
    Column("sealed", Text, nullable=False),
)

comparisons = Table(
    "comparisons",
    metadata,
    # who was asked behind the answer, who had answered, and about whom
    Column("shadow", String(64), primary_key=True),
    Column("backend", String(64), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("username", String(255), nullable=False),
    # the last that is known, and when that was; outages change neither
    Column("outcome", String(32), nullable=False),
    # none: the shadow let nobody in
    Column("same_subject", Boolean),
    Column("compared_at", BigInteger, nullable=False),
    # how often it was asked, and how often of that it could not tell
    Column("asked", BigInteger, nullable=False),
    Column("unavailable", BigInteger, nullable=False),
)


def whole_metadata() -> MetaData:
    """The metadata with the partial index of JWTs, for migrations and their tests.

    An index with options of dialects imports every dialect, which a start has no time for.
    """
    if not any(index.name == "ix_tokens_jti" for index in tokens.indexes):
        jwts = text("jti IS NOT NULL")
        # for the deny list: few tokens are JWTs
        Index("ix_tokens_jti", tokens.c.expires_at, sqlite_where=jwts, postgresql_where=jwts)
    return metadata
