"""The editor's word about stories, kept. Never regroups, never scores.

Rulings name entries, because entries outlive their stories.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.model.story import Ruling, RulingKind
from aggregator.storage.engine import iter_chunks
from aggregator.storage.schema import rulings

#: What a ruling of this kind takes back, of the same entry or the same two.
_AGAINST: dict[RulingKind, tuple[RulingKind, ...]] = {
    "merge": ("never",),
    "never": ("merge",),
    "pin": ("bury",),
    "bury": ("pin",),
    "lead": (),
}


def add(conn: Connection, ruling: Ruling, *, now: datetime) -> bool:
    """Keep the editor's word, and take back what it contradicts; False when it was said already.

    A ``lead`` said again is said last: of several in one story the last counts.
    """
    for kind in _AGAINST[ruling.kind]:
        _delete(conn, kind, ruling)
    stored = conn.execute(sa.select(rulings.c.id).where(*_same(ruling.kind, ruling))).scalars().all()
    if stored and ruling.kind != "lead":
        return False
    if stored:
        newest = conn.execute(sa.select(sa.func.max(rulings.c.id)).where(rulings.c.kind == "lead")).scalar()
        if newest in stored:
            return False
        _delete(conn, ruling.kind, ruling)
    values = {"kind": ruling.kind, "entry_id": ruling.entry_id, "other_id": ruling.other_id, "made_at": now}
    conn.execute(sa.insert(rulings).values(values))
    return True


def add_pairs(
    conn: Connection, kind: Literal["merge", "never"], pairs: Collection[tuple[EntryId, EntryId]], *, now: datetime
) -> int:
    """As `add`, of many pairs of entries in a few statements; how many of them were not said already."""
    wanted: dict[frozenset[EntryId | None], tuple[EntryId, EntryId]] = {frozenset(pair): pair for pair in pairs}
    for ruling in list_rulings(conn, {entry_id for pair in pairs for entry_id in pair}):
        pair = frozenset((ruling.entry_id, ruling.other_id))
        if pair in wanted and ruling.kind in _AGAINST[kind]:
            _delete(conn, ruling.kind, ruling)
        elif ruling.kind == kind:
            wanted.pop(pair, None)
    rows = [{"kind": kind, "entry_id": one, "other_id": other, "made_at": now} for one, other in wanted.values()]
    for some in iter_chunks(rows):
        conn.execute(sa.insert(rulings), list(some))
    return len(rows)


def withdraw(conn: Connection, ruling: Ruling) -> bool:
    """Take a word back; False when it was never said."""
    return _delete(conn, ruling.kind, ruling) > 0


def withdraw_between(conn: Connection, kind: RulingKind, some: Collection[EntryId], others: Collection[EntryId]) -> int:
    """Take back each ruling of this kind about one of ``some`` and one of ``others``; how many those were."""
    mine, theirs = set(some), set(others)
    taken = 0
    for ruling in list_rulings(conn, mine):
        one, other = ruling.entry_id, ruling.other_id
        between = (one in mine and other in theirs) or (one in theirs and other in mine)
        if ruling.kind == kind and between:
            taken += _delete(conn, kind, ruling)
    return taken


def list_placings(conn: Connection, entry_ids: Collection[EntryId]) -> tuple[Ruling, ...]:
    """Of `list_rulings` those that say where a story stands: pinned, buried."""
    return tuple(ruling for ruling in list_rulings(conn, entry_ids) if ruling.kind in ("pin", "bury"))


def list_rulings(conn: Connection, entry_ids: Collection[EntryId] | None = None) -> tuple[Ruling, ...]:
    """As they were made, oldest first; ``entry_ids``: only those that name one of these, in either place."""
    if entry_ids is None:
        return tuple(_make(row) for row in conn.execute(sa.select(rulings).order_by(rulings.c.id)))
    found: dict[int, Ruling] = {}
    for some in iter_chunks(sorted(set(entry_ids))):
        named = sa.or_(rulings.c.entry_id.in_(some), rulings.c.other_id.in_(some))
        found |= {row.id: _make(row) for row in conn.execute(sa.select(rulings).where(named))}
    return tuple(found[number] for number in sorted(found))


def _make(row: Any) -> Ruling:
    other = None if row.other_id is None else EntryId(row.other_id)
    return Ruling(kind=row.kind, entry_id=EntryId(row.entry_id), other_id=other)


def _same(kind: RulingKind, ruling: Ruling) -> list[sa.ColumnElement[bool]]:
    """Of two entries neither is the first."""
    one, other = ruling.entry_id, ruling.other_id
    if other is None:
        return [rulings.c.kind == kind, rulings.c.entry_id == one, rulings.c.other_id.is_(None)]
    there = sa.and_(rulings.c.entry_id == one, rulings.c.other_id == other)
    back = sa.and_(rulings.c.entry_id == other, rulings.c.other_id == one)
    return [rulings.c.kind == kind, sa.or_(there, back)]


def _delete(conn: Connection, kind: RulingKind, ruling: Ruling) -> int:
    return conn.execute(sa.delete(rulings).where(*_same(kind, ruling))).rowcount
