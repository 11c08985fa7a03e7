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
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    # As `pipeline.rank.get_rank` reckons it: pages of a crowded week show what has a rank.
    days = "extract(epoch FROM began_at) / 86400" if on_postgresql else "julianday(began_at) - 2440587.5"
    op.execute(
        f"UPDATE stories SET rank = score + 0.5 * ({days}) FROM (SELECT story_id, min(effective_at) AS began_at "
        "FROM entries WHERE story_id IS NOT NULL AND NOT hidden GROUP BY story_id) AS told "
        "WHERE told.story_id = stories.id AND score IS NOT NULL"
    )
    op.create_index("ix_stories_rank", "stories", ["rank"])
    unscored = sa.text("score IS NULL AND merged_into IS NULL")
    op.create_index("ix_stories_unscored", "stories", ["id"], postgresql_where=unscored, sqlite_where=unscored)
    if not on_postgresql:
        return
    # Rows that are written at every check or for every mail: room on their pages for the next version of each, and
    # cleaning that begins after a fixed number of them, not after a fifth of millions.
    for table in ("feeds", "deliveries", "host_leases"):
        op.execute(
            f"ALTER TABLE {table} SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, "
            "autovacuum_analyze_scale_factor = 0.02)"
        )
