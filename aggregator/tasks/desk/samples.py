"""The newest entries as rules and tags see them, kept for a while: what an editor tries out is tried on these.

Never writes, and never judges by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.rule import RULE_EVIDENCE
from aggregator.pipeline.rules import Sight
from aggregator.pipeline.tag.trying import Text, read_text
from aggregator.storage import entries, feeds, rules
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.rules import drop_rule_tags, make_subject

log = get_logger(__name__)

#: Entries that are tried, and characters of them that are kept at most: beyond these the sample is smaller.
SIZE, MOST_CHARACTERS = 1_000, 20_000_000
_CHUNK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One entry, with what is stored of the rules' verdict."""

    id: EntryId
    title: str
    feed_name: str
    sight: Sight
    text: Text
    #: Slugs of all tags that it bears, and of those that rules have put there.
    tags: frozenset[str]
    rule_tags: frozenset[str]
    hidden: bool
    weight: float
    section: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Newest first."""

    seen: tuple[Seen, ...]
    taken_at: datetime


def take_sample(app: App, size: int = SIZE) -> Sample:
    """Of the ``size`` entries that came last."""
    found: list[Seen] = []
    room = MOST_CHARACTERS
    taken_at = app.now()
    for one in _iter_seen(app, size):
        room -= len(one.sight.subject.text)
        if room < 0:
            break
        found.append(one)
    return Sample(seen=tuple(found), taken_at=taken_at)


def find_seen(app: App, number: EntryId) -> Seen | None:
    """One entry; None: there is none."""
    return next(_iter_chunk(app, (number,)), None)


def _iter_seen(app: App, size: int) -> Iterator[Seen]:
    below: int | None = None
    while size > 0:
        with app.db.read() as conn:
            ids = rules.list_ids(conn, since=None, below=below, limit=min(_CHUNK, size))
        if not ids:
            return
        below, size = ids[-1], size - len(ids)
        yield from _iter_chunk(app, ids)


def _iter_chunk(app: App, ids: tuple[EntryId, ...]) -> Iterator[Seen]:
    with app.db.read() as conn:
        found = entries.list_entries(conn, EntryQuery(ids=ids, hidden="too"))
        contents = entries.get_content_html(conn, ids)
        by_id = feeds.get_feeds(conn, sorted({entry.feed_id for entry in found}))
        stored = rules.get_ruled(conn, ids)
    for entry in sorted(found, key=lambda entry: -entry.id):
        try:
            tags = drop_rule_tags(entry.tags)
            subject = make_subject(entry, contents.get(entry.id, ""), by_id[entry.feed_id], tags)
            yield _make_seen(entry, Sight(subject), stored[entry.id])
        except Exception:  # one that cannot be digested costs itself only, as in `tasks.tag`
            log.exception("entry.not_tried", entry=entry.id)


def _make_seen(entry: Entry, sight: Sight, stored: rules.Ruled) -> Seen:
    return Seen(
        id=entry.id,
        title=entry.title,
        feed_name=entry.feed_name,
        sight=sight,
        text=read_text(title=entry.title, text=sight.subject.text, language=entry.language),
        tags=frozenset(tag.slug for tag in entry.tags),
        rule_tags=frozenset(tag.slug for tag in entry.tags if tag.rule.startswith(RULE_EVIDENCE)),
        hidden=stored.hidden,
        weight=stored.weight,
        section=stored.section,
    )
