"""What goes wrong for longer than a moment and waits for the editor, by name. Never finds anything wrong itself.

Who finds a trouble notes it each time, and its end; since when it lasts is kept. The name is for everybody
(`/readyz`): it tells what does not work, never of which server or person. The reason is the editor's alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.storage.meta import get_value, set_value
from aggregator.storage.schema import meta

_PREFIX = "trouble: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that does not work."""

    name: str
    reason: str
    since: datetime


def note_trouble(conn: Connection, name: str, reason: str, *, now: datetime) -> bool:
    """It does not work (still); whether that is news."""
    known = get_value(conn, _PREFIX + name)
    since = known["since"] if known else now.isoformat()
    set_value(conn, _PREFIX + name, {"reason": reason, "since": since})
    return known is None


def end_trouble(conn: Connection, name: str) -> None:
    """It works."""
    conn.execute(sa.delete(meta).where(meta.c.name == _PREFIX + name))


def list_troubles(conn: Connection) -> tuple[Trouble, ...]:
    """By name."""
    query = sa.select(meta.c.name, meta.c.value).where(meta.c.name.startswith(_PREFIX, autoescape=True))
    return tuple(
        Trouble(name=name.removeprefix(_PREFIX), reason=value["reason"], since=datetime.fromisoformat(value["since"]))
        for name, value in conn.execute(query.order_by(meta.c.name))
    )
