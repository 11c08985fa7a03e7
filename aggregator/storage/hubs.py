"""Subscriptions at hubs: which feed is pushed, until when, how far hubs are trusted, which end. Never asks a hub."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from aggregator.model.hub import Farewell, Hub
from aggregator.model.ids import FeedId
from aggregator.storage.engine import UTC, insert, iter_chunks, lock_name
from aggregator.storage.meta import get_value, set_value
from aggregator.storage.schema import feeds, hubs

#: A hub that asks back does so at once; one that does not is asked again after an hour, then later and later.
_FIRST_WAIT = timedelta(hours=1)
_LONGEST_WAIT = timedelta(days=7)
#: A hub that said no, or kept silent about entries, gets another chance after this.
_PAROLE = timedelta(days=30)
#: Checks in a row that may find what the hub had not told: one may have come between publishing and telling.
MAX_MISSES = 2
#: A feed that is pushed again so soon waits for this: hubs stutter.
_PUSH_GAP = timedelta(minutes=1)
#: Under this name the store keeps subscriptions that are to end; of more than so many the oldest just lapse.
_LEFT = "hubs that are left"
_MOST_LEFT = 500
#: Seconds within which a hub asks back.
_ANSWERED = 86_400.0


def note_named(conn: Connection, named: Mapping[FeedId, tuple[str, str] | None], *, now: datetime) -> None:
    """What documents say about the hub and topic of their feeds; None: they name none."""
    for feed_id, hub in sorted(named.items()):
        if hub is None:
            forget(conn, feed_id, now=now)
        else:
            note(conn, feed_id, *hub, now=now)


def note(conn: Connection, feed_id: FeedId, hub_url: str, topic_url: str, *, now: datetime) -> None:
    """A document names this hub: ask it soon, unless it has been asked. Another hub or topic begins anew."""
    known = get_hub(conn, feed_id)
    if known is not None and (known.hub_url, known.topic_url) == (hub_url, topic_url):
        return
    _leave(conn, known, now)
    statement = insert(conn, hubs).values(
        feed_id=feed_id,
        hub_url=hub_url,
        topic_url=topic_url,
        token=secrets.token_urlsafe(32),
        secret=secrets.token_urlsafe(32),
        state="asked",
        reason="",
        lease_until=None,
        next_try_at=now,
        tries=0,
        pushed_at=None,
        misses=0,
    )
    anew = {column.name: statement.excluded[column.name] for column in hubs.columns if column.name != "feed_id"}
    conn.execute(statement.on_conflict_do_update(index_elements=["feed_id"], set_=anew))


def forget(conn: Connection, feed_id: FeedId, *, now: datetime) -> None:
    """The feed has no hub (any more)."""
    known = get_hub(conn, feed_id)
    _leave(conn, known, now)
    if known is not None:
        conn.execute(sa.delete(hubs).where(hubs.c.feed_id == feed_id))


def _leave(conn: Connection, known: Hub | None, now: datetime) -> None:
    """A hub that is not wanted any more is told so, when it would go on telling us."""
    if known is not None and known.lease_until is not None and known.lease_until > now:
        lock_name(conn, _LEFT)
        gone = {"hub_url": known.hub_url, "topic_url": known.topic_url, "token": known.token}
        _save_left(conn, [*_read_left(conn), {**gone, "told_at": None}])


def _read_left(conn: Connection) -> list[dict[str, Any]]:
    return get_value(conn, _LEFT) or []


def _save_left(conn: Connection, left: Sequence[dict[str, Any]]) -> None:
    set_value(conn, _LEFT, list(left[-_MOST_LEFT:]))


def has_left(conn: Connection) -> bool:
    """Whether `claim_left` would give any."""
    return any(gone["told_at"] is None for gone in _read_left(conn))


def claim_left(conn: Connection, *, now: datetime, limit: int) -> tuple[Farewell, ...]:
    """Up to ``limit`` subscriptions whose hubs are to be told that they end: each is given once, told or not."""
    lock_name(conn, _LEFT)
    left = [gone for gone in _read_left(conn) if not gone["told_at"] or now.timestamp() - gone["told_at"] < _ANSWERED]
    claimed = [gone for gone in left if gone["told_at"] is None][:limit]
    for gone in claimed:
        gone["told_at"] = now.timestamp()
    _save_left(conn, left)
    return tuple(Farewell(**{field.name: gone[field.name] for field in fields(Farewell)}) for gone in claimed)


def confirm_left(conn: Connection, token: str, topic_url: str) -> bool:
    """A hub asks whether it was we who want that subscription to end. True, once: it was."""
    lock_name(conn, _LEFT)
    left = _read_left(conn)
    rest = [gone for gone in left if (gone["token"], gone["topic_url"]) != (token, topic_url) or not gone["told_at"]]
    if len(rest) < len(left):
        _save_left(conn, rest)
    return len(rest) < len(left)


def get_by_token(conn: Connection, token: str) -> Hub | None:
    """The subscription whose callback this is."""
    row = conn.execute(sa.select(hubs).where(hubs.c.token == token)).mappings().first()
    return None if row is None else _make_hub(row)


def get_hub(conn: Connection, feed_id: FeedId) -> Hub | None:
    """The subscription of one feed."""
    row = conn.execute(sa.select(hubs).where(hubs.c.feed_id == feed_id)).mappings().first()
    return None if row is None else _make_hub(row)


def find_live(conn: Connection, ids: Collection[FeedId], *, now: datetime) -> dict[FeedId, Hub]:
    """Those of ``ids`` that a hub looks after just now."""
    found: dict[FeedId, Hub] = {}
    for some in iter_chunks(sorted(ids)):
        query = sa.select(hubs).where(hubs.c.feed_id.in_(some), hubs.c.state == "live", hubs.c.lease_until > now)
        found |= {FeedId(row["feed_id"]): _make_hub(row) for row in conn.execute(query).mappings()}
    return found


def has_due(conn: Connection, *, now: datetime) -> bool:
    """Whether `claim_due` would give any."""
    return conn.execute(_select_due(now).limit(1)).first() is not None


def _select_due(now: datetime) -> sa.Select[Any]:
    return (
        sa.select(hubs)
        .join(feeds, feeds.c.id == hubs.c.feed_id)
        .where(hubs.c.next_try_at <= now, feeds.c.state == "active")
        .order_by(hubs.c.next_try_at)
    )


def claim_due(conn: Connection, *, now: datetime, limit: int) -> tuple[Hub, ...]:
    """Up to ``limit`` subscriptions that are to be asked for (again). Claimed by their next date, so that asking is
    safe to lose and to repeat."""
    query = _select_due(now).limit(limit).with_for_update(of=hubs, skip_locked=True)
    due = [_make_hub(row) for row in conn.execute(query).mappings()]
    for hub in due:
        wait = min(_FIRST_WAIT * 2 ** min(hub.tries, 10), _LONGEST_WAIT)
        state = "live" if hub.state == "live" else "asked"
        _change(conn, hub.feed_id, state=state, misses=0, next_try_at=now + wait, tries=hub.tries + 1)
    return tuple(due)


def confirm(conn: Connection, hub: Hub, *, lease: timedelta, now: datetime) -> None:
    """The hub asked back: it tells us of news until the lease ends. Renewed while a tenth of it, or a day, is left."""
    renew_at = now + lease - min(max(lease / 10, timedelta(hours=1)), timedelta(days=1), lease / 2)
    _change(
        conn,
        hub.feed_id,
        state="live",
        reason="",
        lease_until=now + lease,
        next_try_at=renew_at,
        tries=0,
        pushed_at=now if hub.state != "live" else hub.pushed_at,
    )


def refuse(conn: Connection, feed_id: FeedId, reason: str, *, now: datetime) -> None:
    """The hub does not want to."""
    _change(conn, feed_id, state="refused", reason=reason, lease_until=None, next_try_at=now + _PAROLE)


def note_push(conn: Connection, feed_id: FeedId, *, now: datetime) -> None:
    """The hub says there is news: the feed is due at once."""
    _change(conn, feed_id, pushed_at=now, misses=0)
    just_asked = feeds.c.last_fetched_at > now - _PUSH_GAP
    soonest = sa.case((just_asked, sa.literal(now + _PUSH_GAP, UTC)), else_=sa.literal(now, UTC))
    conn.execute(
        sa.update(feeds)
        .where(feeds.c.id == feed_id, feeds.c.state == "active", feeds.c.next_due_at > soonest)
        .values(next_due_at=soonest, next_due_reason="its hub says there is news")
    )


def note_misses(conn: Connection, ids: Collection[FeedId], *, now: datetime) -> None:
    """A check of these found entries that their hubs had not told; twice in a row, and a hub is not trusted."""
    for feed_id in sorted(ids):
        conn.execute(sa.update(hubs).where(hubs.c.feed_id == feed_id).values(misses=hubs.c.misses + 1))
        conn.execute(
            sa.update(hubs)
            .where(hubs.c.feed_id == feed_id, hubs.c.misses >= MAX_MISSES)
            .values(state="distrusted", reason="it kept silent about new entries", next_try_at=now + _PAROLE)
        )


def _change(conn: Connection, feed_id: FeedId, **values: Any) -> None:
    conn.execute(sa.update(hubs).where(hubs.c.feed_id == feed_id).values(**values))


def _make_hub(row: RowMapping) -> Hub:
    return Hub(**dict(row))
