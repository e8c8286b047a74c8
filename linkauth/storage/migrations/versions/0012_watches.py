"""Adds the state of watches."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "watches",
        sa.Column("backend", sa.String(64), nullable=False),
        sa.Column("cookie", sa.LargeBinary(16_384), nullable=False),
        sa.Column("everybody", sa.String(255), nullable=False),
        sa.Column("sweep_after", sa.BigInteger(), nullable=False),
        sa.Column("endings", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("backend", name="pk_watches"),
    )


def downgrade() -> None:
    op.drop_table("watches")
