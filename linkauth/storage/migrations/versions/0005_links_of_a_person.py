"""Adds indexes for the links of a person."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index("ix_links_backend_subject", "links", ["backend", "subject"])
    op.create_index("ix_links_username_lower", "links", [sa.text("lower(username)")])


def downgrade() -> None:
    op.drop_index("ix_links_username_lower", "links")
    op.drop_index("ix_links_backend_subject", "links")
