"""What the editor's rules made of entries: written, read, counted. Never decides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.model.rule import RuleAction, RuleDecision, Verdict
from aggregator.storage.bulk import insert_rows
from aggregator.storage.changes import forget_scores
from aggregator.storage.engine import iter_chunks
from aggregator.storage.locks import lock_entries
from aggregator.storage.schema import entries, rule_decisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """What is stored of an entry's verdict, beside its tags."""

    hidden: bool
    weight: float
    section: str
    decisions: tuple[RuleDecision, ...] = ()


def save_verdicts(conn: Connection, verdicts: Mapping[EntryId, Verdict]) -> int:
    """Put these in place of what is stored, but for the tags (`changes.save_tags`); of how many it was another.

    What is the same is not written. The stories of the others are to be scored anew. Ids of no entry are passed over.
    """
    lock_entries(conn)
    known = get_ruled(conn, verdicts)
    changed = {number: verdicts[number] for number in sorted(known) if known[number] != _as_stored(verdicts[number])}
    for some in iter_chunks(sorted(changed)):
        conn.execute(sa.delete(rule_decisions).where(rule_decisions.c.entry_id.in_(some)))
        for number in some:
            verdict = changed[number]
            values = {"hidden": verdict.hidden, "weight": verdict.weight, "section": verdict.section}
            conn.execute(sa.update(entries).where(entries.c.id == number).values(values))
        rows = [
            {"entry_id": number, "position": position, "rule": said.rule, "action": said.action, "value": said.value}
            for number in some
            for position, said in enumerate(changed[number].decisions)
        ]
        for part in iter_chunks(rows):
            insert_rows(conn, rule_decisions, part)
        forget_scores(conn, some)
    return len(changed)


def _as_stored(verdict: Verdict) -> Ruled:
    return Ruled(hidden=verdict.hidden, weight=verdict.weight, section=verdict.section, decisions=verdict.decisions)


def get_ruled(conn: Connection, ids: Collection[EntryId]) -> dict[EntryId, Ruled]:
    """Of each entry of ``ids`` that is stored what rules made of it."""
    found: dict[EntryId, Ruled] = {}
    for some in iter_chunks(sorted(ids)):
        decisions = _get_decisions(conn, some)
        query = sa.select(entries.c.id, entries.c.hidden, entries.c.weight, entries.c.section)
        for row in conn.execute(query.where(entries.c.id.in_(some))):
            said = tuple(decisions.get(row.id, ()))
            found[EntryId(row.id)] = Ruled(hidden=row.hidden, weight=row.weight, section=row.section, decisions=said)
    return found


def _get_decisions(conn: Connection, ids: Collection[int]) -> dict[int, list[RuleDecision]]:
    found: dict[int, list[RuleDecision]] = {}
    query = sa.select(rule_decisions).where(rule_decisions.c.entry_id.in_(ids))
    for row in conn.execute(query.order_by(rule_decisions.c.entry_id, rule_decisions.c.position)):
        said = RuleDecision(rule=row.rule, action=row.action, value=row.value)
        found.setdefault(row.entry_id, []).append(said)
    return found


def count_decisions(conn: Connection) -> dict[tuple[str, RuleAction], int]:
    """(name of the rule, action) -> number of entries."""
    number = sa.func.count(rule_decisions.c.entry_id.distinct())
    query = sa.select(rule_decisions.c.rule, rule_decisions.c.action, number)
    grouped = conn.execute(query.group_by(rule_decisions.c.rule, rule_decisions.c.action))
    return {(rule, action): count for rule, action, count in grouped}


def list_ids(conn: Connection, *, since: datetime | None, below: int | None, limit: int) -> tuple[EntryId, ...]:
    """Of entries since then, hidden ones too, up to ``limit`` of numbers less than ``below``, highest first."""
    query = sa.select(entries.c.id).order_by(entries.c.id.desc()).limit(limit)
    if since is not None:
        query = query.where(entries.c.effective_at >= since)
    if below is not None:
        query = query.where(entries.c.id < below)
    return tuple(EntryId(number) for number in conn.execute(query).scalars())


def count_entries(conn: Connection, *, since: datetime | None) -> int:
    """How many entries `list_ids` goes through."""
    query = sa.select(sa.func.count()).select_from(entries)
    if since is not None:
        query = query.where(entries.c.effective_at >= since)
    return conn.execute(query).scalar_one()
