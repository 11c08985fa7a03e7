"""Rows of a large installation, made by PostgreSQL itself: feeds, entries with all that hangs on them. Not a benchmark.

A few thousand texts (`search_texts`, seeded) are copied in; each entry is one of them with an address and a time of its
own and a last word of 60,000, and `INSERT ... SELECT` makes the rows without indexes, which are built at the end. Entry
n of E came n/E through the stretch of time; feeds bring more the lower their number, seven of ten entries begin a
story, nine of ten may enter the combined feed, each bears two or three tags, a few tags most often. The content of an
entry has some 500 bytes, the index the title's words and those of a hundred characters: texts of natural length need
more disk than they tell about size.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import psycopg
from search_texts import Writer

from aggregator.model.feed import FeedSpec
from aggregator.model.parsed import ParsedEntry
from aggregator.model.tag import Tag
from aggregator.pipeline.query import make_words
from aggregator.storage.feed_rows import new_row
from aggregator.storage.packing import pack_parsed
from aggregator.storage.search_postgresql import make_vector

TEXTS, RARE, STEP = 4_096, 60_000, 250_000
#: Bytes of text of an entry, at least.
LENGTH = 500
#: Characters of it that are indexed.
INDEXED = 100
#: Feeds that are due, of whatever size.
DUE = 1_000

_RANGE = "generate_series(%(first)s::bigint, %(last)s::bigint)"
_AT = "%(now)s::timestamptz - %(span)s * (1 - n / %(entries)s::float8) - interval '2 minutes'"
_POOL = "pool p ON p.number = hashint8(n * 3) & 4095"


def draw(of: str) -> str:
    """SQL: from 0 to 1, always the same."""
    return f"((hashint8({of})::bigint + 2147483648) / 4294967297.0)"


_PARTS = {
    "entries": f"""
INSERT INTO entries (id, feed_id, key, key_hash, content_hash, guid, atom_id, url, canonical_url, title, author,
    language, excerpt, reading_minutes, categories, enclosures, published_at, first_seen_at, changed_at, effective_at,
    backlog, story_id, links)
SELECT n, feed, guid, decode(md5(guid), 'hex'), md5('c' || n), guid, guid, url, url, title || ' ' || word, '',
    language, excerpt, 2, '[]', '[]', at, at + interval '1 minute', at + interval '1 minute', at, n % 10 = 9,
    n - (ARRAY[0, 1, 2, 0, 1, 0, 0, 0, 0, 0])[1 + n % 10], '[]'
FROM (SELECT n, 1 + floor(%(feeds)s * power({draw("n")}, 2))::bigint AS feed, {_AT} AS at, p.*, w.word,
    'https://bench.example/posts/' || n AS url, 'https://bench.example/posts/' || n || '#' || md5(n::text) AS guid
    FROM {_RANGE} AS n JOIN {_POOL} JOIN rare w ON w.number = n % {RARE}) AS made""",
    "contents": f"""
INSERT INTO contents (entry_id, policy_version, content_html, parsed)
SELECT n, 1, html, parsed FROM {_RANGE} AS n JOIN {_POOL}""",
    "entry_tags": f"""
INSERT INTO entry_tags (entry_id, position, slug, kind, field, found, rule, count, effective_at)
SELECT n, p, t.slug, t.kind, 'title', t.slug, t.slug, 1, {_AT}
FROM {_RANGE} AS n CROSS JOIN generate_series(0, 2) AS p JOIN known_tags t
    ON t.number = floor(power(%(tags)s::float8, {draw("n * 4 + p")}))::int - 1
WHERE p < 2 OR n % 2 = 0""",
    "stories": f"""
INSERT INTO stories (id, atom_id, lead_entry_id, score, rank, reasons, created_at, updated_at)
SELECT n, 'tag:bench.example,2026:story/' || n, n, 10 * {draw("n")},
    10 * {draw("n")} + extract(epoch FROM at) / 172800, '[["sources", "1", 1.0]]', at, at
FROM (SELECT n, {_AT} AS at FROM {_RANGE} AS n WHERE n % 10 NOT IN (1, 2, 4)) AS made""",
    "story_links": f"""
INSERT INTO story_links (entry_id, other_id, strength, evidence)
SELECT n, n - 1, 0.8, '["names: openai"]' FROM {_RANGE} AS n WHERE n % 10 IN (1, 2, 4)""",
    "search_entries": f"""
INSERT INTO search_entries (key, entry_id, fingerprint)
SELECT (extract(epoch FROM {_AT})::bigint / 60) * 1024 + n % 1024, n, n FROM {_RANGE} AS n""",
    "search_words": f"""
INSERT INTO search_words (key, words)
SELECT key, p.words || array_to_tsvector(ARRAY[w.word] || ARRAY(
    SELECT '#' || power || ':' || (key / 1024 >> power) FROM unnest(ARRAY[9, 12, 15, 18]) AS power))
FROM (SELECT n, (extract(epoch FROM {_AT})::bigint / 60) * 1024 + n % 1024 AS key FROM {_RANGE} AS n) AS made
JOIN {_POOL} JOIN rare w ON w.number = n % {RARE}""",
}
_FEEDS = f"""
INSERT INTO feeds SELECT made.* FROM {_RANGE} AS n CROSS JOIN LATERAL jsonb_populate_record(
    NULL::feeds, %(row)s::jsonb || jsonb_build_object(
    'id', n, 'url', 'https://site' || n / 3 || '.example/feed/' || n, 'host_key', 'site' || n / 3 || '.example',
    'title', 'Site ' || n, 'state', CASE WHEN n % 10 = 1 THEN 'paused' ELSE 'active' END,
    'etag', '\\x' || md5(n::text), 'body_hash', md5('b' || n), 'last_status', 200,
    'last_fetched_at', %(now)s::timestamptz - interval '1 h', 'first_imported_at', %(now)s::timestamptz - %(span)s,
    'arrivals', '[1770000000.0, 1769900000.0, 1769800000.0]'::jsonb, 'next_due_at', %(now)s::timestamptz + CASE
    WHEN n % %(apart)s = 0 THEN - (n / %(apart)s) * interval '3.6 s'
    ELSE interval '1 h' + (n * 7919 % 86400) * interval '1 s' END)
) AS made"""
_SLICES = f"""
INSERT INTO feed_slices (feed_id, slices)
SELECT n, sha512(n::text::bytea) || sha512(%(now)s::text::bytea) FROM {_RANGE} AS n"""
_LOG = f"""
INSERT INTO fetch_log (feed_id, at, status, failure_class, failure_reason, not_modified, received_bytes, seconds, new,
    changed, unchanged, rejected, folded, warnings, next_due_at, next_due_reason)
SELECT n, %(now)s::timestamptz - interval '1 h', 304, '', '', true, 0, 0.2, 0, 0, 0, 0, 0, '[]', %(now)s, 'interval'
FROM {_RANGE} AS n"""


def fill(url: str, feeds: int, entries: int, *, now: datetime, span: timedelta, tags: Collection[Tag]) -> None:
    """Fill a database that was migrated just now."""
    known = [(tag.slug, tag.kind) for tag in tags]
    asked = {
        "feeds": feeds,
        "apart": max(feeds // DUE, 1),
        "entries": entries,
        "now": now,
        "span": span,
        "tags": len(known),
    }
    row = new_row(FeedSpec(url="", origin="added"), now) | dict.fromkeys(("asked_url", "claimed_by", "moved_url"), "")
    row |= {"document_entries": 10, "largest_document": 10, "moved_times": 0}
    asked["row"] = json.dumps(row, default=str)
    with psycopg.connect(url, autocommit=True) as conn:
        _make_pool(conn, known)
        built = _drop_indexes(conn)
    by_entry = [("search_words", entries), ("entries", entries), ("contents", entries), ("entry_tags", entries)]
    by_entry += [(name, entries) for name in ("stories", "story_links", "search_entries")]
    jobs = [(_PARTS[name], name, count) for name, count in by_entry]
    jobs += [(_FEEDS, "feeds", feeds), (_SLICES, "feed_slices", feeds), (_LOG, "fetch_log", feeds)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda job: _load(url, *job, asked), jobs))
        list(threads.map(lambda made: _build(url, made), built))
    with psycopg.connect(url, autocommit=True) as conn:
        for table in ("entries", "stories", "feeds"):
            conn.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
        conn.execute("DROP TABLE pool, rare, known_tags")
        conn.execute("VACUUM (ANALYZE)")
        conn.execute("CHECKPOINT")


def _make_pool(conn: psycopg.Connection[Any], tags: Sequence[tuple[str, str]]) -> None:
    """What the rows are made of, and a server that need not survive a power cut."""
    settings = ("fsync = off", "full_page_writes = off", "max_wal_size = '8GB'", "checkpoint_timeout = '1h'")
    for setting in (*settings, "autovacuum = off"):
        conn.execute(f"ALTER SYSTEM SET {setting}")
    conn.execute("SELECT pg_reload_conf()")
    conn.execute("""
        CREATE TABLE pool (number int PRIMARY KEY, title text, language text, excerpt text, html text, parsed bytea,
            words tsvector);
        CREATE TABLE rare (number int PRIMARY KEY, word text);
        CREATE TABLE known_tags (number int PRIMARY KEY, slug text, kind text)""")
    writer = Writer()
    with conn.cursor() as cursor:
        with cursor.copy("COPY pool FROM STDIN") as copy:
            for number in range(TEXTS):
                copy.write_row((number, *_make_text(writer)))
        with cursor.copy("COPY rare FROM STDIN") as copy:
            for number, word in enumerate(writer.english[:RARE]):
                copy.write_row((number, word))
        with cursor.copy("COPY known_tags FROM STDIN") as copy:
            for number, tag in enumerate(tags):
                copy.write_row((number, *tag))
    conn.execute("ANALYZE pool, rare, known_tags")


def _make_text(writer: Writer) -> tuple[str, str, str, str, bytes, str]:
    """Title, language, excerpt, content, what was said, words for the index."""
    made = writer.write()
    text = made.text
    while len(text.encode()) < LENGTH:
        more = writer.write()
        text += more.text if more.language == made.language else ""
    text = text.encode()[: LENGTH + 60].decode(errors="ignore")
    words = make_words(title=made.title, author="", excerpt="", text=text[:INDEXED], language=made.language)
    parsed = pack_parsed(ParsedEntry(title=made.title, content_html=text))
    return made.title, made.language, text[:140], f"<p>{text}</p>", parsed, make_vector(0, words.split())


def _drop_indexes(conn: psycopg.Connection[Any]) -> list[str]:
    """Indexes and unique constraints of all that is filled; the statements that make them again, the dearest first."""
    tables = [*_PARTS, "feeds", "feed_slices", "fetch_log"]
    constraints = conn.execute(
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), conindid::regclass::text
        FROM pg_constraint WHERE contype = 'u' AND conrelid::regclass::text = ANY(%s)""",
        (tables,),
    ).fetchall()
    again = [f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for table, name, definition, _ in constraints]
    for table, name, _, _ in constraints:
        conn.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    plain = conn.execute(
        """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
        WHERE indrelid::regclass::text = ANY(%s) AND NOT indisprimary""",
        (tables,),
    ).fetchall()
    for name, definition in plain:
        conn.execute(f"DROP INDEX {name}")
        again.append(definition)
    return sorted(again, key=lambda made: "gin" not in made)


def _load(url: str, statement: str, name: str, count: int, asked: dict[str, Any]) -> None:
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")  # what rows point to comes beside them
        conn.execute("SET synchronous_commit = off")
        for first in range(1, count + 1, STEP):
            some = asked | {"first": first, "last": min(first + STEP - 1, count)}
            text = psycopg.ClientCursor(conn).mogrify(statement.replace(" % ", " %% "), some)
            conn.execute(text.encode())
    print(f"  {name}: {count:,} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _build(url: str, definition: str) -> None:
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET maintenance_work_mem = '3GB'")
        conn.execute("SET max_parallel_maintenance_workers = 0")
        conn.execute(definition)
    if (took := time.monotonic() - began) > 10:
        print(f"  {took:.0f} s: {definition[:110]}", file=sys.stderr, flush=True)
