"""What the content of entries links to, for grouping. Never reads HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.storage.bulk import update_columns
from aggregator.storage.locks import lock_entries
from aggregator.storage.schema import contents, entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """An entry whose content nobody has looked at for links."""

    id: EntryId
    url: str
    canonical_url: str
    content_html: str


def list_unread(conn: Connection, limit: int, *, above: int = 0, since: datetime | None = None) -> tuple[Unread, ...]:
    """Up to ``limit`` entries that were not looked at: those that are in no story yet, or with ``since`` all from then.

    They come in the order of their numbers, from above ``above``: who goes through a first import need not pass what
    was looked at each time. What was stored before there were stories by links is looked at only when it is to be
    grouped again.
    """
    among = entries.c.story_id.is_(None) if since is None else entries.c.effective_at >= since
    query = (
        sa.select(entries.c.id, entries.c.url, entries.c.canonical_url, contents.c.content_html)
        .join_from(entries, contents)
        .where(among, entries.c.links.is_(None), entries.c.id > above)
        .order_by(entries.c.id)
        .limit(limit)
    )
    return tuple(Unread(**row) for row in conn.execute(query).mappings())


def save_links(conn: Connection, links: Mapping[EntryId, Sequence[str]]) -> None:
    """``links``: entry -> canonical addresses."""
    ids = sorted(links)
    if ids:
        lock_entries(conn)
        update_columns(conn, entries.c.id, ids, {"links": [list(links[number]) for number in ids]})
