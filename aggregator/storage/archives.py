"""Weeks that are over, as they were published: documents and items that never change. Never decides what is in them.

An archive holds the combined feed's document as bytes, and the items of all feeds: what stood in the feed of one tag,
one language or one feed is taken out of them when it is asked for. So those never change either, and cost no room.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import zstandard
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.parsed import Enclosure
from aggregator.model.published import FeedItem, FeedOrigin
from aggregator.storage.bulk import insert_rows
from aggregator.storage.engine import lock_name
from aggregator.storage.entries import is_shown
from aggregator.storage.meta import renew_revision
from aggregator.storage.schema import archive_entries, archive_scopes, archives, entries, entry_changes, stories
from aggregator.storage.stories import IS_WHOLE

#: Part of ``made_with``: to be raised when what is packed changes its shape.
PACKING = 1
_LEVEL = 9
_MOMENTS = ("published_at", "updated_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedItem:
    """An item with the feeds in whose archive it stands."""

    item: FeedItem
    #: ``all``, ``tag:openai``, ``language:ja``, ``feed:12``.
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One week, to be stored."""

    #: ISO 8601: ``2025-W49``.
    week: str
    #: What else than its content it depends on; another one makes it anew.
    made_with: str
    #: Of the combined feed (Atom).
    document: bytes
    items: tuple[ArchivedItem, ...]
    #: All that it tells of.
    entry_ids: frozenset[EntryId]


def find_newest(conn: Connection, scope: str = "all") -> str:
    """The newest week in which a feed has an archive; empty: it has none."""
    query = sa.select(sa.func.max(archive_scopes.c.week)).where(archive_scopes.c.scope == scope)
    return str(conn.execute(query).scalar() or "")


def find_before(conn: Connection, week: str, scope: str = "all") -> str:
    """The newest week before ``week`` in which a feed has an archive; empty: it has none."""
    query = sa.select(sa.func.max(archive_scopes.c.week))
    query = query.where(archive_scopes.c.scope == scope, archive_scopes.c.week < week)
    return str(conn.execute(query).scalar() or "")


def is_closed(conn: Connection, week: str) -> bool:
    """Whether this week has its archive."""
    return conn.execute(sa.select(archives.c.week).where(archives.c.week == week)).first() is not None


def get_document(conn: Connection, week: str) -> bytes | None:
    """The combined feed's archive, byte for byte as it was made; None when there is none."""
    packed = conn.execute(sa.select(archives.c.document).where(archives.c.week == week)).scalar()
    return None if packed is None else _unpack(packed)


def list_items(conn: Connection, week: str, scope: str) -> tuple[FeedItem, ...]:
    """What stands in a feed's archive, in its order; nothing: it has none."""
    known = sa.select(archive_scopes.c.week).where(archive_scopes.c.scope == scope, archive_scopes.c.week == week)
    packed = conn.execute(sa.select(archives.c.packed_items).where(archives.c.week.in_(known))).scalar()
    if packed is None:
        return ()
    return tuple(_read_item(said) for said, scopes in json.loads(_unpack(packed)) if scope in scopes)


def find_first_moment(conn: Connection) -> datetime | None:
    """When the first story was made, or the first entry seen; None when there is neither."""
    firsts = (sa.func.min(stories.c.created_at), sa.func.min(entries.c.first_seen_at))
    found = [conn.execute(sa.select(first)).scalar() for first in firsts]
    return min((instant for instant in found if instant is not None), default=None)


def has_waiting(conn: Connection, since: datetime, until: datetime) -> bool:
    """Whether an entry first seen in [since, until) still waits for its tags, or for its story."""
    waits = sa.exists().where(entry_changes.c.entry_id == entries.c.id)
    untold = sa.and_(entries.c.story_id.is_(None), entries.c.backlog.is_(False))
    query = sa.select(entries.c.id).where(entries.c.first_seen_at >= since, entries.c.first_seen_at < until)
    return conn.execute(query.where(sa.or_(waits, untold)).limit(1)).first() is not None


def list_story_ids(conn: Connection, since: datetime, until: datetime) -> tuple[StoryId, ...]:
    """The stories first told in [since, until), but for those that another one has swallowed."""
    query = sa.select(stories.c.id).where(stories.c.created_at >= since, stories.c.created_at < until)
    return tuple(map(StoryId, conn.execute(query.where(IS_WHOLE)).scalars()))


def list_seen(conn: Connection, since: datetime, until: datetime) -> tuple[tuple[EntryId, FeedId, bool], ...]:
    """(id, feed, whether it may enter the combined feed) of the entries that were first seen in [since, until), are in
    a story and shown; newest first by their places."""
    query = sa.select(entries.c.id, entries.c.feed_id, entries.c.backlog.is_(False))
    query = query.where(entries.c.first_seen_at >= since, entries.c.first_seen_at < until)
    query = query.where(entries.c.story_id.is_not(None), is_shown())
    found = conn.execute(query.order_by(entries.c.effective_at.desc(), entries.c.id.desc()))
    return tuple((EntryId(number), FeedId(feed_id), bool(free)) for number, feed_id, free in found)


def find_stale(conn: Connection, made_with: str) -> tuple[str, ...]:
    """Weeks that tell of what readers may not see any more, or were made with something else; newest first."""
    hidden = sa.select(archive_entries.c.week).join(entries, entries.c.id == archive_entries.c.entry_id)
    other = sa.select(archives.c.week).where(archives.c.made_with != made_with)
    both = sa.union(hidden.where(entries.c.hidden), other)
    return tuple(sorted(conn.execute(both).scalars(), reverse=True))


def save(conn: Connection, archive: Archive, *, now: datetime, anew: bool = False) -> bool:
    """Store it; False: the week has one already. ``anew``: in place of that one."""
    lock_name(conn, "archives")
    if anew:
        conn.execute(sa.delete(archives).where(archives.c.week == archive.week))
    elif is_closed(conn, archive.week):
        return False
    row = {
        "week": archive.week,
        "closed_at": now,
        "made_with": archive.made_with,
        "item_count": len(archive.items),
        "document": _pack(archive.document),
        "packed_items": _pack(_write_items(archive.items)),
    }
    conn.execute(sa.insert(archives).values(**row))
    scopes = {"all"} | {scope for item in archive.items for scope in item.scopes}
    insert_rows(conn, archive_scopes, [{"scope": scope, "week": archive.week} for scope in sorted(scopes)])
    told = [{"week": archive.week, "entry_id": number} for number in sorted(archive.entry_ids)]
    insert_rows(conn, archive_entries, told)
    renew_revision(conn)
    return True


def _pack(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL).compress(data)


def _unpack(packed: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(packed)


def _write_items(items: Iterable[ArchivedItem]) -> bytes:
    said = [[_drop_unset(asdict(archived.item)), archived.scopes] for archived in items]
    return json.dumps(said, ensure_ascii=True, separators=(",", ":"), default=datetime.isoformat).encode("ascii")


def _drop_unset(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value not in ("", None, ())}


def _read_item(said: dict[str, Any]) -> FeedItem:
    """The same value again."""
    told = dict(said)
    origin = told.pop("origin", None)
    if origin is not None and origin.get("updated_at"):
        origin["updated_at"] = datetime.fromisoformat(origin["updated_at"])
    for name in _MOMENTS:
        told[name] = datetime.fromisoformat(told[name])
    told["categories"] = tuple((slug, name) for slug, name in told.get("categories", ()))
    told["enclosures"] = tuple(Enclosure(**part) for part in told.get("enclosures", ()))
    texts = dict.fromkeys(("url", "title", "language", "author"), "")
    return FeedItem(**{**texts, **told}, origin=None if origin is None else FeedOrigin(**origin))
