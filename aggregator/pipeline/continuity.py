"""What is new about a story since readers last heard of it. Never decides whether they hear of it again.

A story is new when all that is told of it is of these days; growing when it began before and was not told; an update
when an earlier issue told it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.newsletter import Continuity
from aggregator.model.story import Story
from aggregator.pipeline.amounts import iter_amounts

MAX_PUBLISHERS, MAX_NUMBERS, MAX_NAMES = 3, 2, 3


def compare_coverage(story: Story, known: Collection[EntryId], *, mailed: bool) -> Continuity:
    """What the entries beyond ``known`` add: publishers, amounts, and slugs of companies and products.

    ``known``: the entries that an earlier issue told (``mailed``), or that came before this issue's window.
    """
    before = [entry for entry in story.entries if entry.id in known]
    fresh = [entry for entry in story.entries if entry.id not in known]
    if not before and not mailed:
        return Continuity(standing="new")
    heard = {entry.feed_id for entry in before}
    publishers = dict.fromkeys(_by_date(entry for entry in fresh if entry.feed_id not in heard))
    old = {amount for entry in before for amount, _ in iter_amounts(f"{entry.title}\n{entry.excerpt}")}
    return Continuity(
        standing="update" if mailed else "growing",
        publishers=tuple(publishers)[:MAX_PUBLISHERS],
        more_publishers=max(0, len(publishers) - MAX_PUBLISHERS),
        numbers=_find_numbers(fresh, old),
        names=_find_names(before, fresh),
    )


def _by_date(entries: Iterable[Entry]) -> list[str]:
    ordered = sorted(entries, key=lambda entry: (entry.effective_at, entry.id))
    return [entry.feed_name for entry in ordered]


def _find_numbers(fresh: Sequence[Entry], old: Collection[str]) -> tuple[str, ...]:
    """The amounts that most of the new entries name, each as it stands first; a lonely one is no news of the story."""
    counted: Counter[str] = Counter()
    shown: dict[str, str] = {}
    for entry in sorted(fresh, key=lambda entry: (entry.effective_at, entry.id)):
        named = dict(reversed(list(iter_amounts(f"{entry.title}\n{entry.excerpt}"))))
        in_title = {amount for amount, _ in iter_amounts(entry.title)}
        for amount, words in named.items():
            counted[amount] += 2 if amount in in_title else 1
            shown.setdefault(amount, words)
    chosen = sorted((a for a in counted if a not in old and counted[a] > 1), key=lambda a: (-counted[a], a))
    return tuple(shown[amount] for amount in chosen[:MAX_NUMBERS])


def _find_names(before: Sequence[Entry], fresh: Sequence[Entry]) -> tuple[str, ...]:
    """Companies and products in new titles that nothing before bore, those of most entries first."""
    old = {tag.slug for entry in before for tag in entry.tags}
    counted = Counter(
        tag.slug
        for entry in fresh
        for tag in entry.tags
        if tag.field == "title" and tag.kind != "topic" and tag.slug not in old and not tag.rule.startswith("parent:")
    )
    return tuple(sorted(counted, key=lambda slug: (-counted[slug], slug))[:MAX_NAMES])
