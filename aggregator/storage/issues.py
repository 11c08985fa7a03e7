"""Issues: a row for each slot, frozen bytes and what they hold, states. Never chooses stories, renders or mails."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from aggregator.model.ids import EntryId, IssueId, StoryId
from aggregator.model.newsletter import Issue, IssueEdits, IssueItem, IssueState, PlannedSlot, RenderedIssue
from aggregator.storage import meta
from aggregator.storage.deliveries import CANCELLED, OPEN, count_by_issue, lock_reason, queue_deliveries
from aggregator.storage.drafts import lock_issues, unpack_edits
from aggregator.storage.engine import insert, iter_chunks, lock_name
from aggregator.storage.schema import (
    deliveries,
    entries,
    issue_entries,
    issue_stories,
    issues,
    renderings,
    rulings,
    stories,
)

#: States in which bytes and contents of an issue stand fixed, and everybody may read it.
FROZEN: tuple[IssueState, ...] = ("ready", "sending", "sent")
PARTS = ("variant", "subject", "preheader", "mail_html", "mail_text", "web_html")


def add_slots(
    conn: Connection,
    newsletter: str,
    planned: Sequence[PlannedSlot],
    *,
    now: datetime,
    review_for: timedelta | None = None,
) -> int:
    """A row for each slot that has none yet; how many were made. Asked twice, or by two at once, it makes them once.

    ``review_for``: how long from its slot on a draft waits for the editor; None: it does not.
    """
    made = 0
    # PostgreSQL looks at one of the two unique keys only: of two at once, one would stumble over the other.
    lock_name(conn, f"slots of {newsletter}")
    for slot in planned:
        row = {
            "newsletter": newsletter,
            "slug": slot.slug,
            "slot_at": slot.slot_at,
            "window_start": slot.window_start,
            "window_end": slot.window_end,
            "state": slot.state,
            "reason": slot.reason,
            "subject": "",
            "created_at": now,
            "review_until": None if review_for is None or slot.state != "draft" else slot.slot_at + review_for,
        }
        statement = (
            insert(conn, issues)
            .values(**row)
            .on_conflict_do_nothing(index_elements=["newsletter", "slot_at"])
            .returning(issues.c.id)
        )
        made += len(conn.execute(statement).all())
    return made


def get_planned_until(conn: Connection, newsletter: str) -> datetime | None:
    """Up to when the newsletter's slots have their rows; None before the first look."""
    text = meta.get_value(conn, f"planned until {newsletter}")
    return None if text is None else datetime.fromisoformat(text)


def set_planned_until(conn: Connection, newsletter: str, until: datetime) -> None:
    """Belongs into the transaction that adds the slots."""
    meta.set_value(conn, f"planned until {newsletter}", until.isoformat())


def list_issues(
    conn: Connection,
    newsletter: str | None = None,
    *,
    states: Sequence[IssueState] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 0,
) -> tuple[Issue, ...]:
    """Newest slot first, of slots in [since, until); ``limit`` 0: all."""
    query = select_issues().order_by(issues.c.slot_at.desc(), issues.c.id.desc())
    if newsletter is not None:
        query = query.where(issues.c.newsletter == newsletter)
    if states:
        query = query.where(issues.c.state.in_(states))
    if since is not None:
        query = query.where(issues.c.slot_at >= since)
    if until is not None:
        query = query.where(issues.c.slot_at < until)
    return _fetch(conn, query.limit(limit) if limit else query)


def get(conn: Connection, newsletter: str, slug: str) -> Issue | None:
    """By what stands in its address."""
    return _fetch_one(conn, issues.c.newsletter == newsletter, issues.c.slug == slug)


def get_by_id(conn: Connection, issue_id: IssueId) -> Issue | None:
    """By its number."""
    return _fetch_one(conn, issues.c.id == issue_id)


def get_by_slot(conn: Connection, newsletter: str, slot_at: datetime) -> Issue | None:
    """By the instant of its slot."""
    return _fetch_one(conn, issues.c.newsletter == newsletter, issues.c.slot_at == slot_at)


def get_last_window_end(conn: Connection, newsletter: str, *, before: datetime) -> datetime | None:
    """Where the next window begins: at the end of the newest before that instant whose issue is not skipped; while all
    were skipped, where the first of them began, so that quiet weeks add up."""
    earlier = (issues.c.newsletter == newsletter, issues.c.window_end < before)
    newest = sa.select(sa.func.max(issues.c.window_end)).where(*earlier, issues.c.state != "skipped")
    first = sa.select(sa.func.min(issues.c.window_start)).where(*earlier)
    return conn.execute(newest).scalar() or conn.execute(first).scalar()


def get_first_window_start(conn: Connection, newsletter: str) -> datetime | None:
    """Where the window of the newsletter's first frozen issue began; None before there is one."""
    query = sa.select(sa.func.min(issues.c.window_start))
    return conn.execute(query.where(issues.c.newsletter == newsletter, issues.c.state.in_(FROZEN))).scalar()


def find_newest_mailed(conn: Connection, newsletter: str) -> IssueId | None:
    """The newest that goes out or went out, unless the editor cancelled it."""
    query = sa.select(issues.c.id).where(
        issues.c.newsletter == newsletter, issues.c.state.in_(("sending", "sent")), issues.c.reason != CANCELLED
    )
    found = conn.execute(query.order_by(issues.c.slot_at.desc(), issues.c.id.desc()).limit(1)).scalar()
    return None if found is None else IssueId(found)


def get_rendered(conn: Connection, issue_id: IssueId, variant: str = "") -> RenderedIssue | None:
    """The frozen bytes of a variant; None when it was not rendered, or not yet."""
    query = sa.select(renderings).where(renderings.c.issue_id == issue_id, renderings.c.variant == variant)
    row = conn.execute(query).mappings().first()
    if row is None:
        return None
    return RenderedIssue(**{name: row[name] for name in PARTS})


def freeze(
    conn: Connection,
    issue_id: IssueId,
    rendered: RenderedIssue,
    items: Sequence[IssueItem],
    *,
    now: datetime,
    variants: Sequence[RenderedIssue] = (),
    edits: IssueEdits | None = None,
) -> bool:
    """Fix bytes, contents and recipients in one transaction: one delivery for each confirmed subscription.

    False, and nothing is written, when the issue is no draft (any more), or when another issue of the newsletter was
    frozen meanwhile that holds one of its stories, or all that is new of one that returns, or when the editor's changes
    are not ``edits`` any more (None: whatever they are): then it has to be composed anew.
    """
    is_draft = (issues.c.id == issue_id, issues.c.state == "draft")
    newsletter = conn.execute(sa.select(issues.c.newsletter).where(*is_draft)).scalar()
    if newsletter is None:
        return False
    lock_issues(conn, newsletter)
    found = conn.execute(sa.select(issues.c.edits).where(*is_draft)).first()
    if found is None or (edits is not None and unpack_edits(found.edits) != edits):
        return False
    if _is_told(conn, newsletter, items):
        return False
    values = {"state": "ready", "subject": rendered.subject, "frozen_at": now, "reason": "", "paused_until": None}
    if not conn.execute(sa.update(issues).where(*is_draft).values(**values)).rowcount:
        return False
    # Before the recipients: whose variant is empty is told by these.
    rows = [{"issue_id": issue_id, **{name: getattr(each, name) for name in PARTS}} for each in (rendered, *variants)]
    for row in rows:  # each is up to a few hundred kilobytes
        conn.execute(sa.insert(renderings), row)
    _insert_items(conn, issue_id, items)
    meta.renew_revision(conn)
    queue_deliveries(conn, issue_id, newsletter, now=now)
    return True


def _is_told(conn: Connection, newsletter: str, items: Sequence[IssueItem]) -> bool:
    new = {item.story_id for item in items if not item.again}
    if not mailed_story_ids(conn, newsletter, among=new).isdisjoint(new):
        return True
    returning = [item for item in items if item.again]
    if not returning:
        return False
    held = held_entry_ids(conn, newsletter, among={number for item in returning for number in item.entry_ids})
    recalled = find_recalled(conn, newsletter)
    return any(item.story_id not in recalled and held.issuperset(item.entry_ids) for item in returning)


def _insert_items(conn: Connection, issue_id: IssueId, items: Sequence[IssueItem]) -> None:
    told = [
        {"issue_id": issue_id, "position": position, "story_id": item.story_id, "section": item.section}
        for position, item in enumerate(items)
    ]
    held = {
        entry_id: {"issue_id": issue_id, "entry_id": entry_id, "story_position": place, "position": position}
        for place, item in enumerate(items)
        for position, entry_id in enumerate(item.entry_ids)
    }
    for some in iter_chunks(told):
        conn.execute(sa.insert(issue_stories), list(some))
    for part in iter_chunks(list(held.values())):
        conn.execute(sa.insert(issue_entries), list(part))


def skip(conn: Connection, issue_id: IssueId, reason: str) -> bool:
    """A draft that becomes no issue, and why."""
    statement = sa.update(issues).where(issues.c.id == issue_id, issues.c.state == "draft")
    return bool(conn.execute(statement.values(state="skipped", reason=reason, paused_until=None)).rowcount)


def mark_sending(conn: Connection, issue_id: IssueId, *, now: datetime) -> bool:
    """A frozen issue goes out; False when it does so already, or is no issue to send.

    Who was confirmed since it was frozen gets it, too: from now on the list of recipients is fixed.
    """
    statement = sa.update(issues).where(issues.c.id == issue_id, issues.c.state == "ready")
    newsletter = conn.execute(statement.values(state="sending").returning(issues.c.newsletter)).scalar()
    if newsletter is None:
        return False
    queue_deliveries(conn, issue_id, newsletter, now=now)
    return True


def mark_sent(conn: Connection, issue_id: IssueId, *, now: datetime) -> bool:
    """Done, if no delivery waits or is under way any more; says whether it became so now.

    When it goes out once more, to single people, it keeps the time at which it was done first.
    """
    lock_reason(conn, issue_id)
    waiting = sa.exists().where(deliveries.c.issue_id == issue_id, deliveries.c.state.in_(OPEN))
    statement = sa.update(issues).where(issues.c.id == issue_id, issues.c.state == "sending", ~waiting)
    sent_at = sa.func.coalesce(issues.c.sent_at, sa.literal(now, issues.c.sent_at.type))
    return bool(conn.execute(statement.values(state="sent", sent_at=sent_at)).rowcount)


def held_entry_ids(
    conn: Connection, newsletter: str, *, among: Collection[EntryId] | None = None
) -> frozenset[EntryId]:
    """Every entry that some frozen issue of the newsletter holds; ``among``: only of these."""
    query = (
        sa.select(issue_entries.c.entry_id)
        .join_from(issue_entries, issues)
        .where(issues.c.newsletter == newsletter, issues.c.state.in_(FROZEN))
    )
    some = _narrow(query, issue_entries.c.entry_id, among=among)
    return frozenset(EntryId(number) for one in some for number in conn.execute(one).scalars())


def mailed_story_ids(
    conn: Connection, newsletter: str | None = None, *, among: Collection[StoryId] | None = None
) -> frozenset[StoryId]:
    """Every story that some frozen issue holds, and those that swallowed one since; ``among``: only what tells of
    these."""
    query = (
        sa.select(issue_stories.c.story_id, stories.c.merged_into)
        .join_from(issue_stories, issues)
        .join(stories, stories.c.id == issue_stories.c.story_id)
        .where(issues.c.state.in_(FROZEN))
    )
    if newsletter is not None:
        query = query.where(issues.c.newsletter == newsletter)
    some = _narrow(query, issue_stories.c.story_id, stories.c.merged_into, among=among)
    return frozenset(
        StoryId(number) for one in some for pair in conn.execute(one) for number in pair if number is not None
    )


def _narrow(
    query: sa.Select[Any], *columns: sa.ColumnElement[Any], among: Collection[int] | None
) -> Iterator[sa.Select[Any]]:
    """The question, or as many as it takes to ask it of these values: for each column, and chunk by chunk."""
    if among is None:
        yield query
        return
    for some in iter_chunks(sorted(among)):
        # One by one: of two columns joined by OR, of two tables, no database uses both indexes.
        yield from (query.where(column.in_(some)) for column in columns)


def find_recalled(conn: Connection, newsletter: str) -> frozenset[StoryId]:
    """Stories that the editor pinned after the newsletter's last issue that holds them: they are to be told again."""
    pins = sa.select(entries.c.story_id, rulings.c.made_at).join_from(
        rulings, entries, entries.c.id == rulings.c.entry_id
    )
    pinned = conn.execute(pins.where(rulings.c.kind == "pin", entries.c.story_id.is_not(None))).all()
    last = sa.func.max(issues.c.frozen_at).label("told_at")
    query = (
        sa.select(issue_stories.c.story_id, stories.c.merged_into, last)
        .join_from(issue_stories, issues)
        .join(stories, stories.c.id == issue_stories.c.story_id)
        .where(issues.c.newsletter == newsletter, issues.c.state.in_(FROZEN))
        .group_by(issue_stories.c.story_id, stories.c.merged_into)
    )
    told: dict[int, datetime] = {}
    for some in _narrow(query, issue_stories.c.story_id, stories.c.merged_into, among={row.story_id for row in pinned}):
        for row in conn.execute(some):
            number = row.merged_into or row.story_id
            told[number] = max(row.told_at, told.get(number, row.told_at))
    return frozenset(StoryId(row.story_id) for row in pinned if row.made_at > told.get(row.story_id, row.made_at))


def select_issues() -> sa.Select[Any]:
    """With how many stories each holds; for `make_issue`."""
    told = sa.select(sa.func.count()).where(issue_stories.c.issue_id == issues.c.id).scalar_subquery()
    return sa.select(issues, told.label("story_count"))


def _fetch_one(conn: Connection, *conditions: sa.ColumnElement[bool]) -> Issue | None:
    found = _fetch(conn, select_issues().where(*conditions))
    return found[0] if found else None


def _fetch(conn: Connection, query: sa.Select[Any]) -> tuple[Issue, ...]:
    rows = conn.execute(query).mappings().all()
    counts = count_by_issue(conn, [row["id"] for row in rows])
    return tuple(make_issue(row, counts.get(row["id"], {})) for row in rows)


def make_issue(row: RowMapping, counts: dict[str, int]) -> Issue:
    """``counts``: of its deliveries by state."""
    same = (
        "id", "newsletter", "slug", "slot_at", "window_start", "window_end", "state", "reason", "subject", "frozen_at",
        "sent_at", "story_count", "review_until", "approved_at", "paused_reason", "paused_until",
    )  # fmt: skip
    edits = unpack_edits(row["edits"])
    return Issue(deliveries=tuple(sorted(counts.items())), edits=edits, **{name: row[name] for name in same})
