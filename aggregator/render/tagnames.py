"""Which tags a story shows and what they are called. Never decides which it bears."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby

from aggregator.model.entry import Entry
from aggregator.model.story import Story
from aggregator.model.tag import Tag
from aggregator.render.words import get_feed_name

_KINDS = ("org", "product", "topic")


def list_tags(story: Story, tags: Mapping[str, Tag], limit: int = 0) -> tuple[Tag, ...]:
    """The lead's tags, strongest evidence first, at most ``limit`` (0: all). What ``tags`` lacks is left out."""
    return list_entry_tags(story.lead, tags, limit)


def list_entry_tags(entry: Entry, tags: Mapping[str, Tag], limit: int = 0) -> tuple[Tag, ...]:
    """The tags of one entry: those found in its title first, then who, what and topic, then how often."""
    strength: dict[str, tuple[bool, int]] = {}
    for evidence in entry.tags:
        if evidence.slug not in tags:
            continue
        in_title, count = strength.get(evidence.slug, (False, 0))
        strength[evidence.slug] = (in_title or evidence.field == "title", count + evidence.count)
    ordered = sorted(
        strength, key=lambda slug: (not strength[slug][0], _KINDS.index(tags[slug].kind), -strength[slug][1], slug)
    )
    chosen = ordered[:limit] if limit else ordered
    return tuple(tags[slug] for slug in chosen)


def list_related(entries: Iterable[Entry], tags: Mapping[str, Tag], limit: int) -> tuple[Tag, ...]:
    """The tags of all ``entries``, those of most of them first, then who, what and topic."""
    counted = Counter(slug for entry in entries for slug in {evidence.slug for evidence in entry.tags})
    known = [slug for slug in counted if slug in tags]
    ordered = sorted(known, key=lambda slug: (-counted[slug], _KINDS.index(tags[slug].kind), slug))
    return tuple(tags[slug] for slug in ordered[:limit])


def get_name(tag: Tag, language: str) -> str:
    """The tag's name in ``language`` (BCP 47; its primary tag decides), else its own."""
    names = dict(tag.names)
    return names.get(language) or names.get(language.partition("-")[0]) or tag.name


def get_tag(slug: str, tags: Mapping[str, Tag]) -> Tag:
    """The tag of ``slug``, which ``tags`` must hold."""
    return tags[slug]


def list_sources(story: Story) -> tuple[Entry, ...]:
    """The others that cover it, one entry a feed, and none of the lead's own feed unless it is the only one.

    Of feeds that go by one name, as the parts of one site do, the first to tell it: a reader cannot tell them apart.
    Nor the lead's own page once more, to which another feed of its site leads.
    """
    lead = story.lead
    same = (get_feed_name(lead.feed_name), lead.canonical_url)
    others = [entry for entry in story.others if (get_feed_name(entry.feed_name), entry.canonical_url) != same]
    firsts = [next(group) for _, group in groupby(sorted(others, key=_by_feed), key=lambda entry: entry.feed_id)]
    foreign = [entry for entry in firsts if entry.feed_id != story.lead.feed_id] or firsts
    ordered = sorted(foreign, key=lambda entry: (entry.effective_at, entry.id))
    named = {get_feed_name(entry.feed_name): entry for entry in reversed(ordered)}
    if len(named) > 1:
        named.pop(get_feed_name(story.lead.feed_name), None)
    return tuple(sorted(named.values(), key=lambda entry: (entry.effective_at, entry.id)))


def _by_feed(entry: Entry) -> tuple[int, object, int]:
    return (entry.feed_id, entry.effective_at, entry.id)
