"""Which entries make which story: what grouping reads, and what it decided. Never decides any of it.

Grouping reads, thinks outside of any transaction, and writes only when all it has read of those entries still holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Connection  # handed on, for what tasks say about it

from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.story import GroupCandidate, GroupedStory, StoryLink
from aggregator.model.tag import TagEvidence
from aggregator.storage.engine import iter_chunks, reserve_ids
from aggregator.storage.locks import lock_entries, lock_stories
from aggregator.storage.meta import Identity
from aggregator.storage.schema import entries, entry_changes, entry_tags, feeds, meanings, stories, story_links
from aggregator.storage.schema.columns import Id
from aggregator.storage.values import select_values

#: As a feed's weight: an entry that the editor's rules hide leads no story that has another entry.
HIDDEN_WEIGHT = -1.0


class Standing(NamedTuple):
    """What tells whether an entry is still what it was when it was read. A tuple: a day has thousands of them."""

    story_id: StoryId | None
    changed_at: datetime
    hidden: bool


def get_oldest_ungrouped(conn: Connection) -> datetime | None:
    """The ``effective_at`` of the oldest entry that is in no story yet and has its tags; None when there is none."""
    query = sa.select(sa.func.min(entries.c.effective_at)).where(entries.c.story_id.is_(None), _has_tags())
    return conn.execute(query).scalar()


def find_next_ungrouped(conn: Connection, since: datetime) -> datetime | None:
    """As `get_oldest_ungrouped`, from then on: cheap where most that follows is in no story (a first import)."""
    # The plus sign keeps SQLite from taking the index of stories, under which all of a first import stands in one heap.
    in_none = sa.literal_column("+entries.story_id").is_(None)
    query = sa.select(entries.c.effective_at).where(entries.c.effective_at >= since, in_none, _has_tags())
    return conn.execute(query.order_by(entries.c.effective_at).limit(1)).scalar()


def _has_tags() -> sa.ColumnElement[bool]:
    """Tags and the editor's rules have looked at it: what still waits for them is grouped afterwards."""
    return ~sa.exists().where(entry_changes.c.entry_id == entries.c.id)


def count_since(conn: Connection, since: datetime | None) -> int:
    """How many entries there are from then on; None: all."""
    query = sa.select(sa.func.count()).select_from(entries)
    return conn.execute(query if since is None else query.where(entries.c.effective_at >= since)).scalar_one()


def find_first(conn: Connection, since: datetime | None, *, after: bool = False) -> datetime | None:
    """The ``effective_at`` of the first entry from then on, or after it; None when there is none."""
    query = sa.select(sa.func.min(entries.c.effective_at))
    if since is not None:
        query = query.where(entries.c.effective_at > since if after else entries.c.effective_at >= since)
    return conn.execute(query).scalar()


def find_end(conn: Connection, since: datetime, limit: int) -> datetime:
    """The ``effective_at`` of the entry that is number ``limit`` from then on, or of the last one."""
    some = sa.select(entries.c.effective_at).where(entries.c.effective_at >= since)
    some = some.order_by(entries.c.effective_at, entries.c.id).limit(limit)
    return conn.execute(sa.select(sa.func.max(some.subquery().c.effective_at))).scalar() or since


def find_start(conn: Connection, until: datetime, limit: int) -> datetime | None:
    """The ``effective_at`` of the entry that is number ``limit`` before then; None: there are not so many."""
    some = sa.select(entries.c.effective_at).where(entries.c.effective_at < until)
    return conn.execute(some.order_by(entries.c.effective_at.desc()).offset(limit).limit(1)).scalar()


def list_standings(
    conn: Connection, *, since: datetime, until: datetime, grouped_until: datetime
) -> dict[EntryId, Standing]:
    """Entries of [since, until], those of (until, grouped_until] that are in a story, and all others of their stories.

    What is in no story yet and waits for its tags is passed over.
    """
    chosen = sa.select(entries.c.id, entries.c.story_id, entries.c.changed_at, entries.c.hidden)
    new = sa.and_(entries.c.effective_at <= until, _has_tags())
    query = chosen.where(
        entries.c.effective_at >= since,
        entries.c.effective_at <= grouped_until,
        sa.or_(entries.c.story_id.is_not(None), new),
    )
    found = _read_standings(conn, query)
    told = sorted({standing.story_id for standing in found.values() if standing.story_id is not None})
    older = sa.or_(entries.c.effective_at < since, entries.c.effective_at > grouped_until)
    theirs = entries.c.story_id.in_(select_values(conn, told, Id))  # ten thousand: not each by a name of its own
    return found | _read_standings(conn, chosen.where(theirs, older))


def list_member_ids(conn: Connection, story_ids: Collection[StoryId]) -> tuple[EntryId, ...]:
    """All entries of these stories, hidden ones included."""
    found: list[EntryId] = []
    for some in iter_chunks(sorted(set(story_ids))):
        query = sa.select(entries.c.id).where(entries.c.story_id.in_(some)).order_by(entries.c.id)
        found += map(EntryId, conn.execute(query).scalars())
    return tuple(found)


def get_standings(conn: Connection, ids: Iterable[EntryId]) -> dict[EntryId, Standing]:
    """Of those of ``ids`` that are stored."""
    chosen = sa.select(entries.c.id, entries.c.story_id, entries.c.changed_at, entries.c.hidden)
    found: dict[EntryId, Standing] = {}
    for some in iter_chunks(sorted(ids)):
        found |= _read_standings(conn, chosen.where(entries.c.id.in_(some)))
    return found


def _read_standings(conn: Connection, query: sa.Select[Any]) -> dict[EntryId, Standing]:
    return {number: Standing(*said) for number, *said in conn.execute(query).all()}


def get_candidates(conn: Connection, ids: Iterable[EntryId]) -> tuple[GroupCandidate, ...]:
    """What grouping looks at, of those of ``ids`` that are stored, in the order of their ids."""
    names = ("id", "story_id", "feed_id", "canonical_url", "title", "language", "effective_at", "url")
    query = sa.select(
        *(entries.c[name] for name in names),
        entries.c.excerpt.label("summary"),
        entries.c.links,
        sa.case((entries.c.hidden, HIDDEN_WEIGHT), else_=feeds.c.weight).label("feed_weight"),
        meanings.c.vector.label("meaning"),
    ).join_from(entries, feeds)
    query = query.join(meanings, meanings.c.entry_id == entries.c.id, isouter=True)
    found: list[GroupCandidate] = []
    for some in iter_chunks(sorted(ids)):
        tags = _get_names(conn, some)
        for row in conn.execute(query.where(entries.c.id.in_(some)).order_by(entries.c.id)).mappings():
            values = dict(row) | {
                "id": EntryId(row["id"]),
                "feed_id": FeedId(row["feed_id"]),
                "links": tuple(row["links"] or ()),
                "tags": tuple(tags.get(row["id"], ())),
                "meaning": bytes(row["meaning"] or b""),
            }
            found.append(GroupCandidate(**values))
    return tuple(found)


def _get_names(conn: Connection, ids: Sequence[int]) -> dict[int, list[TagEvidence]]:
    """Organisations and products that entries are tagged with, in their order."""
    names = ("slug", "kind", "field", "found", "rule", "count")
    query = sa.select(entry_tags).where(entry_tags.c.entry_id.in_(ids), entry_tags.c.kind.in_(("org", "product")))
    found: dict[int, list[TagEvidence]] = {}
    for row in conn.execute(query.order_by(entry_tags.c.entry_id, entry_tags.c.position)).mappings():
        found.setdefault(row["entry_id"], []).append(TagEvidence(**{name: row[name] for name in names}))
    return found


def save_groups(
    conn: Connection, groups: Sequence[GroupedStory], *, now: datetime, identity: Identity
) -> tuple[StoryId, ...]:
    """Write what changed: new stories, new members, new leads, swallowed stories; the ids of those touched, in order.

    A member that its story loses to another goes with its links. ``updated_at`` moves only for a new lead. Members that
    a group does not name (too old to be looked at) stay.
    """
    lock_stories(conn)
    lock_entries(conn)
    grouped = _find_groups(conn, groups)
    unnamed = [group for group in groups if group.story_id is None]
    numbers = _revive(conn, unnamed, now)
    made = [group for group in unnamed if id(group) not in numbers]
    numbers |= dict(zip(map(id, made), reserve_ids(conn, stories, len(made)), strict=True))
    _insert(conn, [(numbers[id(group)], group) for group in made], now, identity)
    touched: set[StoryId] = {StoryId(number) for number in numbers.values()}
    moves: list[dict[str, int]] = []
    gone: set[StoryId] = set()
    for group in groups:
        number = StoryId(numbers[id(group)]) if group.story_id is None else group.story_id
        moved = [entry_id for entry_id in group.entry_ids if grouped.get(entry_id) != number]
        moves += [{"moved_id": entry_id, "to_story": number} for entry_id in moved]
        touched |= {left for entry_id in moved if (left := grouped.get(entry_id)) is not None}
        led = group.story_id is not None and _set_lead(conn, number, group.entry_ids[0], now)
        if moved or led:
            touched.add(number)
        if group.merged_ids:
            _merge(conn, number, group.merged_ids)
            touched.add(number)
            gone.update(group.merged_ids)
    for some in iter_chunks(moves):
        statement = sa.update(entries).where(entries.c.id == sa.bindparam("moved_id"))
        conn.execute(statement.values(story_id=sa.bindparam("to_story")), list(some))
    _save_links(conn, groups)
    touched -= gone
    for ids in iter_chunks(sorted(touched)):
        conn.execute(sa.update(stories).where(stories.c.id.in_(ids)).values(score=None))
    return tuple(sorted(touched))


def _find_groups(conn: Connection, groups: Iterable[GroupedStory]) -> dict[EntryId, StoryId | None]:
    found: dict[EntryId, StoryId | None] = {}
    for some in iter_chunks(sorted(entry_id for group in groups for entry_id in group.entry_ids)):
        query = sa.select(entries.c.id, entries.c.story_id).where(entries.c.id.in_(some))
        found |= {EntryId(number): story_id for number, story_id in conn.execute(query)}
    return found


def _revive(conn: Connection, unnamed: Sequence[GroupedStory], now: datetime) -> dict[int, int]:
    """A swallowed story that comes apart again is itself, under its own id and address: readers have it already.

    It is known by the entry that led it. The id of each such group -> its story's number.
    """
    leads: dict[int, int] = {}
    for some in iter_chunks(sorted(number for group in unnamed for number in group.entry_ids)):
        query = sa.select(stories.c.lead_entry_id, sa.func.min(stories.c.id)).group_by(stories.c.lead_entry_id)
        found = conn.execute(query.where(stories.c.lead_entry_id.in_(some), stories.c.merged_into.is_not(None)))
        leads |= dict(found.all())
    revived: dict[int, int] = {}
    for group in unnamed:
        if known := sorted(leads[number] for number in group.entry_ids if number in leads):
            revived[id(group)] = known[0]
            conn.execute(sa.update(stories).where(stories.c.id == known[0]).values(merged_into=None))
            _set_lead(conn, StoryId(known[0]), group.entry_ids[0], now)
    return revived


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


def _save_links(conn: Connection, groups: Sequence[GroupedStory]) -> None:
    """What ties the members that the groups name; whatever tied them before is forgotten."""
    wanted = {link.entry_id: link for group in groups for link in group.links}
    for some in iter_chunks(sorted(entry_id for group in groups for entry_id in group.entry_ids)):
        stored = get_links(conn, some)
        stale = [number for number in some if number in stored and stored[number] != wanted.get(number)]
        if stale:
            conn.execute(sa.delete(story_links).where(story_links.c.entry_id.in_(stale)))
        new = [wanted[number] for number in some if number in wanted and stored.get(number) != wanted[number]]
        if new:
            conn.execute(sa.insert(story_links), [_make_row(link) for link in new])


def _make_row(link: StoryLink) -> Mapping[str, Any]:
    return {
        "entry_id": link.entry_id,
        "other_id": link.other_id,
        "strength": link.strength,
        "evidence": list(link.evidence),
    }


def get_links(conn: Connection, entry_ids: Collection[EntryId]) -> dict[EntryId, StoryLink]:
    """Why each of these entries is in its story; the first of a story has none."""
    found: dict[EntryId, StoryLink] = {}
    for some in iter_chunks(sorted(entry_ids)):
        for row in conn.execute(sa.select(story_links).where(story_links.c.entry_id.in_(some))):
            number, other = EntryId(row.entry_id), EntryId(row.other_id)
            found[number] = StoryLink(
                entry_id=number, other_id=other, strength=row.strength, evidence=tuple(row.evidence)
            )
    return found
