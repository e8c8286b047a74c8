"""The table of the journal. It has no relation to the others: its steps outlive what they are about."""

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table

from linkauth.storage.tables import IdType, metadata

journal = Table(
    "journal",
    metadata,
    # steps of attempts to link, in the order in which they were written
    Column("id", IdType, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    # keyed digest of the authorization request; NULL for the request of a client
    Column("attempt", LargeBinary(8)),
    # without a foreign key: a step is kept longer than a link whose code nobody exchanges
    Column("link_id", IdType),
    Column("client_id", String(255), nullable=False),
    # the name of the event, a stable code for what was wrong, and a backend or a sign-in provider; "" if there is none
    Column("step", String(32), nullable=False),
    Column("cause", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Column("detail", String(1024), nullable=False),
    # what `log_identities` shows of the person, and the keyed digest by which operators find a person
    Column("name", String(255), nullable=False),
    Column("name_key", LargeBinary(16)),
    # the ID of the request in the log
    Column("request", String(64), nullable=False),
)
