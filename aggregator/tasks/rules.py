"""The editor's rules: judged with the tags of what was saved (`tasks.tag`), and tried out on what is stored.

Never writes: `tasks.tag` does, in the transaction that writes the tags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aggregator.app import App
from aggregator.errors import NotFound
from aggregator.log import get_logger
from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.model.ids import EntryId, FeedId
from aggregator.model.rule import RULE_EVIDENCE, Verdict
from aggregator.model.tag import TagEvidence
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.rules import RuleSubject, decide
from aggregator.storage import entries, feeds, rules
from aggregator.storage.entries import EntryQuery
from aggregator.storage.rules import Ruled

log = get_logger(__name__)

CHUNK = 500
#: Entries that a dry run names for each rule, and for each kind of change.
SAMPLES = 5

Sample = tuple[EntryId, str]


def judge_entries(
    app: App,
    found: Sequence[Entry],
    texts: Mapping[EntryId, str],
    by_id: Mapping[FeedId, Feed],
    tags: Mapping[EntryId, Sequence[TagEvidence]],
) -> dict[EntryId, Verdict]:
    """What the rules make of each entry. ``texts``: cleaned HTML; ``tags``: those of the taxonomy.

    An entry that cannot be judged is left out: what is stored of it stays.
    """
    if not app.settings.rules.rules:
        return {entry.id: Verdict() for entry in found}
    verdicts: dict[EntryId, Verdict] = {}
    for entry in found:
        try:
            subject = make_subject(entry, texts.get(entry.id, ""), by_id[entry.feed_id], tags[entry.id])
            verdicts[entry.id] = decide(subject, app.settings.rules)
        except Exception:
            log.exception("entry.not_judged", entry=entry.id)
    return verdicts


def make_subject(entry: Entry, html: str, feed: Feed, tags: Sequence[TagEvidence]) -> RuleSubject:
    """What rules look at. ``tags``: those of the taxonomy."""
    names = (feed.spec.url, feed.asked_url, entry.feed_url, entry.feed_name, feed.spec.title, feed.title)
    return RuleSubject(
        title=entry.title,
        text=html_to_text(html),
        author=entry.author,
        url=entry.url,
        language=entry.language,
        tags=tuple(tags),
        feed_names=tuple(filter(None, names)),
        published_at=entry.published_at,
        first_seen_at=entry.first_seen_at,
    )


@dataclass(slots=True)
class RuleReport:
    """What a dry run found; nothing was written."""

    entries: int = 0
    #: By name of the rule: actions with how many entries each is for, how many entries in all, a few of them.
    actions: dict[str, Counter[str]] = field(default_factory=dict)
    matched: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    #: What would be other than it is stored: ``hide``, ``show``, ``tag``, ``untag``, ``weight``, ``section``.
    changes: Counter[str] = field(default_factory=Counter)
    changed: dict[str, list[Sample]] = field(default_factory=dict)


def try_rules(
    app: App,
    *,
    since: datetime | None = None,
    name: str | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> RuleReport:
    """Judge the stored entries, newest first, and compare with what is stored. Raises `NotFound` for an unknown rule.

    ``name``: report of this rule only; the others are asked all the same, for they may stop before it. ``advance`` is
    told after each chunk how many entries that were.
    """
    names = [rule.name for rule in app.settings.rules.rules]
    if name is not None and name not in names:
        raise NotFound(f"no rule {name}; configured: {', '.join(names) or 'none'}")
    report = RuleReport(actions={rule: Counter() for rule in names if name in (None, rule)})
    below: int | None = None
    while True:
        with app.db.read() as conn:
            ids = rules.list_ids(conn, since=since, below=below, limit=CHUNK)
            found = entries.list_entries(conn, EntryQuery(ids=ids, hidden="too"))
            texts = entries.get_content_html(conn, ids)
            by_id = feeds.get_feeds(conn, sorted({entry.feed_id for entry in found}))
            stored = rules.get_ruled(conn, ids)
        if not ids:
            return report
        below = ids[-1]
        tags = {entry.id: drop_rule_tags(entry.tags) for entry in found}
        verdicts = judge_entries(app, found, texts, by_id, tags)
        for entry in sorted(found, key=lambda entry: -entry.id):
            if entry.id in verdicts:
                _report(report, entry, verdicts[entry.id], stored[entry.id])
        report.entries += len(ids)
        advance(len(ids))


def drop_rule_tags(tags: Sequence[TagEvidence]) -> tuple[TagEvidence, ...]:
    """Without those that rules have put there."""
    return tuple(tag for tag in tags if not tag.rule.startswith(RULE_EVIDENCE))


def _report(report: RuleReport, entry: Entry, verdict: Verdict, stored: Ruled) -> None:
    sample = (entry.id, entry.title)
    met = dict.fromkeys(said.rule for said in verdict.decisions if said.rule in report.actions)
    for said in verdict.decisions:
        if said.rule in report.actions:
            report.actions[said.rule][said.action] += 1
    for rule in met:
        report.matched[rule] += 1
        _keep(report.samples, rule, sample)
    before = {tag.slug for tag in entry.tags if tag.rule.startswith(RULE_EVIDENCE)}
    after = {tag.slug for tag in verdict.tags}
    differs = {
        "hide": verdict.hidden and not stored.hidden,
        "show": stored.hidden and not verdict.hidden,
        "tag": bool(after - before),
        "untag": bool(before - after),
        "weight": verdict.weight != stored.weight,
        "section": verdict.section != stored.section,
    }
    for change, is_other in differs.items():
        if is_other:
            report.changes[change] += 1
            _keep(report.changed, change, sample)


def _keep(samples: dict[str, list[Sample]], name: str, sample: Sample) -> None:
    if len(kept := samples.setdefault(name, [])) < SAMPLES:
        kept.append(sample)
