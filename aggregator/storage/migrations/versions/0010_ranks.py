"""What orders stories, in an index: the best of a week are found without looking at all of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stories", sa.Column("rank", sa.Double(), nullable=True))
    op.create_index("ix_stories_rank", "stories", ["rank"])
    if op.get_bind().dialect.name != "postgresql":
        return
    # Rows that are written at every check or for every mail: room on their pages for the next version of each, and
    # cleaning that begins after a fixed number of them, not after a fifth of millions.
    for table in ("feeds", "deliveries", "host_leases"):
        op.execute(
            f"ALTER TABLE {table} SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, "
            "autovacuum_analyze_scale_factor = 0.02)"
        )
