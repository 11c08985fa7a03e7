"""Tags at the desk: how often they come, what puts them there, what a new name would catch, names that no tag knows.

What the desk adds is a tag file of its own (`tasks.desk.rules.set_tags`). Never decides what a tag means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aggregator.app import App
from aggregator.errors import NotFound, UsageError
from aggregator.model.account import Change
from aggregator.model.ids import EntryId
from aggregator.model.tag import Alias, TagEvidence, TagRule, TagRules
from aggregator.pipeline.tag.candidates import Candidate, Title, find_candidates
from aggregator.pipeline.tag.folding import fold_label
from aggregator.pipeline.tag.trying import Neighbour, find_hits, find_neighbours, match_aliases, narrow
from aggregator.storage import audit, entries, meta, tag_counts
from aggregator.storage.engine import lock_name
from aggregator.tasks.desk.rules import TAGS, get_setting, set_tags
from aggregator.tasks.desk.samples import Sample
from aggregator.tasks.desk.undone import record_undo

WEEKS = 12
#: Of the newest entries that bear a tag so many are looked at, and so many of those titles are shown.
NEWEST, TITLES = 300, 10
#: Titles that are searched for names, and names that are found at most.
SEARCHED, NAMES = 10_000, 200
#: Names of which an editor said that they are none; the oldest are forgotten.
DISMISSED, MOST_DISMISSED = "dismissed_names", 5_000

Added = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Entries by tag and week, oldest first."""

    counted_at: datetime
    weeks: Mapping[str, tuple[int, ...]]

    def get(self, slug: str) -> tuple[int, ...]:
        """Of one tag."""
        return self.weeks.get(slug, (0,) * WEEKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """What put a tag on the newest entries that bear it."""

    entries: int
    #: Of the names; then of what else: (``parent``, ``rule``, ``host``, ``feed`` or ``other``, whose) -> entries.
    by_alias: Mapping[Alias, int]
    others: Mapping[tuple[str, str], int]
    #: slug -> entries that bear it, too.
    beside: tuple[tuple[str, int], ...]
    #: Number, title, the words found.
    newest: tuple[tuple[EntryId, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """What a tag as it would be is found in."""

    entries: int
    #: How many its new names alone are found in.
    fresh: int
    #: Number, title, the words found, whether it is new to the entry.
    samples: tuple[tuple[EntryId, str, str, bool], ...]
    neighbours: tuple[Neighbour, ...]


def count_tags(app: App) -> Counts:
    """Takes a moment."""
    now = app.now()
    with app.db.read() as conn:
        return Counts(counted_at=now, weeks=tag_counts.count_weeks(conn, until=now, weeks=WEEKS))


def find_rule(rules: TagRules, slug: str) -> TagRule:
    """Raises `NotFound`."""
    found = next((rule for rule in rules.rules if rule.tag.slug == slug), None)
    if found is None:
        raise NotFound(f"no tag {slug}")
    return found


def see_reasons(app: App, rule: TagRule) -> Reasons:
    """Of the newest entries that bear the tag."""
    slug = rule.tag.slug
    with app.db.read() as conn:
        ids = tag_counts.list_newest(conn, slug, limit=NEWEST)
        tags = entries.get_tags(conn, ids)
        titles = tag_counts.list_titles(conn, ids[:TITLES])
    evidence = [(number, one) for number in ids for one in tags.get(number, ()) if one.slug == slug]
    beside = Counter(one.slug for number in ids for one in tags.get(number, ()) if one.slug != slug)
    found = Counter(one.found for _, one in evidence if one.rule in ("alias", "pattern"))
    by_alias: Counter[Alias] = Counter()
    others: Counter[tuple[str, str]] = Counter()
    named = match_aliases(rule, found)
    for words, count in found.items():
        if words in named:
            by_alias[named[words]] += count
        else:
            others["other", words] += count
    for _, one in evidence:
        if one.rule not in ("alias", "pattern"):
            others[_find_origin(one)] += 1
    return Reasons(
        entries=len(evidence),
        by_alias=by_alias,
        others=dict(others.most_common(20)),
        beside=tuple(sorted(beside.items(), key=lambda item: (-item[1], item[0]))[:20]),
        newest=tuple((number, titles.get(number, ""), one.found) for number, one in evidence[:TITLES]),
    )


def _find_origin(evidence: TagEvidence) -> tuple[str, str]:
    kind, whose = evidence.origin
    if kind in ("parent", "rule"):
        return kind, whose
    return (kind if kind in ("host", "feed") else "other"), evidence.found


def try_tag(sample: Sample, now: TagRules, wanted: TagRules, slug: str, *, most: int = 15) -> Catch:
    """``wanted``: the taxonomy as it would be; ``now``: as it is."""
    rule = find_rule(wanted, slug)
    before = next((frozenset(one.aliases) for one in now.rules if one.tag.slug == slug), frozenset())
    neighbours = find_neighbours(wanted, rule)
    matcher = narrow(wanted, rule, neighbours)
    entries = fresh = 0
    samples: list[tuple[EntryId, str, str, bool]] = []
    for seen in sample.seen:
        hits = find_hits(matcher, rule, seen.text, seen.tags)
        if not hits:
            continue
        entries += 1
        if all(hit.alias not in before for hit in hits):
            fresh += 1
            if len(samples) < most:
                samples.append((seen.id, seen.title, hits[-1].found, slug not in seen.tags))
    ours = {alias.text for alias in rule.aliases if alias not in before}
    return Catch(
        entries=entries, fresh=fresh, samples=tuple(samples),
        neighbours=tuple(one for one in neighbours if one.ours in ours),
    )  # fmt: skip


# What the desk adds, as a tag file has it


def get_added(app: App) -> dict[str, Any] | None:
    """None: nothing."""
    said = get_setting(app, TAGS)
    return dict(said.value) if said is not None else None


def list_added(added: Added | None, slug: str) -> tuple[str, ...]:
    """The names that the desk has added to a tag, as they were written."""
    own = ((added or {}).get("tags") or {}).get(slug) or {}
    return tuple(own.get("aliases", ())) if isinstance(own, Mapping) else ()


def is_made_here(added: Added | None, slug: str) -> bool:
    """Whether the desk says what kind of tag it is: it is the desk's own."""
    own = ((added or {}).get("tags") or {}).get(slug) or {}
    return any(kind in own for kind in ("org", "product", "topic"))


def with_tag(added: Added | None, slug: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """``added`` with what is said of one tag; empty: nothing."""
    tags = dict((added or {}).get("tags") or {})
    tags.pop(slug, None)
    if values:
        tags[slug] = dict(values)
    rest = {key: value for key, value in (added or {}).items() if key != "tags"}
    return rest | ({"tags": tags} if tags else {})


def with_alias(added: Added | None, slug: str, alias: str) -> dict[str, Any]:
    """Raises `UsageError` for one that the desk has added already."""
    own = dict(((added or {}).get("tags") or {}).get(slug) or {})
    known = list_added(added, slug)
    if alias in known:
        raise UsageError(f"{alias} was added already")
    return with_tag(added, slug, own | {"aliases": [*known, alias]})


def without(added: Added | None, slug: str, alias: str) -> dict[str, Any]:
    """Without one name; or, when none is named, without all that the desk says of the tag. Raises `NotFound`."""
    own = dict(((added or {}).get("tags") or {}).get(slug) or {})
    left = [one for one in list_added(added, slug) if one != alias]
    if not own or (alias and len(left) == len(list_added(added, slug))):
        raise NotFound(f"nothing of this was added here to {slug}")
    own["aliases"] = left
    return with_tag(added, slug, {key: value for key, value in own.items() if value} if alias else {})


def change_tags(app: App, make: Callable[[Added | None], dict[str, Any]], *, who: str, action: str, title: str) -> int:
    """Make what the desk adds another; the line in the log. Raises `ConfigError` and `UsageError`."""
    said = get_added(app)
    return set_tags(app, make(said) or None, who=who, action=action, title=title, seen=said)


# Names that no tag knows


def find_names(app: App) -> tuple[Candidate, ...]:
    """In the titles that came last. Takes a moment."""
    with app.db.read() as conn:
        rows = tag_counts.list_new_titles(conn, limit=SEARCHED)
        dismissed = list_dismissed(conn)
    titles = [Title(id=number, feed=feed, title=title, language=language) for number, feed, title, language in rows]
    stop = {word for _, words in app.settings.lexicon.stop for word in words}
    return find_candidates(titles, app.settings.tag_rules, stop=stop, dismissed=dismissed, limit=NAMES)


def list_dismissed(conn: audit.Connection) -> Sequence[str]:
    """Folded."""
    return list(meta.get_value(conn, DISMISSED) or ())


def dismiss_name(app: App, name: str, *, who: str) -> int:
    """Never offer it again; the line in the log."""
    key = fold_label(name)
    with app.db.write() as conn:
        lock_name(conn, DISMISSED)
        known = list_dismissed(conn)
        if key in known:
            raise UsageError("this was said already")
        meta.set_value(conn, DISMISSED, [*known, key][-MOST_DISMISSED:])
        return audit.record(
            conn, who=who, action="candidate.dismiss", subject="candidates", title=name, after={"name": key},
            now=app.now(),
        )  # fmt: skip


def offer_again(app: App, change: Change, *, who: str) -> int:
    """Undoes `dismiss_name`."""
    key = change.after["name"]
    with app.db.write() as conn:
        lock_name(conn, DISMISSED)
        known = list_dismissed(conn)
        if key not in known:
            raise UsageError("it was changed since")
        meta.set_value(conn, DISMISSED, [one for one in known if one != key])
        return record_undo(app, conn, change, who=who, before=change.after)
