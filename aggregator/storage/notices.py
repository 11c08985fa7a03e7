"""What is told to whom: one row for each event and target, claimed before it is told. Never tells anybody.

A row that a dead process had claimed is free again when its lease ends: it may be told twice, never not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.notice import Event, EventKind, Notice, NoticeState
from aggregator.storage.engine import insert, lock_name
from aggregator.storage.feed_rows import storable
from aggregator.storage.meta import get_value, set_value
from aggregator.storage.schema import notices

#: After so long nothing is tried again.
PATIENCE = timedelta(days=3)
#: Under these names the store keeps the webhooks that said that they are gone, and until when others are left alone.
_GONE, _HELD = "webhooks gone", "targets held back"


def note(conn: Connection, events: Sequence[Event], targets: Mapping[str, Collection[str]], *, now: datetime) -> int:
    """A row for each event and each target that is told of its kind; how many were new."""
    rows = [
        {
            "kind": event.kind,
            "subject": storable(event.subject),
            "target": target,
            "body": event.body,
            "state": "waiting",
            "lease_owner": "",
            "attempts": 0,
            "next_try_at": now,
            "code": 0,
            "reply_text": "",
            "created_at": now,
        }
        for event in events
        for target, kinds in targets.items()
        if event.kind in kinds
    ]
    statement = insert(conn, notices).on_conflict_do_nothing(index_elements=["target", "kind", "subject"])
    return sum(conn.execute(statement.values(**row)).rowcount for row in rows)


def find_told(conn: Connection, kind: EventKind, subjects: Collection[str], targets: Collection[str]) -> frozenset[str]:
    """Those of ``subjects``, a few, that one of ``targets`` was told of, or is about to be."""
    same = (notices.c.target.in_(sorted(targets)), notices.c.kind == kind, notices.c.subject.in_(sorted(subjects)))
    return frozenset(conn.execute(sa.select(notices.c.subject).where(*same)).scalars())


def has_due(conn: Connection, *, now: datetime) -> bool:
    """Whether something waits to be told, or to be given up."""
    due = sa.select(notices.c.id).where(*_is_due(now), notices.c.target.not_in(_list_held(conn, now)))
    return conn.execute(due.limit(1)).first() is not None


def give_up(conn: Connection, targets: Collection[str], *, now: datetime) -> None:
    """What waits for too long, or for somebody who is not told any more, waits no longer."""
    waiting = (notices.c.state == "waiting", _is_free(now))
    others = sa.update(notices).where(*waiting, notices.c.target.not_in(sorted(targets)))
    conn.execute(others.values(state="failed", reply_text="is not told any more"))
    old = sa.update(notices).where(*waiting, notices.c.created_at <= now - PATIENCE)
    said = sa.case((notices.c.reply_text == "", "was not reached in time"), else_=notices.c.reply_text)
    conn.execute(old.values(state="failed", reply_text=said))


def claim(
    conn: Connection, target: str, *, owner: str, until: datetime, limit: int, now: datetime
) -> tuple[Notice, ...]:
    """The oldest that wait for ``target``, ours until ``until``; none while it is held back."""
    if target in _list_held(conn, now):
        return ()
    due = sa.select(notices.c.id).where(notices.c.target == target, *_is_due(now)).order_by(notices.c.id).limit(limit)
    numbers = list(conn.execute(due.with_for_update(skip_locked=True)).scalars())
    if not numbers:
        return ()
    mine = sa.update(notices).where(notices.c.id.in_(numbers))
    conn.execute(mine.values(lease_owner=owner, lease_until=until, attempts=notices.c.attempts + 1))
    names = ("id", "kind", "subject", "target", "body", "attempts", "created_at")
    query = sa.select(*(notices.c[name] for name in names)).where(notices.c.id.in_(numbers)).order_by(notices.c.id)
    return tuple(Notice(**row) for row in conn.execute(query).mappings())


def settle(
    conn: Connection, claimed: Sequence[Notice], state: NoticeState, *, owner: str, code: int = 0, reply: str = ""
) -> None:
    """What became of them."""
    _end_claim(conn, claimed, owner, {"state": state, "code": code, "reply_text": storable(reply)})


def put_off(
    conn: Connection,
    claimed: Sequence[Notice],
    until: datetime,
    *,
    owner: str,
    code: int = 0,
    reply: str = "",
    counted: bool = True,
) -> None:
    """They wait until then; not ``counted``: as if they had not been tried."""
    values: dict[str, object] = {"next_try_at": until, "code": code, "reply_text": storable(reply)}
    _end_claim(conn, claimed, owner, values if counted else values | {"attempts": notices.c.attempts - 1})


def hold_back(conn: Connection, target: str, until: datetime) -> None:
    """Nothing is told to ``target`` until then: it is not there."""
    lock_name(conn, _HELD)
    set_value(conn, _HELD, (get_value(conn, _HELD) or {}) | {target: until.isoformat()})


def _list_held(conn: Connection, now: datetime) -> list[str]:
    held: dict[str, str] = get_value(conn, _HELD) or {}
    return [target for target, until in held.items() if datetime.fromisoformat(until) > now]


def leave(conn: Connection, target: str, reason: str) -> None:
    """``target`` has said that it is gone: nothing is told to it any more, as long as it is configured."""
    lock_name(conn, _GONE)
    set_value(conn, _GONE, sorted({*list_gone(conn), target}))
    waiting = sa.update(notices).where(notices.c.target == target, notices.c.state == "waiting")
    conn.execute(waiting.values(state="failed", reply_text=storable(reason), lease_owner="", lease_until=None))


def list_gone(conn: Connection) -> frozenset[str]:
    """Targets that have said so."""
    return frozenset(get_value(conn, _GONE) or ())


def forget_others(conn: Connection, targets: Collection[str]) -> None:
    """Of targets that are not configured any more nothing is remembered: who comes back is told again."""
    gone, held = list_gone(conn), get_value(conn, _HELD) or {}
    if not {*gone, *held} <= set(targets):
        set_value(conn, _GONE, sorted(gone & set(targets)))
        set_value(conn, _HELD, {target: until for target, until in held.items() if target in targets})


def _end_claim(conn: Connection, claimed: Sequence[Notice], owner: str, values: Mapping[str, object]) -> None:
    numbers = [notice.id for notice in claimed]
    mine = sa.update(notices).where(notices.c.id.in_(numbers), notices.c.lease_owner == owner)
    conn.execute(mine.values(**values, lease_owner="", lease_until=None))


def _is_due(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return (notices.c.state == "waiting", notices.c.next_try_at <= now, _is_free(now))


def _is_free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(notices.c.lease_until.is_(None), notices.c.lease_until <= now)
