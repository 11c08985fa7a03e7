"""The search index on PostgreSQL: GIN, asked about the newest hours first, then days, weeks, months, all.

GIN finds all that holds some words, in no order and without their places. So each entry also bears the stretches of
time it stands in as words: a common word is asked for among a few thousand entries, a rare one among all. Phrases are
looked for afterwards, in what holds all of their words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.search import Phrase, SearchQuery
from aggregator.storage.schema import INDEX_NAME
from aggregator.storage.search_keys import ABOVE_ALL, Hits, get_minute

#: Minutes of a stretch, as powers of two: nine hours, 3 days, 23 days, half a year.
_STRETCHES = (9, 12, 15, 18)

#: Of so many of the newest entries that hold all words of a phrase it is looked at where they stand.
_VERIFIED = 300

#: By expressions, or the planner may walk the keys from the newest on and unpack the words of each.
_FIND = sa.text(f"""
SELECT key FROM {INDEX_NAME} WHERE words @@ CAST(:words AS tsquery) AND key + 0 < :below
ORDER BY key + 0 DESC LIMIT :count
""")
#: In no order: it ends at the last row that counts.
_COUNT = sa.text(f"""
SELECT count(*) FROM (
    SELECT 1 FROM {INDEX_NAME} WHERE words @@ CAST(:words AS tsquery) LIMIT :count
) AS hits
""")
#: Materialized: or the planner may ask the index about the words again, and unpack those of all that it finds.
_VERIFY = sa.text(f"""
WITH picked AS MATERIALIZED (SELECT key, words FROM {INDEX_NAME} WHERE key = ANY(:keys))
SELECT key FROM picked WHERE words @@ CAST(:words AS tsquery)
""")
_NAME_ENTRIES = sa.text("""
SELECT key, entry_id FROM search_entries WHERE key = ANY(:keys) AND entry_id IS NOT NULL ORDER BY key DESC
""")
#: What the planner does not know: to look at a row is dear, its words are to be unpacked. Without figures of a table
#: that has just been filled it would look at all.
_FORBID_SCANS = sa.text("SET LOCAL enable_seqscan = off")
_ALLOW_SCANS = sa.text("SET LOCAL enable_seqscan TO DEFAULT")
_NEWEST = sa.text(f"SELECT max(key) FROM {INDEX_NAME} WHERE key < :below")


def find_keys(conn: Connection, query: SearchQuery, *, limit: int, below: int) -> Hits:
    """Up to ``limit`` entries with keys below ``below``, the highest first; of phrases what the newest hold of them."""
    limit = max(limit, _VERIFIED) if _has_phrases(query) else limit
    asked = {"below": below, "count": limit}
    newest = conn.scalar(_NEWEST, {"below": below})
    keys: list[int] = []
    conn.execute(_FORBID_SCANS)
    for words in _iter_stretches(query, newest):
        keys = list(conn.scalars(_FIND, {"words": words, **asked}))
        if len(keys) == limit:
            break
    rest = keys[-1] if len(keys) == limit else None
    if keys and _has_phrases(query):
        keys = list(conn.scalars(_VERIFY, {"keys": keys, "words": _write_exactly(query)}))
    conn.execute(_ALLOW_SCANS)
    rows = conn.execute(_NAME_ENTRIES, {"keys": keys}) if keys else ()
    return Hits(found=tuple((key, number) for key, number in rows), rest=rest)


def count_keys(conn: Connection, query: SearchQuery, *, limit: int, first: Hits | None = None) -> tuple[int, bool]:
    """How many entries there are, up to ``limit``, and whether there may be more; of phrases, among the newest:
    as many as ``first`` found, when that is known."""
    if _has_phrases(query):
        hits = first or find_keys(conn, query, limit=1, below=ABOVE_ALL)
        return len(hits.found), hits.rest is not None
    newest = conn.scalar(_NEWEST, {"below": ABOVE_ALL})
    count = 0
    conn.execute(_FORBID_SCANS)
    for words in _iter_stretches(query, newest):
        count = conn.scalar(_COUNT, {"words": words, "count": limit + 1}) or 0
        if count > limit:
            break
    conn.execute(_ALLOW_SCANS)
    return min(count, limit), count > limit


def make_vector(key: int, words: Sequence[str]) -> str:
    """A tsvector as PostgreSQL reads it: each word with its places, and the stretches of ``key`` without."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words, 1):
        places.setdefault(word, []).append(place)
    # PostgreSQL keeps 255 places of a word at most.
    parts = [f"{_quote(word)}:{','.join(map(str, at[:255]))}" for word, at in places.items()]
    return " ".join((*parts, *(_quote(_name_stretch(power, get_minute(key) >> power)) for power in _STRETCHES)))


def _iter_stretches(query: SearchQuery, newest: int | None) -> Iterator[str]:
    """The question for the stretch of ``newest`` and the one before it, a longer one each time, at last for all."""
    if newest is None:
        return
    words = _write_loosely(query)
    for power in _STRETCHES:
        number = get_minute(newest) >> power
        yield f"({_quote(_name_stretch(power, number))} | {_quote(_name_stretch(power, number - 1))}) & {words}"
    yield words


def _name_stretch(power: int, number: int) -> str:
    """No word of a text begins with this sign."""
    return f"#{power}:{number}"


def _has_phrases(query: SearchQuery) -> bool:
    return any(len(phrase) > 1 for phrases in (*query.wanted, query.excluded) for phrase in phrases)


def _write_exactly(query: SearchQuery) -> str:
    wanted = [f"({' | '.join(_join(phrase, '<->') for phrase in phrases)})" for phrases in query.wanted]
    return " & ".join((*wanted, *(f"!{_join(phrase, '<->')}" for phrase in query.excluded)))


def _write_loosely(query: SearchQuery) -> str:
    """What GIN can answer by itself: it lets through all that `_write_exactly` does, and more."""
    wanted = [f"({' | '.join(_join(phrase, '&') for phrase in phrases)})" for phrases in query.wanted]
    return " & ".join((*wanted, *(f"!{_join(phrase, '&')}" for phrase in query.excluded if len(phrase) == 1)))


def _join(phrase: Phrase, sign: str) -> str:
    return f"({f' {sign} '.join(map(_quote, phrase))})"


def _quote(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"
