"""A rule as it would be, tried on the newest entries: what it meets, what it shares with others, what would change.

Never writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from aggregator.model.ids import EntryId
from aggregator.model.rule import Rule, Rules, RuleStep, Verdict
from aggregator.pipeline.rules import judge, trace
from aggregator.tasks.desk.samples import Sample, Seen

#: Entries that are named of each kind.
HITS, FEW = 12, 4

ConflictKind = Literal["stopped", "stops", "hidden", "hides", "both_hide", "section", "weight", "tags"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """An entry that a rule holds for."""

    id: EntryId
    title: str
    feed_name: str
    #: The field, and the words in it, when it asks for any.
    field: str
    found: str
    #: The rule before it that keeps it from this entry.
    stopped_by: str


@dataclass(slots=True)
class Conflict:
    """What another rule does to the same entries."""

    rule: str
    #: ``stopped``: it is asked before and stops; ``stops``: ours stops it; ``hidden``: it hides what ours does
    #: something to; ``hides``: ours hides what it does something to; ``both_hide``; the others: it says something else.
    kind: ConflictKind
    #: What it says.
    value: str = ""
    count: int = 0
    few: list[tuple[EntryId, str]] = field(default_factory=list)


@dataclass(slots=True)
class Trial:
    """Of so many entries."""

    entries: int
    #: How many the rule holds for, and how many of them a rule before it keeps from it.
    met: int = 0
    stopped: int = 0
    samples: list[Met] = field(default_factory=list)
    conflicts: dict[tuple[str, ConflictKind, str], Conflict] = field(default_factory=dict)
    #: What would be other than it is stored: ``hide``, ``show``, ``tag``, ``untag``, ``weight``, ``section``.
    changes: Counter[str] = field(default_factory=Counter)
    changed: dict[str, list[tuple[EntryId, str]]] = field(default_factory=dict)

    def list_conflicts(self) -> list[Conflict]:
        """Those of most entries first."""
        return sorted(self.conflicts.values(), key=lambda one: (-one.count, one.rule, one.kind))


def try_rule(sample: Sample, rules: Rules, name: str) -> Trial:
    """``rules`` as they would be, asked about each entry; told of the one called ``name``, and of all that changes."""
    trial = Trial(entries=len(sample.seen))
    by_name = {rule.name: rule for rule in rules.rules}
    place = list(by_name).index(name)
    for seen in sample.seen:
        verdict = judge(seen.sight, rules)
        _compare(trial, seen, verdict)
        if any(said.rule == name or said.action == "stop" for said in verdict.decisions):
            steps = trace(seen.sight, rules)
            if steps[place].holds:
                _meet(trial, seen, steps, place, by_name)
    return trial


def _meet(trial: Trial, seen: Seen, steps: tuple[RuleStep, ...], place: int, by_name: dict[str, Rule]) -> None:
    step, sample = steps[place], (seen.id, seen.title)
    trial.met += 1
    trial.stopped += bool(step.stopped_by)
    if len(trial.samples) < HITS:
        trial.samples.append(
            Met(
                id=seen.id,
                title=seen.title,
                feed_name=seen.feed_name,
                field=step.condition,
                found=step.found,
                stopped_by=step.stopped_by,
            )
        )
    ours = by_name[step.rule]
    for other in steps:
        if other is step or not other.holds:
            continue
        for kind, value in _differ(ours, step, by_name[other.rule], other):
            conflict = trial.conflicts.setdefault(
                (other.rule, kind, value), Conflict(rule=other.rule, kind=kind, value=value)
            )
            conflict.count += 1
            if len(conflict.few) < FEW:
                conflict.few.append(sample)


def _differ(ours: Rule, step: RuleStep, theirs: Rule, other: RuleStep) -> Iterator[tuple[ConflictKind, str]]:
    """What the two would do to one entry that both hold for, where that is not the same."""
    if step.stopped_by == theirs.name:
        yield "stopped", ""
    elif other.stopped_by == ours.name:
        yield "stops", ""
    if step.stopped_by or other.stopped_by:
        return
    if ours.drop or theirs.drop:
        yield ("both_hide" if ours.drop and theirs.drop else "hides" if ours.drop else "hidden"), ""
        return
    if ours.section and theirs.section and ours.section != theirs.section:
        yield "section", theirs.section
    if ours.weight is not None and theirs.weight is not None:
        yield "weight", f"{theirs.weight:g}"
    if ours.tags and theirs.tags and {slug for slug, _ in ours.tags} != {slug for slug, _ in theirs.tags}:
        yield "tags", ", ".join(slug for slug, _ in theirs.tags)


def _compare(trial: Trial, seen: Seen, verdict: Verdict) -> None:
    after = {tag.slug for tag in verdict.tags}
    differs = {
        "hide": verdict.hidden and not seen.hidden,
        "show": seen.hidden and not verdict.hidden,
        "tag": bool(after - seen.rule_tags),
        "untag": bool(seen.rule_tags - after),
        "weight": verdict.weight != seen.weight,
        "section": verdict.section != seen.section,
    }
    for change, is_other in differs.items():
        if is_other:
            trial.changes[change] += 1
            few = trial.changed.setdefault(change, [])
            if len(few) < FEW:
                few.append((seen.id, seen.title))
