"""The search index on SQLite: FTS5 walks the entries that hold all words, newest first, and stops when told."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.search import Phrase, SearchQuery
from aggregator.storage.schema import INDEX_NAME
from aggregator.storage.search_keys import ABOVE_ALL, Hits

#: CROSS JOIN: SQLite is not to begin with the other table. What is gone, or was edited since, has no entry.
_SOME = f"""
SELECT found.key, found.entry_id FROM {INDEX_NAME} CROSS JOIN search_entries AS found
WHERE {INDEX_NAME} MATCH :words AND {INDEX_NAME}.rowid < :below
AND found.key = {INDEX_NAME}.rowid AND found.entry_id IS NOT NULL
ORDER BY {INDEX_NAME}.rowid DESC LIMIT :count
"""
_FIND = sa.text(_SOME)
_COUNT = sa.text(f"SELECT count(*) FROM ({_SOME})")


def find_keys(conn: Connection, query: SearchQuery, *, limit: int, below: int) -> Hits:
    """Up to ``limit`` entries with keys below ``below``, the highest first."""
    rows = conn.execute(_FIND, {"words": _write_match(query), "below": below, "count": limit})
    found = tuple((key, number) for key, number in rows)
    return Hits(found=found, rest=found[-1][0] if len(found) == limit else None)


def count_keys(conn: Connection, query: SearchQuery, *, limit: int) -> tuple[int, bool]:
    """How many entries there are, up to ``limit``, and whether there are more."""
    asked = {"words": _write_match(query), "below": ABOVE_ALL, "count": limit + 1}
    count = conn.execute(_COUNT, asked).scalar_one()
    return min(count, limit), count > limit


def _write_match(query: SearchQuery) -> str:
    """The question in FTS5's language. Words hold no quotation marks, and are quoted, so that nothing else counts."""
    wanted = " AND ".join(f"({' OR '.join(map(_quote, phrases))})" for phrases in query.wanted)
    return f"({wanted}) NOT ({' OR '.join(map(_quote, query.excluded))})" if query.excluded else wanted


def _quote(phrase: Phrase) -> str:
    return '"' + " ".join(phrase).replace('"', "") + '"'
