"""What one variant of an issue holds, in which groups, and what an inbox shows of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from aggregator.errors import RenderError
from aggregator.model.newsletter import ComposedIssue, IssueEdits
from aggregator.model.subscriber import Wishes
from aggregator.render.newsletter import render_issue
from aggregator.render.subject import make_subject
from aggregator.render.templates import load_templates
from aggregator.render.variants import group_stories, narrow_issue
from aggregator.render.words import count_columns
from tests.render.samples import COMPOSED, NEWSLETTER, SITE, STORIES, TAGS

TEMPLATES = load_templates()
CHOICES = replace(NEWSLETTER, topics=("chips", "regulation", "funding"), languages=("en", "ja"))
ISSUE = replace(COMPOSED, newsletter=CHOICES)
SLUGS = ("chips", "regulation", "funding", "agents", "orrery", "nonesuch")


def tell(issue: ComposedIssue | None) -> tuple[list[int], list[int], list[int]]:
    assert issue is not None
    return [s.id for s in issue.top], [s.id for s in issue.brief], [s.id for s in issue.more]


def get_slugs(number: int) -> set[str]:
    story = next(story for story in STORIES if story.id == number)
    return {evidence.slug for entry in story.entries for evidence in entry.tags}


def test_without_a_wish_the_issue_stays_as_it_is() -> None:
    """Also when what is wished is not offered, or no longer."""
    for wishes in (Wishes(), Wishes(topics=("agents",)), Wishes(language="fr")):
        assert narrow_issue(ISSUE, wishes) == ISSUE


def test_topics_leave_the_stories_about_them_laid_out_anew() -> None:
    """A story that was a line in the whole issue stands with its excerpt; its other reports count too."""
    narrowed = narrow_issue(ISSUE, Wishes(topics=("chips", "regulation")))

    assert tell(narrowed) == ([1, 4, 6, 13, 16], [], [])
    assert tell(
        narrow_issue(replace(ISSUE, newsletter=replace(CHOICES, top_stories=2)), Wishes(topics=("chips",)))
    ) == (
        [1, 6],
        [13],
        [],
    )
    assert narrowed is not None and [story.id for story in narrowed.developing] == [90]


@given(topics=st.sets(st.sampled_from(SLUGS)), top=st.integers(0, 6), brief=st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_a_variant_holds_all_stories_about_its_topics_and_no_other(topics: set[str], top: int, brief: int) -> None:
    """In the order of the whole issue; nothing twice."""
    newsletter = replace(CHOICES, top_stories=top, brief_stories=brief)
    narrowed = narrow_issue(replace(ISSUE, newsletter=newsletter, developing=()), Wishes(topics=tuple(topics)))
    offered = topics & set(CHOICES.topics)
    wanted = [story.id for story in STORIES if not offered or offered & get_slugs(story.id)]

    assert list(chain(*tell(narrowed))) == wanted if wanted else narrowed is None


def test_a_variant_without_a_story_is_empty() -> None:
    """Nothing is mailed to those who wish so."""
    bare = replace(ISSUE, top=STORIES[2:3], brief=(), more=(), developing=())
    wishes = Wishes(topics=("funding",), language="ja")
    rendered = render_issue(bare, site=SITE, tags=TAGS, templates=TEMPLATES, archive_url=SITE.url, wishes=wishes)

    assert (rendered.variant, rendered.mail_html, rendered.mail_text) == ("ja|funding", "", "")


def test_a_variant_says_its_topics_in_its_language_and_has_no_page() -> None:
    """The whole issue is what the archive shows; its figures are those of the whole."""
    wishes = Wishes(topics=("chips",), language="ja")
    rendered = render_issue(ISSUE, site=SITE, tags=TAGS, templates=TEMPLATES, archive_url=SITE.url, wishes=wishes)
    document = html.document_fromstring(rendered.mail_html)

    assert rendered.web_html == ""
    assert document.get("lang") == "ja"
    for text in (document.text_content(), rendered.mail_text):
        assert "選択中のトピック：半導体" in text
        assert "412" in text
    assert STORIES[0].lead.url in rendered.mail_text and STORIES[2].lead.url not in rendered.mail_text
    assert rendered.subject.startswith("小さな半導体")


@given(sections=st.lists(st.sampled_from(SLUGS), unique=True))
@settings(max_examples=60, deadline=None)
def test_groups_hold_every_story_once(sections: list[str]) -> None:
    """The first above all; each below the first section that its lead is about; the others last, in their order."""
    groups = group_stories(COMPOSED.top, sections, TAGS)
    told = [story for group in groups for story in group.stories]

    assert told[0] == COMPOSED.top[0]
    assert sorted(story.id for story in told) == sorted(story.id for story in COMPOSED.top)
    assert all(group.stories for group in groups)
    named = [group.tag.slug for group in groups if group.tag]
    assert named == [slug for slug in sections if slug in named]
    for group in groups:
        assert [s.id for s in group.stories] == sorted(s.id for s in group.stories)
        if group.is_rest:
            assert group is groups[-1] and named


def test_no_story_no_group() -> None:
    """An issue may be of briefs alone."""
    assert group_stories((), ("chips",), TAGS) == ()


def test_sections_are_headings_above_their_stories() -> None:
    """Second level; their stories are of the third."""
    issue = replace(COMPOSED, newsletter=replace(NEWSLETTER, sections=("open-weights", "chips")))
    rendered = render_issue(issue, site=SITE, tags=TAGS, templates=TEMPLATES, archive_url=SITE.url)
    headings = html.document_fromstring(rendered.mail_html).xpath("//h1 | //h2 | //h3")
    outline = [(heading.tag, heading.text_content()[:12]) for heading in headings]

    assert outline[:6] == [
        ("h1", "The Model Po"),
        ("h2", STORIES[0].lead.title[:12]),
        ("h2", "Open weights"),
        ("h3", "Orrery 4: fo"),
        ("h3", "Une loi, tro"),
        ("h3", "东湖实验室开源八十亿参数"[:12]),
    ]
    assert rendered.mail_text.index("\nOpen weights\n") < rendered.mail_text.index("\nChips\n")


@pytest.mark.parametrize(
    ("pattern", "edited", "subject"),
    [
        ("", "", "小さな半導体、大きな賭け：クモクラウドが自社チッ…"),
        ("{{ title }}: {{ stories }} stories", "", "The Model Post Weekly: 18 stories"),
        ("{{ issue }} {{ headline | truncate(8, true) }}", "", "2025-W49 小さな半導..."),
        ("{{ title * 9 }}", "", "The Model Post WeeklyThe Model Post WeeklyThe…"),
        ("  ", "", "小さな半導体、大きな賭け：クモクラウドが自社チッ…"),
        ("{{ title }}", "By\nhand " + "x" * 70, "By hand " + "x" * 70),
    ],
)
def test_a_subject_is_the_editors_then_the_patterns_then_the_headline(pattern: str, edited: str, subject: str) -> None:
    """Cut to fifty columns but where it was written by hand."""
    issue = replace(COMPOSED, newsletter=replace(NEWSLETTER, subject=pattern))

    assert make_subject(issue, IssueEdits(subject=edited)) == subject
    assert edited or count_columns(subject) <= 50


@pytest.mark.parametrize("pattern", ["{{ nothing }}", "{{ headline|nofilter }}", "{% if %}", "{{ 1 / 0 }}"])
def test_a_pattern_that_cannot_be_filled_names_the_newsletter(pattern: str) -> None:
    """And its key in the configuration."""
    with pytest.raises(RenderError, match=r"newsletters: weekly: subject: "):
        make_subject(replace(COMPOSED, newsletter=replace(NEWSLETTER, subject=pattern)))
