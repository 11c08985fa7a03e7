"""Stories: who belongs to which, what swallowed what, scores. Never decides any of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.story import GroupCandidate, GroupedStory, ScoreTerm, Story
from aggregator.storage.engine import iter_chunks, lock_name, reserve_ids
from aggregator.storage.entries import EntryQuery, conditions, list_entries
from aggregator.storage.meta import Identity
from aggregator.storage.schema import entries, feeds, stories


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


def get_oldest_ungrouped(conn: Connection) -> datetime | None:
    """The ``effective_at`` of the oldest entry that is in no story yet; None when all are."""
    query = sa.select(sa.func.min(entries.c.effective_at)).where(entries.c.story_id.is_(None))
    return conn.execute(query).scalar()


def get_candidates(conn: Connection, *, since: datetime) -> tuple[GroupCandidate, ...]:
    """Every entry since then, grouped or not, oldest first."""
    query = (
        sa.select(
            entries.c.id,
            entries.c.story_id,
            entries.c.feed_id,
            feeds.c.weight,
            entries.c.canonical_url,
            entries.c.title,
            entries.c.language,
            entries.c.effective_at,
            entries.c.url,
        )
        .join_from(entries, feeds)
        .where(entries.c.effective_at >= since)
        .order_by(entries.c.effective_at, entries.c.id)
    )
    return tuple(
        GroupCandidate(
            id=EntryId(row.id),
            story_id=None if row.story_id is None else StoryId(row.story_id),
            feed_id=FeedId(row.feed_id),
            feed_weight=row.weight,
            canonical_url=row.canonical_url,
            title=row.title,
            language=row.language,
            effective_at=row.effective_at,
            url=row.url,
        )
        for row in conn.execute(query)
    )


def save_groups(
    conn: Connection, groups: Sequence[GroupedStory], *, now: datetime, identity: Identity
) -> tuple[StoryId, ...]:
    """Write what changed: new stories, new members, new leads, swallowed stories; the ids of those touched, in order.

    ``updated_at`` moves only for a new lead. Members that a group does not name (too old to be looked at) stay.
    """
    lock(conn)
    grouped = _find_groups(conn, groups)
    made = [group for group in groups if group.story_id is None]
    numbers = dict(zip(map(id, made), reserve_ids(conn, stories, len(made)), strict=True))
    _insert(conn, [(numbers[id(group)], group) for group in made], now, identity)
    touched: set[StoryId] = {StoryId(number) for number in numbers.values()}
    moves: list[dict[str, int]] = []
    for group in groups:
        number = StoryId(numbers[id(group)]) if group.story_id is None else group.story_id
        moved = [entry_id for entry_id in group.entry_ids if grouped.get(entry_id) != number]
        moves += [{"moved_id": entry_id, "to_story": number} for entry_id in moved]
        led = group.story_id is not None and _set_lead(conn, number, group.entry_ids[0], now)
        if moved or led:
            touched.add(number)
        if group.merged_ids:
            _merge(conn, number, group.merged_ids)
            touched.add(number)
    for some in iter_chunks(moves):
        statement = sa.update(entries).where(entries.c.id == sa.bindparam("moved_id"))
        conn.execute(statement.values(story_id=sa.bindparam("to_story")), list(some))
    for ids in iter_chunks(sorted(touched)):
        conn.execute(sa.update(stories).where(stories.c.id.in_(ids)).values(score=None))
    return tuple(sorted(touched))


def lock(conn: Connection) -> None:
    """From now until the transaction ends nobody else groups: what is read stays true until it is written."""
    lock_name(conn, "stories")


def forget_scores(conn: Connection) -> None:
    """All are to be reckoned anew: what they are made of beside the entries has changed."""
    conn.execute(sa.update(stories).values(score=None))


def find_unscored(conn: Connection, *, limit: int, hold: bool = False) -> tuple[StoryId, ...]:
    """Up to ``limit`` stories whose score is to be reckoned, the newest first.

    ``hold``: for the transaction that will write the scores. An edit of one of their entries waits until then to take
    the score away again, so that none stays that was made of what the entry said before.
    """
    told = sa.exists().where(entries.c.story_id == stories.c.id)
    query = sa.select(stories.c.id).where(stories.c.score.is_(None), stories.c.merged_into.is_(None), told)
    query = query.order_by(stories.c.id.desc()).limit(limit)
    found = conn.execute(query.with_for_update(of=stories) if hold else query).scalars()
    return tuple(StoryId(number) for number in found)


def _find_groups(conn: Connection, groups: Iterable[GroupedStory]) -> dict[EntryId, StoryId | None]:
    found: dict[EntryId, StoryId | None] = {}
    for some in iter_chunks(sorted(entry_id for group in groups for entry_id in group.entry_ids)):
        query = sa.select(entries.c.id, entries.c.story_id).where(entries.c.id.in_(some))
        found |= {EntryId(number): story_id for number, story_id in conn.execute(query)}
    return found


def _insert(conn: Connection, made: Sequence[tuple[int, GroupedStory]], now: datetime, identity: Identity) -> None:
    dates: dict[int, datetime] = {}
    for some in iter_chunks([group.entry_ids[0] for _, group in made]):
        query = sa.select(entries.c.id, entries.c.effective_at).where(entries.c.id.in_(some))
        dates |= dict(conn.execute(query).all())
    rows: list[dict[str, Any]] = [
        {
            "id": number,
            "atom_id": identity.story_id(number),
            "lead_entry_id": group.entry_ids[0],
            "score": None,
            "reasons": [],
            "created_at": now,
            # As old as its lead: a first import must not look like a hundred stories of this minute.
            "updated_at": min(now, dates[group.entry_ids[0]]),
        }
        for number, group in made
    ]
    for part in iter_chunks(rows):
        conn.execute(sa.insert(stories), list(part))


def _set_lead(conn: Connection, story_id: StoryId, entry_id: EntryId, now: datetime) -> bool:
    return bool(
        conn.execute(
            sa.update(stories)
            .where(stories.c.id == story_id, stories.c.lead_entry_id != entry_id)
            .values(lead_entry_id=entry_id, updated_at=now)
        ).rowcount
    )


def _merge(conn: Connection, survivor: StoryId, swallowed: Sequence[StoryId]) -> None:
    """What pointed at the swallowed ones points at the survivor: old addresses need one redirect, not a chain."""
    for some in iter_chunks(swallowed):
        gone = sa.or_(stories.c.id.in_(some), stories.c.merged_into.in_(some))
        conn.execute(sa.update(stories).where(gone, stories.c.id != survivor).values(merged_into=survivor))
        conn.execute(sa.update(entries).where(entries.c.story_id.in_(some)).values(story_id=survivor))


def save_scores(conn: Connection, scores: Iterable[tuple[StoryId, float, Sequence[ScoreTerm]]]) -> None:
    """Write scores with their reasons."""
    rows = [
        {
            "scored_id": story_id,
            "score": score,
            "reasons": [(term.name, term.value, term.points) for term in reasons],
        }
        for story_id, score, reasons in scores
    ]
    statement = (
        sa.update(stories)
        .where(stories.c.id == sa.bindparam("scored_id"))
        .values(score=sa.bindparam("score"), reasons=sa.bindparam("reasons"))
    )
    for some in iter_chunks(rows):
        conn.execute(statement, list(some))


def list_stories(conn: Connection, query: StoryQuery) -> tuple[Story, ...]:
    """By the newest entry that meets the conditions, newest first; of two at one instant the later stored one."""
    numbers = _find_ids(conn, query)
    members: dict[StoryId, list[Entry]] = {}
    for entry in list_entries(conn, EntryQuery(story_ids=numbers)):
        if entry.story_id is not None:
            members.setdefault(entry.story_id, []).append(entry)
    rows: dict[int, RowMapping] = {}
    for some in iter_chunks(numbers):
        for row in conn.execute(sa.select(stories).where(stories.c.id.in_(some))).mappings():
            rows[row["id"]] = row
    return tuple(_make_story(rows[number], members[number]) for number in numbers if number in members)


def _find_ids(conn: Connection, query: StoryQuery) -> list[StoryId]:
    newest = sa.func.max(entries.c.effective_at)
    wanted = EntryQuery(
        since=query.since,
        until=query.until,
        tag=query.tag,
        language=query.language,
        combined_only=query.combined_only,
    )
    chosen: sa.Select[Any] = (
        sa.select(entries.c.story_id, newest)
        .where(entries.c.story_id.is_not(None), *conditions(wanted))
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
    """The story; the id of the one that swallowed it; None when there is no such story, or nothing in it any more."""
    merged_into = conn.execute(sa.select(stories.c.merged_into).where(stories.c.id == story_id)).scalar()
    if merged_into is not None:
        return StoryId(merged_into)
    found = list_stories(conn, StoryQuery(ids=(story_id,)))
    return found[0] if found else None


def _make_story(row: RowMapping, members: Sequence[Entry]) -> Story:
    lead = row["lead_entry_id"]
    ordered = sorted(members, key=lambda entry: (entry.id != lead, entry.effective_at, entry.id))
    return Story(
        id=StoryId(row["id"]),
        atom_id=row["atom_id"],
        updated_at=row["updated_at"],
        score=row["score"] or 0.0,
        reasons=tuple(ScoreTerm(name=name, value=value, points=points) for name, value, points in row["reasons"]),
        entries=tuple(ordered),
    )
