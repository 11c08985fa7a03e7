"""Stories as the desk looks for them: the best first, the newest first, or by words; a page at a time. Never ranks.

Each page reads a bounded part of an index, however much is stored (docs/scaling.md, "At size").
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId, StoryId
from aggregator.model.newsletter import Issue
from aggregator.model.search import SearchQuery
from aggregator.model.story import RulingKind, Story
from aggregator.storage import entries as entry_store
from aggregator.storage import paging
from aggregator.storage.entries import EntryQuery, conditions
from aggregator.storage.issues import make_issue, select_issues
from aggregator.storage.schema import entries, entry_tags, issue_entries, issues, rulings, stories
from aggregator.storage.schema.columns import Id
from aggregator.storage.search import search
from aggregator.storage.stories import IS_WHOLE, StoryQuery, list_stories
from aggregator.storage.values import select_values

#: Up to so many entries that are wanted, their stories are put in order; of more, stories are looked through by rank...
_FEW, _OF_A_DAY = 3_000, 10_000
#: ... so many for one page.
_LOOKED_AT = 3_000
#: What the search finds at a time, and how often one page asks.
_FOUND, _TIMES = 40, 3
#: Issues that a page names.
_ISSUES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryPage:
    """Some stories in their order, and what to give for the next page; None: there is none."""

    stories: tuple[Story, ...] = ()
    more: int | None = None


def list_best(conn: Connection, query: EntryQuery, *, below: int | None, limit: int) -> StoryPage:
    """Stories with an entry that meets ``query``, by rank; those that were never scored are not among them.

    Of a day with more than `_OF_A_DAY` such entries the newest are looked at.
    """
    place: tuple[float, int] | None = None
    if below is not None:
        rank = conn.execute(sa.select(stories.c.rank).where(stories.c.id == below)).scalar()
        if rank is None:
            return StoryPage()
        place = (rank, below)
    most = _OF_A_DAY if _is_day(query) else _FEW
    newest = conn.execute(_select_newest(query).limit(most + 1)).all()
    if len(newest) > most and most == _FEW:
        return _walk(conn, query, place, limit)
    told = select_values(conn, sorted({row.story_id for row in newest}), Id)
    # The sum keeps both from the index of ranks, along which they would look for these among all.
    rank = stories.c.rank + 0
    ranked = sa.select(stories.c.id).where(stories.c.id.in_(told), rank.is_not(None))
    if place is not None:
        ranked = ranked.where(_is_below(rank, place))
    ids = conn.execute(ranked.order_by(rank.desc(), stories.c.id.desc()).limit(limit + 1)).scalars().all()
    return _make_page(conn, ids[:limit], ids[limit - 1] if len(ids) > limit else None)


def _is_below(rank: sa.ColumnElement[float], place: tuple[float, int]) -> sa.ColumnElement[bool]:
    return sa.and_(rank <= place[0], sa.or_(rank < place[0], stories.c.id < place[1]))


def _is_day(query: EntryQuery) -> bool:
    """With the hour that a clock may be set back."""
    return query.since is not None and query.until is not None and query.until - query.since <= timedelta(hours=25)


def _walk(conn: Connection, query: EntryQuery, place: tuple[float, int] | None, limit: int) -> StoryPage:
    """Along the ranks, no further than `_LOOKED_AT`: a page may be short, and says where the next one begins."""
    rank, number = stories.c.rank, stories.c.id
    ranked = sa.select(number, rank).where(rank.is_not(None), IS_WHOLE).order_by(rank.desc(), number.desc())
    if place is not None:
        ranked = ranked.where(_is_below(rank, place))
    last = conn.execute(ranked.offset(_LOOKED_AT - 1).limit(1)).first()
    if last is not None:
        ranked = ranked.where(rank >= last.rank)
    # Not EXISTS: PostgreSQL would make a join or a table of all entries that meet the conditions.
    met = (entries.c.story_id == number, *_list_conditions(query))
    belongs = sa.select(entries.c.id).where(*met).limit(1).scalar_subquery().is_not(None)
    found = conn.execute(ranked.where(belongs).limit(limit + 1)).scalars().all()
    if len(found) > limit:
        return _make_page(conn, found[:limit], found[limit - 1])
    return _make_page(conn, found, last.id if last is not None and found else None)


def _list_conditions(query: EntryQuery) -> list[sa.ColumnElement[bool]]:
    """``query`` without a list of all entries of its tag: by the key of the one that is looked at."""
    found = conditions(replace(query, tag="", told_only=True))
    if query.tag:
        found.append(sa.exists().where(entry_tags.c.entry_id == entries.c.id, entry_tags.c.slug == query.tag))
    return found


def _select_newest(query: EntryQuery) -> sa.Select[Any]:
    """The stories of the newest entries that meet ``query``."""
    met = conditions(replace(query, tag="", told_only=True))
    if query.tag:
        # An entry has as many rows as there are reasons for its tag.
        at = entry_tags.c.effective_at
        some = sa.select(entry_tags.c.entry_id, at, entries.c.story_id).distinct()
        some = some.join(entries, entries.c.id == entry_tags.c.entry_id).where(entry_tags.c.slug == query.tag, *met)
        if query.since is not None:
            some = some.where(at >= query.since)
        if query.until is not None:
            some = some.where(at < query.until)
    else:
        at = entries.c.effective_at
        some = sa.select(entries.c.story_id).where(*met)
    return some.order_by(at.desc())


def list_newest(conn: Connection, query: EntryQuery, *, below: int | None, limit: int) -> StoryPage:
    """Stories where the entry stands that leads them among those of ``query``, newest first."""
    place = None if below is None else entry_store.get(conn, EntryId(below), hidden="too")
    if below is not None and place is None:
        return StoryPage()
    found = paging.list_page(conn, replace(query, told_only=True), place, limit=limit + 1)
    more = int(found[limit - 1].lead.id) if len(found) > limit else None
    return _make_page(conn, [story.id for story in found[:limit]], more)


def find(conn: Connection, asked: SearchQuery, query: EntryQuery, *, before: int | None, limit: int) -> StoryPage:
    """Stories that readers find by words, newest first; ``limit`` or a few more, or fewer, on a page."""
    told: dict[StoryId, None] = {}
    for _ in range(_TIMES):
        hits = search(conn, asked, limit=_FOUND, before=before, until=query.until)
        before = hits.next_before
        wanted = sa.select(entries.c.id, entries.c.story_id, entries.c.effective_at).where(entries.c.id.in_(hits.ids))
        rows = {row.id: row for row in conn.execute(wanted.where(*_list_conditions(replace(query, since=None))))}
        met = [rows[number] for number in hits.ids if number in rows]
        inside = [row for row in met if query.since is None or row.effective_at >= query.since]
        told |= dict.fromkeys(StoryId(row.story_id) for row in inside)
        if before is None or len(inside) < len(met):
            return _make_page(conn, list(told), None)
        if len(told) >= limit:
            break
    return _make_page(conn, list(told), before)


def list_placed(conn: Connection, kind: RulingKind, *, below: int | None, limit: int) -> StoryPage:
    """Stories that the editor pinned, or buried, the last one first."""
    said = sa.select(rulings.c.id, entries.c.story_id).join(entries, entries.c.id == rulings.c.entry_id)
    said = said.where(rulings.c.kind == kind, entries.c.story_id.is_not(None)).order_by(rulings.c.id.desc())
    if below is not None:
        said = said.where(rulings.c.id < below)
    found = conn.execute(said.limit(limit + 1)).all()
    more = found[limit - 1].id if len(found) > limit else None
    return _make_page(conn, list(dict.fromkeys(row.story_id for row in found[:limit])), more)


def _make_page(conn: Connection, ids: Sequence[int], more: int | None) -> StoryPage:
    found = {story.id: story for story in list_stories(conn, StoryQuery(ids=[StoryId(number) for number in ids]))}
    return StoryPage(stories=tuple(found[StoryId(number)] for number in ids if number in found), more=more)


def list_issues(conn: Connection, entry_ids: Collection[EntryId]) -> tuple[Issue, ...]:
    """The frozen issues that hold one of these entries, the newest first."""
    holding = sa.select(issue_entries.c.issue_id).where(
        issue_entries.c.entry_id.in_(select_values(conn, sorted(entry_ids), Id))
    )
    query = select_issues().where(issues.c.id.in_(holding)).order_by(issues.c.slot_at.desc()).limit(_ISSUES)
    return tuple(make_issue(row, {}) for row in conn.execute(query).mappings())
