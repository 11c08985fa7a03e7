"""Which tags and sources a story shows, in which order."""

from __future__ import annotations

from dataclasses import replace

from aggregator.model.tag import TagEvidence
from aggregator.render.tagnames import get_name, list_entry_tags, list_sources
from tests.render.samples import STORIES, TAGS


def test_the_title_s_tags_come_first_then_who_what_and_topic() -> None:
    """A tag that the taxonomy has lost has no page, so it is not shown."""
    found = [
        ("chips", "text", 9),
        ("orrery", "text", 2),
        ("regulation", "title", 1),
        ("northlight", "text", 1),
        ("gone", "title", 1),
    ]
    evidence = tuple(
        TagEvidence(slug=slug, kind="topic", field=field, found=slug, rule="alias", count=count)  # type: ignore[arg-type]
        for slug, field, count in found
    )
    entry = replace(STORIES[0].lead, tags=evidence)

    assert [tag.slug for tag in list_entry_tags(entry, TAGS)] == ["regulation", "northlight", "orrery", "chips"]
    assert [tag.slug for tag in list_entry_tags(entry, TAGS, 2)] == ["regulation", "northlight"]


def test_names_follow_the_reader_s_language() -> None:
    """By primary tag; else the tag's own name."""
    assert [get_name(TAGS["chips"], language) for language in ("ja", "ja-JP", "fr")] == ["半導体", "半導体", "chips"]


def test_each_feed_covers_a_story_once() -> None:
    """The earliest entry of each other feed, in the order they came; the lead's own only when there is nobody else."""
    lead = STORIES[0].lead
    later = replace(STORIES[0].others[0], id=lead.id, effective_at=lead.effective_at)
    story = replace(STORIES[0], entries=(*STORIES[0].entries, later, replace(lead, id=later.id)))
    own = replace(STORIES[0], entries=(lead, replace(lead, id=later.id, canonical_url="https://northlight.example/2")))
    twin = replace(STORIES[0], entries=(lead, replace(lead, id=later.id, feed_id=later.feed_id)))

    assert [entry.feed_id for entry in list_sources(story)] == [6, 8, 4, 5, 1]
    assert [entry.feed_id for entry in list_sources(own)] == [lead.feed_id]
    assert list_sources(twin) == ()
