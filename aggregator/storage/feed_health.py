"""Feeds as the desk lists them: what needs a decision first, in pages that cost the same however many there are.
Never changes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.feed_health import (
    BROKEN_FAILURES,
    EMPTY,
    GONE,
    HELD,
    MAX_STRIKES,
    RULES_FIND_NOTHING,
    SHRANK,
    SILENT,
    TROUBLES,
    FeedFilter,
    Glance,
    ListedFeed,
    Trouble,
)
from aggregator.model.ids import FeedId
from aggregator.storage.feed_rows import make_feed
from aggregator.storage.schema import entries, feeds, fetch_log

#: More words of a search are not looked for.
_MOST_WORDS = 5
_WEEK = timedelta(weeks=1)
_NONE = len(TROUBLES)


def _rank() -> sa.Case[int]:
    """The place of its trouble among `TROUBLES`. A feed that the editor paused has none."""
    alarm, asked = feeds.c.alarm, feeds.c.state == "active"
    another = sa.and_(feeds.c.moved_url != "", feeds.c.moved_url != feeds.c.url)
    offered = sa.and_(another, sa.or_(feeds.c.moved_times == 0, feeds.c.failures == 0))
    shrunk = sa.or_(alarm.startswith(SHRANK, autoescape=True), alarm.startswith(EMPTY, autoescape=True))
    broken = sa.or_(feeds.c.failures >= BROKEN_FAILURES, alarm == RULES_FIND_NOTHING)
    found: Mapping[Trouble, sa.ColumnElement[bool]] = {
        "gone": sa.or_(
            feeds.c.paused_reason.startswith(GONE, autoescape=True), sa.and_(asked, feeds.c.gone_since.is_not(None))
        ),
        "quarantined": sa.and_(asked, feeds.c.strikes >= MAX_STRIKES),
        "moved": sa.and_(asked, offered),
        "broken": sa.and_(asked, broken),
        "held": alarm.contains(HELD, autoescape=True),
        "silent": sa.and_(asked, alarm.startswith(SILENT, autoescape=True)),
        "shrinking": sa.and_(asked, shrunk),
        "failing": sa.and_(asked, feeds.c.failures > 0),
    }
    places = {trouble: sa.literal_column(str(place), sa.Integer) for place, trouble in enumerate((*TROUBLES, ""))}
    return sa.case(*((found[trouble], places[trouble]) for trouble in found), else_=places[""])


_RANK = _rank()
_NAME = sa.func.lower(
    sa.func.coalesce(sa.func.nullif(feeds.c.spec_title, ""), sa.func.nullif(feeds.c.title, ""), feeds.c.url)
)
_LANGUAGE = sa.func.coalesce(sa.func.nullif(feeds.c.spec_language, ""), feeds.c.language)
#: What a list is ordered by, ascending.
_ORDERS: Mapping[str, tuple[sa.ColumnElement[Any], ...]] = {
    "trouble": (_RANK, -feeds.c.failures, _NAME, feeds.c.id),
    "name": (_NAME, feeds.c.id),
    "newest": (-feeds.c.id,),
}


def list_page(
    conn: Connection, wanted: FeedFilter, *, now: datetime, after: int | None = None, limit: int = 50, strip: int = 20
) -> tuple[ListedFeed, ...]:
    """Feeds after feed ``after`` in the order of ``wanted``, with their last ``strip`` fetches."""
    ids = _list_ids(conn, wanted, after, limit)
    rows = conn.execute(sa.select(feeds, _RANK.label("rank")).where(feeds.c.id.in_(ids))).mappings()
    found = {row["id"]: row for row in rows}
    fetches = list_glances(conn, ids, strip)
    weeks = count_entries(conn, ids, since=now - _WEEK)
    return tuple(
        ListedFeed(
            feed=make_feed(found[number]),
            trouble=_get_trouble(found[number]["rank"]),
            fetches=fetches.get(number, ()),
            week=weeks.get(number, 0),
        )
        for number in ids
        if number in found
    )


def _list_ids(conn: Connection, wanted: FeedFilter, after: int | None, limit: int) -> list[FeedId]:
    """Few columns are sorted, not whole rows."""
    order = _ORDERS[wanted.order]
    query = sa.select(feeds.c.id).where(*_make_conditions(wanted)).order_by(*order).limit(limit)
    if after is not None:
        place = conn.execute(sa.select(*order).where(feeds.c.id == after)).first()
        if place is not None:
            query = query.where(sa.tuple_(*order) > sa.tuple_(*(sa.literal(value) for value in place)))
    return [FeedId(number) for number in conn.execute(query).scalars()]


def _make_conditions(wanted: FeedFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [feeds.c.removed_at.is_(None)]
    if wanted.state:
        conditions.append(feeds.c.state == wanted.state)
    if wanted.origin:
        conditions.append(feeds.c.origin == wanted.origin)
    if wanted.trouble == "any":
        conditions.append(_RANK < _NONE)
    elif wanted.trouble:
        conditions.append(_RANK.in_([place for place, name in enumerate(TROUBLES) if name == wanted.trouble]))
    if wanted.language:
        language = sa.func.lower(_LANGUAGE)
        code = wanted.language.lower()
        conditions.append(sa.or_(language == code, language.startswith(f"{code}-", autoescape=True)))
    for word in wanted.words.split()[:_MOST_WORDS]:
        texts = (feeds.c.spec_title, feeds.c.title, feeds.c.url, feeds.c.site_url)
        # As it was typed, too: what lower case is beyond ASCII, SQLite does not know.
        looked_for = [text.contains(word, autoescape=True) for text in texts]
        looked_for += [sa.func.lower(text).contains(word.lower(), autoescape=True) for text in texts]
        conditions.append(sa.or_(*looked_for))
    return conditions


def _get_trouble(rank: int) -> Trouble | None:
    return TROUBLES[rank] if rank < _NONE else None


def get_trouble(conn: Connection, feed_id: FeedId) -> Trouble | None:
    """What is the matter with one feed."""
    rank = conn.execute(sa.select(_RANK).where(feeds.c.id == feed_id)).scalar()
    return None if rank is None else _get_trouble(rank)


def count_feeds(conn: Connection) -> dict[str, int]:
    """How many there are: ``all``, by state (``active``, ``paused``) and by trouble."""
    query = (
        sa.select(_RANK.label("rank"), feeds.c.state, sa.func.count())
        .where(feeds.c.removed_at.is_(None))
        .group_by(sa.literal_column("1"), feeds.c.state)
    )
    counts: dict[str, int] = {}
    for rank, state, count in conn.execute(query):
        for name in filter(None, ("all", state, _get_trouble(rank))):
            counts[name] = counts.get(name, 0) + count
    return counts


def list_languages(conn: Connection) -> tuple[str, ...]:
    """Of all feeds, as they are said, the most frequent first; at most thirty."""
    query = sa.select(_LANGUAGE).where(feeds.c.removed_at.is_(None), _LANGUAGE != "")
    return tuple(
        conn.execute(query.group_by(_LANGUAGE).order_by(sa.func.count().desc(), _LANGUAGE).limit(30)).scalars()
    )


def list_glances(conn: Connection, ids: Sequence[FeedId], lines: int) -> dict[FeedId, tuple[Glance, ...]]:
    """The last fetches of a page of feeds, newest first: each feed's are read by index, no line more than is shown."""
    if not ids or lines < 1:
        return {}
    last = (
        sa.select(fetch_log.c.id)
        .where(fetch_log.c.feed_id == feeds.c.id)
        .order_by(fetch_log.c.id.desc())
        .offset(lines - 1)
        .limit(1)
        .scalar_subquery()
    )
    shown = sa.select(feeds.c.id, sa.func.coalesce(last, 0).label("first")).where(feeds.c.id.in_(ids)).cte("shown")
    columns = ("feed_id", "failure_class", "not_modified", "new")
    query = (
        sa.select(*(fetch_log.c[name] for name in columns))
        .join_from(shown, fetch_log, sa.and_(fetch_log.c.feed_id == shown.c.id, fetch_log.c.id >= shown.c.first))
        .order_by(fetch_log.c.feed_id, fetch_log.c.id.desc())
    )
    found: dict[FeedId, list[Glance]] = {}
    for feed_id, failure, not_modified, new in conn.execute(query):
        glance = Glance(failure_class=failure, not_modified=not_modified, new=new)
        found.setdefault(FeedId(feed_id), []).append(glance)
    return {feed_id: tuple(glances[:lines]) for feed_id, glances in found.items()}


def count_entries(conn: Connection, ids: Sequence[FeedId], *, since: datetime | None = None) -> dict[FeedId, int]:
    """All that is stored of each of a page of feeds, or what stands since then; by index alone."""
    counted = sa.select(sa.func.count()).select_from(entries).where(entries.c.feed_id == feeds.c.id)
    if since is not None:
        counted = counted.where(entries.c.effective_at >= since)
    query = sa.select(feeds.c.id, counted.correlate(feeds).scalar_subquery()).where(feeds.c.id.in_(ids))
    return {FeedId(feed_id): number for feed_id, number in conn.execute(query)}
