"""What makes stories: links and discussion of entries, the editor's rules and rulings, meanings."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("feeds", sa.Column("points", sa.Text(), nullable=False, server_default=sa.text("''")))
    _widen_entries()
    _create_rule_decisions()
    _create_story_links()
    _create_rulings()
    _create_meanings()


def _widen_entries() -> None:
    op.add_column("entries", sa.Column("links", sa.JSON(), nullable=True))
    op.add_column("entries", sa.Column("discussion", sa.Integer(), nullable=True))
    op.add_column("entries", sa.Column("hidden", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("entries", sa.Column("weight", sa.Double(), nullable=False, server_default="1"))
    op.add_column("entries", sa.Column("section", sa.Text(), nullable=False, server_default=sa.text("''")))
    few: dict[str, Any] = {"sqlite_where": sa.text("hidden = 1"), "postgresql_where": sa.text("hidden")}
    op.create_index("ix_entries_hidden", "entries", ["hidden"], **few)


def _entry(name: str, table: str, *, optional: bool = False) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    """A column that points to an entry and goes with it."""
    return (
        sa.Column(name, _ID, autoincrement=False, nullable=optional),
        sa.ForeignKeyConstraint([name], ["entries.id"], name=f"fk_{table}_{name}_entries", ondelete="CASCADE"),
    )


def _create_rule_decisions() -> None:
    op.create_table(
        "rule_decisions",
        *_entry("entry_id", "rule_decisions"),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("rule", "action", "value")),
        sa.PrimaryKeyConstraint("entry_id", "position", name="pk_rule_decisions"),
    )
    op.create_index("ix_rule_decisions_rule", "rule_decisions", ["rule"])


def _create_story_links() -> None:
    op.create_table(
        "story_links",
        *_entry("entry_id", "story_links"),
        *_entry("other_id", "story_links"),
        sa.Column("strength", sa.Double(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_story_links"),
    )
    op.create_index("ix_story_links_other_id", "story_links", ["other_id"])


def _create_rulings() -> None:
    op.create_table(
        "rulings",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        *_entry("entry_id", "rulings"),
        *_entry("other_id", "rulings", optional=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('merge', 'never', 'lead', 'pin', 'bury')", name=op.f("ck_rulings_kind")),
        sa.PrimaryKeyConstraint("id", name="pk_rulings"),
    )
    op.create_index("ix_rulings_entry_id", "rulings", ["entry_id"])
    op.create_index("ix_rulings_other_id", "rulings", ["other_id"])


def _create_meanings() -> None:
    op.create_table(
        "meanings",
        *_entry("entry_id", "meanings"),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_meanings"),
    )
