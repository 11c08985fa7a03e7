"""What makes entries be found by their words: which entries stand in the index, and the index of each database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: Every byte that is not ASCII belongs to a word, and so do the signs that stand in names (c++, 4.1, language:ja):
#: words are made before they come here, and must come out as they went in.
_ON_SQLITE = """
CREATE VIRTUAL TABLE search_words
USING fts5(words, content='', columnsize=0, detail=full, tokenize="ascii tokenchars '+#.:'")
"""
#: Words are gathered in memory up to so many bytes before they are written: more than a chunk of entries has.
_GATHERED = 8_000_000
#: Long rows of words go out of line whole, so that what remains is narrow: hits are sorted by their keys.
_ON_POSTGRESQL = """
CREATE TABLE search_words (
    key bigint PRIMARY KEY REFERENCES search_entries (key) ON DELETE CASCADE,
    words tsvector NOT NULL
) WITH (toast_tuple_target = 128)
"""


def upgrade() -> None:
    op.create_table(
        "search_entries",
        sa.Column("key", _ID, autoincrement=False, nullable=False),
        sa.Column("entry_id", _ID, autoincrement=False, nullable=True),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name="fk_search_entries_entry_id_entries", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_search_entries"),
        sa.UniqueConstraint("entry_id", name="uq_search_entries_entry_id"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_ON_SQLITE)
        op.execute(f"INSERT INTO search_words(search_words, rank) VALUES('hashsize', {_GATHERED})")
    else:
        op.execute(_ON_POSTGRESQL)
        # What was written last is in a list that each search reads through: a short one.
        op.execute(
            "CREATE INDEX ix_search_words_words ON search_words USING gin (words) WITH (gin_pending_list_limit = 512)"
        )
