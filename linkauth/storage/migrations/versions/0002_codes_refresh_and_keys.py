"""Adds authorization codes, refresh tokens, the use of links, and signing keys for JWT access tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("links") as links:
        links.add_column(sa.Column("claims", sa.Text(), nullable=False, server_default="{}"))
        links.add_column(sa.Column("token_issued_at", sa.BigInteger()))
        links.add_column(sa.Column("first_used_at", sa.BigInteger()))
        links.add_column(sa.Column("last_used_at", sa.BigInteger()))
    # before this version, each link was created together with its token
    op.execute("UPDATE links SET token_issued_at = created_at")
    with op.batch_alter_table("tokens") as tokens:
        tokens.add_column(sa.Column("scope", sa.String(4096)))
        tokens.add_column(sa.Column("generation", sa.Integer(), nullable=False, server_default="0"))
        tokens.add_column(sa.Column("used_at", sa.BigInteger()))
        tokens.add_column(sa.Column("jti", sa.String(64)))
    jwts = sa.text("jti IS NOT NULL")
    op.create_index("ix_tokens_jti", "tokens", ["expires_at"], sqlite_where=jwts, postgresql_where=jwts)
    op.create_table(
        "codes",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("link_id", _KEY, nullable=False),
        sa.Column("redirect_uri", sa.Text()),
        sa.Column("code_challenge", sa.String(43)),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name="fk_codes_link_id_links", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name="pk_codes"),
    )
    op.create_index("ix_codes_link_id", "codes", ["link_id"])
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("signs_from", sa.BigInteger(), nullable=False),
        sa.Column("retires_at", sa.BigInteger()),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
    )


def downgrade() -> None:
    op.drop_table("signing_keys")
    op.drop_table("codes")
    op.drop_index("ix_tokens_jti", "tokens")
    with op.batch_alter_table("tokens") as tokens:
        for column in ("jti", "used_at", "generation", "scope"):
            tokens.drop_column(column)
    with op.batch_alter_table("links") as links:
        for column in ("last_used_at", "first_used_at", "token_issued_at", "claims"):
            links.drop_column(column)
