"""Stories as they are shown, and their scores. Never decides who belongs to which (`story_groups` writes that).

Entries that the editor's rules hide are not shown, and neither is a story that has no other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from aggregator.model.entry import Entry
from aggregator.model.ids import StoryId
from aggregator.model.story import ScoreTerm, Story
from aggregator.storage.engine import iter_chunks
from aggregator.storage.entries import EntryQuery, conditions, list_entries
from aggregator.storage.issues import FROZEN
from aggregator.storage.schema import entries, entry_tags, issue_stories, issues, stories
from aggregator.storage.story_groups import get_oldest_ungrouped, save_groups

__all__ = [
    "IS_WHOLE",
    "StoryQuery",
    "find_unscored",
    "forget_scores",
    "get",
    "get_oldest_ungrouped",
    "is_crowded",
    "list_best",
    "list_stories",
    "list_untold",
    "save_groups",
    "save_scores",
]


#: Of all stories so many of the highest ranks are looked through for the best; where fewer than a page are among them,
#: it is read otherwise.
_LOOKED_AT, _FEW = 20_000, 50
#: No other story swallowed it. So said, it keeps SQLite from the index of what is merged, under which all that is not
#: stands in one heap, and PostgreSQL still knows that it holds for most.
IS_WHOLE: sa.ColumnElement[Any] = sa.literal_column("(stories.merged_into IS NULL) IS TRUE")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryQuery:
    """Which stories: those with at least one entry that meets every condition given. They come with all entries."""

    #: Of an entry's ``effective_at``, half open: [since, until).
    since: datetime | None = None
    until: datetime | None = None
    #: 0: all.
    limit: int = 0
    tag: str = ""
    #: A primary tag (``pt``) stands for its regions too (``pt-BR``).
    language: str = ""
    #: None: whichever; empty: none at all.
    ids: Collection[StoryId] | None = None
    #: Look only at entries that may enter the combined feed.
    combined_only: bool = False


def forget_scores(conn: Connection, ids: Collection[StoryId] | None = None) -> None:
    """These, or all, are to be reckoned anew: what they are made of beside the entries has changed."""
    if ids is None:
        conn.execute(sa.update(stories).values(score=None))
        return
    for some in iter_chunks(sorted(ids)):
        conn.execute(sa.update(stories).where(stories.c.id.in_(some)).values(score=None))


def find_unscored(conn: Connection, *, limit: int, hold: bool = False) -> tuple[StoryId, ...]:
    """Up to ``limit`` stories whose score is to be reckoned, the newest first.

    ``hold``: for the transaction that will write the scores. An edit of one of their entries waits until then to take
    the score away again, so that none stays that was made of what the entry said before.
    """
    told = sa.exists().where(entries.c.story_id == stories.c.id, entries.c.hidden.is_(False))
    query = sa.select(stories.c.id).where(stories.c.score.is_(None), stories.c.merged_into.is_(None), told)
    query = query.order_by(stories.c.id.desc()).limit(limit)
    found = conn.execute(query.with_for_update(of=stories) if hold else query).scalars()
    return tuple(StoryId(number) for number in found)


def save_scores(conn: Connection, scores: Iterable[tuple[StoryId, float, float, Sequence[ScoreTerm]]]) -> None:
    """Write scores with the ranks that follow from them, and their reasons."""
    rows = [
        {
            "scored_id": story_id,
            "score": score,
            "rank": rank,
            "reasons": [(term.name, term.value, term.points) for term in reasons],
        }
        for story_id, score, rank, reasons in scores
    ]
    statement = (
        sa.update(stories)
        .where(stories.c.id == sa.bindparam("scored_id"))
        .values({name: sa.bindparam(name) for name in ("score", "rank", "reasons")})
    )
    for some in iter_chunks(rows):
        conn.execute(statement, list(some))


def list_stories(conn: Connection, query: StoryQuery) -> tuple[Story, ...]:
    """By the newest entry that meets the conditions, newest first; of two at one instant the later stored one."""
    numbers = _find_ids(conn, query)
    members: dict[StoryId, list[Entry]] = {}
    for entry in list_entries(conn, EntryQuery(story_ids=numbers)):
        if entry.story_id is not None and not entry.hidden:
            members.setdefault(entry.story_id, []).append(entry)
    rows: dict[int, RowMapping] = {}
    for some in iter_chunks(numbers):
        for row in conn.execute(sa.select(stories).where(stories.c.id.in_(some))).mappings():
            rows[row["id"]] = row
    return tuple(_make_story(rows[number], members[number]) for number in numbers if number in members)


def is_crowded(conn: Connection, query: StoryQuery, most: int) -> bool:
    """Whether more than so many entries meet the conditions; costs no more than so many."""
    met = conditions(replace(_make_entry_query(query), tag=""))
    if not query.tag:
        some = sa.select(entries.c.id).where(*met).order_by(entries.c.effective_at.desc())
    else:
        # An entry has as many rows as there are reasons for its tag.
        at, number = entry_tags.c.effective_at, entry_tags.c.entry_id
        some = sa.select(at, number).join(entries, entries.c.id == number).where(entry_tags.c.slug == query.tag, *met)
        some = some.where(at >= query.since, at < query.until).distinct().order_by(at.desc(), number.desc())
    return conn.execute(some.offset(most).limit(1)).first() is not None


def list_best(conn: Connection, query: StoryQuery, *, limit: int) -> tuple[Story, ...]:
    """As `list_stories`, but of all that have a rank only the highest: read along an index, as far as ``limit`` goes.

    For conditions that many recent stories meet. Where few of the first `_LOOKED_AT` do, all are looked at.
    """
    chosen = _find_best(conn, query, limit)
    if len(chosen) < min(limit, _FEW):
        return list_stories(conn, query)
    return list_stories(conn, replace(query, ids=chosen, tag="", limit=0))


def list_untold(conn: Connection, query: StoryQuery, newsletter: str, *, limit: int) -> tuple[Story, ...]:
    """As `list_best`, of those that no frozen issue of the newsletter holds. Where fewer than a page of them are among
    the first `_LOOKED_AT`, the newest stories that meet the conditions come with them."""
    told = (
        sa.select(issues.c.id)
        .join_from(issue_stories, issues)
        .where(
            issue_stories.c.story_id == stories.c.id,
            issues.c.newsletter == newsletter,
            issues.c.state.in_(FROZEN),
        )
    )
    chosen = set(_find_best(conn, query, limit, told.limit(1).scalar_subquery().is_(None)))
    if len(chosen) < min(limit, _FEW):
        chosen.update(_find_ids(conn, replace(query, limit=limit)))
    return list_stories(conn, replace(query, ids=chosen, limit=0))


def _find_best(
    conn: Connection, query: StoryQuery, limit: int, *further: sa.ColumnElement[bool]
) -> tuple[StoryId, ...]:
    met = [entries.c.story_id == stories.c.id, *conditions(replace(_make_entry_query(query), tag=""))]
    if query.tag:
        met.append(sa.exists().where(entry_tags.c.entry_id == entries.c.id, entry_tags.c.slug == query.tag))
    # Not EXISTS: PostgreSQL would make a join or a table of all entries that meet the conditions.
    belongs = sa.select(entries.c.id).where(*met).limit(1).scalar_subquery().is_not(None)
    by_rank = sa.select(stories.c.rank).where(stories.c.rank.is_not(None)).order_by(stories.c.rank.desc())
    lowest = conn.execute(by_rank.offset(_LOOKED_AT).limit(1)).scalar()
    ranked = sa.select(stories.c.id).where(stories.c.rank.is_not(None), IS_WHOLE, belongs, *further)
    if lowest is not None:
        ranked = ranked.where(stories.c.rank > lowest)
    # By the rank alone: with a second key PostgreSQL, which expects hardly any, would find them all to sort them.
    chosen = conn.execute(ranked.order_by(stories.c.rank.desc()).limit(limit)).scalars()
    return tuple(map(StoryId, chosen))


def _make_entry_query(query: StoryQuery) -> EntryQuery:
    return EntryQuery(
        since=query.since,
        until=query.until,
        tag=query.tag,
        language=query.language,
        combined_only=query.combined_only,
    )


def _find_ids(conn: Connection, query: StoryQuery) -> list[StoryId]:
    newest = sa.func.max(entries.c.effective_at)
    wanted = _make_entry_query(query)
    chosen: sa.Select[Any] = (
        sa.select(entries.c.story_id, newest)
        .where(entries.c.story_id.is_not(None), entries.c.hidden.is_(False), *conditions(wanted))
        .group_by(entries.c.story_id)
        .order_by(newest.desc(), entries.c.story_id.desc())
    )
    if query.limit:
        chosen = chosen.limit(query.limit)
    if query.ids is None:
        return [StoryId(number) for number, _ in conn.execute(chosen)]
    found = [
        (instant, number)
        for some in iter_chunks(sorted(set(query.ids)))
        for number, instant in conn.execute(chosen.where(entries.c.story_id.in_(some)))
    ]
    ordered = [StoryId(number) for _, number in sorted(found, reverse=True)]
    return ordered[: query.limit] if query.limit else ordered


def get(conn: Connection, story_id: StoryId) -> Story | StoryId | None:
    """The story; the id of the one that swallowed it; None when there is no such story, or nothing to show in it."""
    merged_into = conn.execute(sa.select(stories.c.merged_into).where(stories.c.id == story_id)).scalar()
    if merged_into is not None:
        return StoryId(merged_into)
    found = list_stories(conn, StoryQuery(ids=(story_id,)))
    return found[0] if found else None


def _make_story(row: RowMapping, members: Sequence[Entry]) -> Story:
    chosen = row["lead_entry_id"]
    ordered = sorted(members, key=lambda entry: (entry.effective_at, entry.id))
    # A lead that is hidden leaves its place to the one that grouping would choose next.
    lead = next((e for e in ordered if e.id == chosen), None) or min(ordered, key=lambda entry: -entry.feed_weight)
    ordered.sort(key=lambda entry: entry.id != lead.id)
    return Story(
        id=StoryId(row["id"]),
        atom_id=row["atom_id"],
        updated_at=row["updated_at"],
        score=row["score"] or 0.0,
        reasons=tuple(ScoreTerm(name=name, value=value, points=points) for name, value, points in row["reasons"]),
        entries=tuple(ordered),
    )
