"""What our hub was told of each feed, and what it is to be told. Never tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.storage.engine import insert
from aggregator.storage.meta import get_revision, get_value, set_value
from aggregator.storage.schema import announcements, entries, entry_tags, stories

#: Whoever has taken one and dies is thought to have failed after this.
CLAIM = timedelta(minutes=10)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=12)
#: Under this name the store keeps what was looked at last: for which hub, which revision, and when.
_LOOKED_AT = "announcements looked at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A feed that may have news for the hub."""

    #: ``/feed.atom``.
    path: str
    #: Of what stood in it when the hub was told; empty: it never was.
    fingerprint: str
    tries: int
    #: A token: another one means that somebody else has it by now, or that there is more to tell.
    claimed_until: datetime


def find_looked_at(conn: Connection, hub_url: str) -> tuple[str, datetime | None]:
    """The revision of the content for which this hub's feeds were looked through last, and when that was."""
    value = get_value(conn, _LOOKED_AT) or {}
    if value.get("hub") != hub_url:
        return "", None
    return str(value["revision"]), datetime.fromisoformat(value["at"])


def has_due(conn: Connection, hub_url: str, *, now: datetime) -> bool:
    """Whether there may be something to tell."""
    if find_looked_at(conn, hub_url)[0] != get_revision(conn):
        return True
    due = sa.select(announcements.c.path).where(announcements.c.next_try_at <= now).limit(1)
    return conn.execute(due).first() is not None


def list_touched(conn: Connection, since: datetime) -> tuple[frozenset[str], frozenset[str]]:
    """The tags and the languages (as entries name them) of the stories that were first told from then on."""
    # Lists within lists: of tables that are joined, SQLite would read the largest from end to end.
    new = entries.c.story_id.in_(sa.select(stories.c.id).where(stories.c.created_at >= since))
    told = (new, entries.c.backlog.is_(False), entries.c.hidden.is_(False))
    tags = sa.select(entry_tags.c.slug).distinct()
    tags = tags.where(entry_tags.c.entry_id.in_(sa.select(entries.c.id).where(*told)))
    languages = sa.select(entries.c.language).distinct().where(*told)
    return frozenset(conn.execute(tags).scalars()), frozenset(conn.execute(languages).scalars())


def note(conn: Connection, paths: Iterable[str], *, hub_url: str, revision: str, now: datetime) -> None:
    """These may have changed up to this revision. Those that the hub has failed to take wait as long as they did."""
    rows = [{"path": path, "fingerprint": "", "next_try_at": now, "tries": 0, "reason": ""} for path in paths]
    statement = insert(conn, announcements)
    is_quiet = sa.or_(announcements.c.next_try_at.is_(None), announcements.c.tries == 0)
    later = statement.on_conflict_do_update(
        index_elements=["path"], set_={"next_try_at": statement.excluded.next_try_at}, where=is_quiet
    )
    if rows:
        conn.execute(later, sorted(rows, key=lambda row: str(row["path"])))
    set_value(conn, _LOOKED_AT, {"hub": hub_url, "revision": revision, "at": now.isoformat()})


def claim_due(conn: Connection, *, now: datetime, limit: int) -> tuple[Announcement, ...]:
    """Up to ``limit`` whose time has come, those that wait longest first."""
    due = sa.select(announcements.c.path).where(announcements.c.next_try_at <= now)
    due = due.order_by(announcements.c.next_try_at, announcements.c.path).limit(limit)
    taken = sa.update(announcements).where(announcements.c.path.in_(due.with_for_update(skip_locked=True)))
    rows = conn.execute(taken.values(next_try_at=now + CLAIM).returning(announcements)).mappings()
    found = [
        Announcement(
            path=row["path"], fingerprint=row["fingerprint"], tries=row["tries"], claimed_until=row["next_try_at"]
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda one: one.path))


def mark_told(conn: Connection, claimed: Announcement, fingerprint: str, *, now: datetime) -> None:
    """The hub has heard of what stands there now. What came in meanwhile is told in its turn."""
    _update(conn, claimed, fingerprint=fingerprint, told_at=now, tries=0, reason="")


def mark_same(conn: Connection, claimed: Announcement) -> None:
    """There was nothing to tell."""
    _update(conn, claimed, tries=0, reason="")


def mark_failed(conn: Connection, claimed: Announcement, reason: str, *, now: datetime) -> None:
    """To be tried again: after a minute, then later and later."""
    wait = min(_FIRST_WAIT * 2 ** min(claimed.tries, 12), _LONGEST_WAIT)
    values = {"tries": claimed.tries + 1, "reason": reason, "next_try_at": now + wait}
    mine = (announcements.c.path == claimed.path, announcements.c.next_try_at == claimed.claimed_until)
    conn.execute(sa.update(announcements).where(*mine).values(**values))


def forget(conn: Connection) -> None:
    """Another hub knows nothing of all this."""
    conn.execute(sa.delete(announcements))


def _update(conn: Connection, claimed: Announcement, **values: object) -> None:
    done = sa.case((announcements.c.next_try_at == claimed.claimed_until, None), else_=announcements.c.next_try_at)
    statement = sa.update(announcements).where(announcements.c.path == claimed.path)
    conn.execute(statement.values(next_try_at=done, **values))
