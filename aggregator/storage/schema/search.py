"""Tables of the search index: which entry stands where in it. Never of what an entry says.

The index itself, `search_words`, is another thing on each database, so only the migration describes it whole:

- SQLite: a table of FTS5 without content; its row ids are the keys of `search_entries`. What was written into it stays
  (it could be taken out again only by someone who still had the words), so no key is ever given twice; what stands
  under a key without an entry counts for nothing.
- PostgreSQL: a row of (key, words) for each row of `search_entries`, with a GIN index.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSVECTOR

from aggregator.storage.schema.columns import Id, metadata

#: Entries that can be found.
search_entries = sa.Table(
    "search_entries",
    metadata,
    # Newer entries have higher ones: minutes since 1970 of effective_at, times SLOTS, and a free number beside others.
    sa.Column("key", Id, primary_key=True, autoincrement=False),
    # NULL: what stood here is gone, or stands under another key since it was edited.
    sa.Column("entry_id", Id, sa.ForeignKey("entries.id", ondelete="SET NULL"), nullable=True, unique=True),
    # Of its words: what is the same is not written again.
    sa.Column("fingerprint", sa.BigInteger, nullable=False),
)

#: Names that begin so are tables of the index, FTS5's own among them.
INDEX_NAME = "search_words"
#: The index as PostgreSQL has it. Apart from the rest: the same name is something else on SQLite.
search_words = sa.Table(
    INDEX_NAME, sa.MetaData(), sa.Column("key", sa.BigInteger, primary_key=True), sa.Column("words", TSVECTOR)
)
