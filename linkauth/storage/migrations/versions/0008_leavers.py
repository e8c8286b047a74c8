"""Adds leases, and the state of leaver sweeps."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "leaver_sweeps",
        sa.Column("backend", sa.String(64), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.String(255), nullable=False),
        sa.Column("witness", sa.String(255), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("backend", name="pk_leaver_sweeps"),
    )
    op.create_table(
        "leavers",
        sa.Column("backend", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("backend", "subject", name="pk_leavers"),
    )


def downgrade() -> None:
    op.drop_table("leavers")
    op.drop_table("leaver_sweeps")
    op.drop_table("leases")
