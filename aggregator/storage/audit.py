"""The audit log of the desk, and what the desk sets beside the configuration. Never decides, never deletes a line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Connection
from sqlalchemy.engine import Row

from aggregator.model.account import Change, DeskSettings, Setting
from aggregator.storage import meta
from aggregator.storage.engine import insert, lock_name
from aggregator.storage.feed_rows import storable
from aggregator.storage.schema import audit, desk_settings

#: Another value after each change of what the desk sets.
_SETTINGS_MARK = "desk_settings"
#: A longer title is cut.
_MAX_TITLE = 300


def record(
    conn: Connection,
    *,
    who: str,
    action: str,
    subject: str,
    title: str = "",
    before: Any = None,
    after: Any = None,
    now: datetime,
) -> int:
    """One line, in the transaction of what it tells of; its number. ``before`` and ``after`` are JSON values."""
    values = {
        "at": now, "who": who, "action": action, "subject": subject, "title": storable(title[:_MAX_TITLE]),
        "before": _clean(before), "after": _clean(after),
    }  # fmt: skip
    return int(conn.execute(sa.insert(audit).values(values).returning(audit.c.id)).scalar_one())


def _clean(value: Any) -> Any:
    """Without what no database takes."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(key)): _clean(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(one) for one in value]
    return value


def mark_undone(conn: Connection, change_id: int, by: int) -> bool:
    """False: it was taken back already."""
    found = (audit.c.id == change_id, audit.c.undone_by.is_(None))
    return conn.execute(sa.update(audit).where(*found).values(undone_by=by)).rowcount > 0


def has_later(conn: Connection, change: Change, actions: Sequence[str]) -> bool:
    """Whether one of ``actions`` was done to the same subject since, and stands."""
    later = sa.select(audit.c.id).where(
        audit.c.subject == change.subject,
        audit.c.id > change.id,
        audit.c.action.in_(actions),
        audit.c.undone_by.is_(None),
    )
    return conn.execute(later.limit(1)).first() is not None


def get(conn: Connection, change_id: int) -> Change | None:
    """None: there is no such line."""
    row = conn.execute(sa.select(audit).where(audit.c.id == change_id)).first()
    return _make(row) if row else None


def list_changes(
    conn: Connection, *, subject: str = "", before_id: int | None = None, limit: int = 100
) -> tuple[Change, ...]:
    """Newest first; ``subject``: only of this; ``before_id``: those that came before that line."""
    query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
    if subject:
        query = query.where(audit.c.subject == subject)
    if before_id is not None:
        query = query.where(audit.c.id < before_id)
    return tuple(_make(row) for row in conn.execute(query))


def _make(row: Row[Any]) -> Change:
    return Change(
        id=row.id,
        at=row.at,
        who=row.who,
        action=row.action,
        subject=row.subject,
        title=row.title,
        before=row.before,
        after=row.after,
        undone_by=row.undone_by,
    )


def get_settings_mark(conn: Connection, *, lock: bool = False) -> str:
    """Opaque; another one after each change of what the desk sets. ``lock``: nothing is set before this transaction
    has ended."""
    if lock:
        lock_name(conn, _SETTINGS_MARK)
    return str(meta.get_value(conn, _SETTINGS_MARK) or "")


def list_settings(conn: Connection, *, lock: bool = False) -> DeskSettings:
    """All that the desk sets, by name of the section; ``lock``: for who is about to change one."""
    if lock:
        lock_name(conn, _SETTINGS_MARK)
    found = conn.execute(sa.select(desk_settings))
    return {
        row.name: Setting(name=row.name, value=row.value, made_at=row.made_at, made_by=row.made_by) for row in found
    }


def set_setting(conn: Connection, name: str, value: Any, *, who: str, now: datetime) -> None:
    """From now on; None: what the configuration says holds again."""
    if value is None:
        conn.execute(sa.delete(desk_settings).where(desk_settings.c.name == name))
    else:
        values = {"value": _clean(value), "made_at": now, "made_by": who}
        row = insert(conn, desk_settings).values(name=name, **values)
        conn.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))
    mark = meta.get_value(conn, _SETTINGS_MARK)
    meta.set_value(conn, _SETTINGS_MARK, int(mark or 0) + 1)
