"""Rows that the desk shows beside those of `size_rows`: feeds in trouble, fetches, readers, issues. Not a benchmark.

PostgreSQL makes them itself: one in ten feeds is paused, one in twelve fails (of all classes), some are quarantined,
redirected, gone, silent or shrunk; readers are spread over forty mail servers, two in five at the first; the last two
issues went to all who are confirmed, the last one is half sent; others to two thousand. What is asked is drawn by a
hash, the same at every run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psycopg
from size_rows import draw

from aggregator.model.feed import FAILURE_CLASSES

ISSUES, EARLIER, DOMAINS, FETCHES = 50, 2_000, 40, 100
AUDIT, BOUNCES, LETTERS, NOTICES, RULINGS, SUPPRESSIONS = 20_000, 3_000, 5_000, 2_000, 300, 1_500


_CLASSES = f"(ARRAY{[*FAILURE_CLASSES]!r})"
_CLASS = f"{_CLASSES}[1 + n % {len(FAILURE_CLASSES)}]"
_WHEN = "%(now)s::timestamptz"
#: Monday, the last slot of the weekly newsletter.
_SLOT = f"(date_trunc('week', {_WHEN}) + interval '8 h')"
_DOMAIN = f"'mail' || floor({DOMAINS} * power({draw('n * 11')}, 2.2))::int || '.example'"
_SUBJECT = "(ARRAY['feed', 'story', 'entry', 'issue', 'subscriber'])[1 + n % 5] || ':' || 1 + n * 7919 % 9000"
_EMAIL = f"'reader' || n || '@' || {_DOMAIN}"
_REPLY = """CASE state WHEN 'sent' THEN '250 2.0.0 Ok: queued as ' || md5(n::text)
    WHEN 'deferred' THEN '451 4.7.1 Greylisted, <b>please</b> try again later'
    WHEN 'failed' THEN '550 5.1.1 No such user here' WHEN 'bounced' THEN '550 5.1.1 No such user here' ELSE '' END"""
_DELIVERY = f"""
INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, address, variant, state, lease_owner, lease_until,
    fence, attempts, uncertain, next_try_at, code, reply_text, created_at, changed_at)
SELECT issue, n, subscription, email, '', state, '', NULL, 1, 1, 0, slot, CASE state WHEN 'sent' THEN 250 WHEN
    'deferred' THEN 451 WHEN 'failed' THEN 550 WHEN 'bounced' THEN 550 ELSE 0 END,
    {_REPLY}, slot, slot + n * interval '10 ms'
FROM (SELECT b.id AS n, i.id AS issue, s.id AS subscription, b.email, i.slot_at AS slot, CASE
        WHEN i.id = {ISSUES} AND b.id % 2 = 0 THEN 'queued'
        WHEN {draw("b.id * 100 + i.id")} < 0.93 THEN 'sent' WHEN {draw("b.id * 100 + i.id")} < 0.95 THEN 'bounced'
        WHEN {draw("b.id * 100 + i.id")} < 0.96 THEN 'failed' WHEN {draw("b.id * 100 + i.id")} < 0.961 THEN 'unknown'
        WHEN {draw("b.id * 100 + i.id")} < 0.965 THEN 'suppressed'
        ELSE CASE WHEN i.id = {ISSUES} THEN 'deferred' ELSE 'sent' END END AS state
    FROM issues i JOIN subscriptions s ON s.newsletter = 'weekly' JOIN subscribers b ON b.id = s.subscriber_id
    WHERE i.state IN ('sent', 'sending') AND (i.id > {ISSUES} - 2 OR b.id <= {EARLIER})) AS made ORDER BY issue, n"""

#: In this order, each a statement for all of its rows.
PARTS: Mapping[str, str] = {
    "feeds that fail": f"""
UPDATE feeds SET failures = 1 + n % 12, failure_class = {_CLASS}, last_status = CASE WHEN n % 3 = 0 THEN 503 END,
    failure_reason = {_CLASS} || ': the server says <i>no</i> to ' || url, next_due_reason = 'backoff after a failure'
FROM (SELECT id AS n, id FROM feeds) AS made WHERE made.id = feeds.id AND n % 12 = 3""",
    "feeds in quarantine": """
UPDATE feeds SET failure_class = 'quarantined', strikes = 3, failures = 3 WHERE id % 900 = 11""",
    "feeds redirected": f"""
UPDATE feeds SET moved_url = replace(url, 'site', 'new-site'), moved_since = {_WHEN} - interval '3 d', moved_times = 5
WHERE id % 200 = 7""",
    "feeds that moved": "UPDATE feeds SET asked_url = replace(url, 'site', 'old-site') WHERE id % 500 = 9",
    "feeds gone": f"UPDATE feeds SET gone_since = {_WHEN} - interval '9 h', last_status = 410 WHERE id % 700 = 13",
    "feeds that shrank": """
UPDATE feeds SET alarm = 'shrank: holds 3 entries, once 40', largest_document = 40 WHERE id % 333 = 5""",
    "feeds that are silent": "UPDATE feeds SET alarm = 'silent for 40 days, usually 2' WHERE id % 150 = 31",
    "feeds held": "UPDATE feeds SET alarm = '80 new entries at once held for review: look' WHERE id % 1500 = 33",
    "feeds paused": "UPDATE feeds SET paused_reason = 'paused by the editor' WHERE state = 'paused'",
    "feeds of all kinds": f"""
UPDATE feeds SET spec_tags = CASE WHEN n % 4 = 0 THEN '["robotics"]'::json ELSE '[]'::json END,
    language = (ARRAY['en', 'en', 'ja', 'zh'])[1 + n % 4], last_fetched_at = {_WHEN} - n % 3600 * interval '1 s',
    arrivals = CASE WHEN n % 9 = 4 THEN '[]'::json ELSE json_build_array(
        extract(epoch FROM {_WHEN}) - {draw("n")} * 6e6, extract(epoch FROM {_WHEN}) - 7e6) END
FROM (SELECT id AS n, id FROM feeds) AS made WHERE made.id = feeds.id""",
    "fetch_log": f"""
INSERT INTO fetch_log (feed_id, at, status, failure_class, failure_reason, not_modified, received_bytes, seconds, new,
    changed, unchanged, rejected, folded, warnings, next_due_at, next_due_reason)
SELECT n, at, CASE WHEN fails AND n % 3 > 0 THEN NULL WHEN fails THEN 503 WHEN same THEN 304 ELSE 200 END,
    CASE WHEN fails THEN {_CLASS} ELSE '' END, CASE WHEN fails THEN 'the server says no' ELSE '' END,
    same AND NOT fails, CASE WHEN same OR fails THEN 0 ELSE 40000 + n % 90000 END, 0.1 + n % 30 / 10.0,
    CASE WHEN same OR fails THEN 0 ELSE turn % 3 END, 0, CASE WHEN same OR fails THEN 0 ELSE 20 END, 0, 0,
    CASE WHEN n % 20 = 1 AND NOT same THEN '["the date of 3 entries cannot be read"]'::json ELSE '[]'::json END,
    at + interval '1 h', 'as often as it brings something'
FROM (SELECT n, turn, {_WHEN} - ({FETCHES} - turn) * interval '1 h' - n % 3600 * interval '1 s' AS at,
    {draw("n * 1000 + turn")} < 0.7 AS same,
    (n % 12 = 3 AND turn > {FETCHES} - n % 12) OR {draw("turn * n")} < 0.02 AS fails
    FROM generate_series(1, %(feeds)s::bigint) AS n CROSS JOIN generate_series(1, {FETCHES}) AS turn) AS made
ORDER BY at, n""",
    "hosts": f"""
INSERT INTO hosts SELECT 'site' || n * 20 || '.example', {_WHEN} + interval '20 min', '429, Retry-After'
FROM generate_series(1, 60) AS n""",
    "hubs": f"""
INSERT INTO hubs (feed_id, hub_url, topic_url, token, secret, state, reason, lease_until, next_try_at, tries,
    pushed_at, misses)
SELECT id, 'https://hub.example/', url, md5('t' || id), md5('s' || id), 'live', '', {_WHEN} + interval '5 d',
    {_WHEN} + interval '4 d', 0, {_WHEN} - interval '1 h', 0 FROM feeds WHERE id % 40 = 2""",
    "rule_decisions": """
INSERT INTO rule_decisions SELECT n, 0, 'rule ' || n % 20, (ARRAY['tag', 'weight', 'drop', 'section'])[1 + n % 4],
    (ARRAY['robotics', '0.5', '', 'Machines'])[1 + n % 4] FROM generate_series(1, %(entries)s::bigint, 5) AS n""",
    "hidden entries": "UPDATE entries SET hidden = true WHERE id % 5 = 1 AND id % 4 = 2",
    "entry_versions": f"""
INSERT INTO entry_versions (entry_id, replaced_at, content_hash, parsed)
SELECT n, {_WHEN} - interval '1 d', md5(n::text), parsed FROM generate_series(1, %(entries)s::bigint, 50) AS n
JOIN contents ON entry_id = n""",
    "edits": "UPDATE entries SET edits = 1, edits_since = first_seen_at WHERE id % 50 = 1",
    "rulings": f"""
INSERT INTO rulings (kind, entry_id, other_id, made_at)
SELECT (ARRAY['merge', 'never', 'lead', 'pin', 'bury'])[1 + n % 5], %(entries)s::bigint - n * 37,
    CASE WHEN n % 5 < 2 THEN %(entries)s::bigint - n * 37 - 5 END, {_WHEN} - n * interval '1 h'
FROM generate_series(1, {RULINGS}) AS n""",
    "subscribers": f"""
INSERT INTO subscribers (id, email, folded, address_hash, created_at)
SELECT n, email, email, encode(sha256(email::bytea), 'hex'),
    {_WHEN} - interval '700 d' * power(1 - n / %(people)s::float8, 2)
FROM (SELECT n, {_EMAIL} AS email FROM generate_series(1, %(people)s::bigint) AS n) AS made""",
    "subscriptions": f"""
INSERT INTO subscriptions (subscriber_id, newsletter, state, public_id, language, topics, variant, consent, created_at,
    confirmed_at, ended_at, ended_reason)
SELECT n, newsletter, state, md5('p' || n || newsletter), '', '[]', '', 'form of the site, confirmed by the link',
    created_at, CASE WHEN state <> 'pending' THEN created_at + interval '5 min' END,
    CASE WHEN state = 'ended' THEN created_at + ({_WHEN} - created_at) * {draw("n * 5")} END,
    CASE WHEN state = 'ended' THEN (ARRAY['unsubscribed', 'bounced', 'complaint'])[1 + n % 3] ELSE '' END
FROM (SELECT id AS n, created_at, newsletter, CASE WHEN {draw("id * 3")} < 0.88 THEN 'confirmed'
    WHEN {draw("id * 3")} < 0.98 THEN 'ended' ELSE 'pending' END AS state FROM subscribers
    CROSS JOIN unnest(ARRAY['weekly', 'daily']) AS newsletter WHERE newsletter = 'weekly' OR id % 5 = 0) AS made
ORDER BY n""",
    "issues": f"""
INSERT INTO issues (id, newsletter, slug, slot_at, window_start, window_end, state, reason, subject, created_at,
    frozen_at, sent_at, review_until, paused_reason)
SELECT n, 'weekly', to_char(slot, 'IYYY-"W"IW'), slot, slot - interval '7 d', slot,
    CASE WHEN n = {ISSUES} + 1 THEN 'draft' WHEN n = {ISSUES} THEN 'sending'
        WHEN n % 20 = 0 THEN 'skipped' ELSE 'sent' END,
    CASE WHEN n % 20 = 0 AND n < {ISSUES} THEN 'too few stories: 0 found, 3 wanted' ELSE '' END,
    CASE WHEN n > {ISSUES} THEN '' ELSE 'AI Weekly ' || n END, least(slot - interval '1 d', {_WHEN}),
    CASE WHEN n <= {ISSUES} THEN slot END, CASE WHEN n < {ISSUES} THEN slot + interval '1 h' END, slot, ''
FROM (SELECT n, {_SLOT} + (n - {ISSUES}) * interval '7 d' AS slot
    FROM generate_series(1, {ISSUES} + 1) AS n) AS made""",
    "renderings": """
INSERT INTO renderings SELECT id, '', subject, 'What came to pass', repeat('<p>' || md5(id::text) || '</p>', 1500),
    repeat(md5(id::text), 500), repeat('<p>' || md5(id::text) || '</p>', 1500)
FROM issues WHERE state IN ('sent', 'sending')""",
    "issue_stories": """
INSERT INTO issue_stories SELECT issue, place - 1, id,
    CASE WHEN place < 16 THEN 'top' WHEN place < 31 THEN 'brief' ELSE 'more' END
FROM (SELECT i.id AS issue, s.id, row_number() OVER (PARTITION BY i.id ORDER BY s.score DESC) AS place
    FROM issues i JOIN stories s ON s.created_at >= i.window_start AND s.created_at < i.window_end
    WHERE i.state IN ('sent', 'sending') AND s.score > 9.8) AS made WHERE place <= 60""",
    "issue_entries": """
INSERT INTO issue_entries SELECT issue_id, e.id, p.position,
    row_number() OVER (PARTITION BY issue_id, p.position ORDER BY e.id) - 1
FROM issue_stories p JOIN entries e ON e.story_id = p.story_id""",
    "deliveries": _DELIVERY,
    "bounces": f"""
INSERT INTO bounces (raw_hash, kind, delivery_id, subscription_id, address_hash, status, diagnostic, origin,
    received_at, packed)
SELECT md5('b' || d.id), (ARRAY['hard', 'soft', 'policy', 'complaint', 'hard'])[1 + d.id % 5], d.id, d.subscription_id,
    b.address_hash, '5.1.1', 'smtp; 550 5.1.1 <' || d.address || '> no such user', 'maildir',
    d.changed_at + interval '1 min', '\\x789c'::bytea
FROM deliveries d JOIN subscribers b ON b.id = d.subscriber_id WHERE d.state = 'bounced' LIMIT {BOUNCES}""",
    "suppressions": f"""
INSERT INTO suppressions SELECT address_hash, 'bounced', {_WHEN} - id * interval '1 min' FROM subscribers
WHERE id % 66 = 0 LIMIT {SUPPRESSIONS}""",
    "letters": f"""
INSERT INTO letters (public_id, kind, address, address_hash, mailbox_hash, subscriber_id, newsletters, language, topics,
    network_hash, domain, form, created_at, expires_at, used_at, state, lease_owner, attempts, next_try_at, code,
    reply_text)
SELECT md5('l' || id), 'confirm', email, address_hash, address_hash, id, '["weekly"]', '', '[]', md5('n' || id % 500),
    split_part(email, '@', 2), 'site', created_at, created_at + interval '72 h', created_at, 'sent', '', 1, created_at,
    250, '250 Ok' FROM subscribers ORDER BY id DESC LIMIT {LETTERS}""",
    "audit": f"""
INSERT INTO audit (at, who, action, subject, title, before, after)
SELECT {_WHEN} - ({AUDIT} - n) * interval '20 min', 'editor' || n % 3,
    (ARRAY['feed.pause', 'story.merge', 'entry.edit', 'issue.subject', 'undo'])[1 + n % 5], {_SUBJECT},
    'Title <b>' || n || '</b>', '{{"state": "active"}}', '{{"state": "paused"}}'
FROM generate_series(1, {AUDIT}) AS n""",
    "notices": f"""
INSERT INTO notices (kind, subject, target, body, state, lease_owner, attempts, next_try_at, code, reply_text,
    created_at)
SELECT (ARRAY['story.new', 'issue.sent', 'feed.broken'])[1 + n % 3], 'feed:' || n, 'https://hook.example/', '{{}}',
    (ARRAY['waiting', 'done', 'failed', 'done'])[1 + n % 4], '', 1, {_WHEN}, 200, 'ok', {_WHEN} - n * interval '5 min'
FROM generate_series(1, {NOTICES}) AS n""",
}
_NUMBERED = ("issues", "subscribers")


def fill_rest(url: str, *, feeds: int, entries: int, people: int, now: datetime) -> None:
    """Into a database that `size_rows.fill` has filled."""
    asked: dict[str, Any] = {"feeds": feeds, "entries": entries, "people": people, "now": now}
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("TRUNCATE fetch_log, entry_changes")
        for name, statement in PARTS.items():
            began = time.monotonic()
            count = _run(conn, statement, asked)
            if (took := time.monotonic() - began) > 2:
                print(f"  {name}: {count:,} in {took:.0f} s", file=sys.stderr, flush=True)
        for table in _NUMBERED:
            conn.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
        conn.execute("VACUUM (ANALYZE)")
        conn.execute("CHECKPOINT")


def _run(conn: psycopg.Connection[Any], statement: str, asked: Mapping[str, Any]) -> int:
    text = psycopg.ClientCursor(conn).mogrify(statement.replace(" % ", " %% "), asked)
    return conn.execute(text.encode()).rowcount
