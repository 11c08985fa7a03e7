"""What one variant of an issue holds, and in which groups its stories stand. Never renders, never chooses stories anew.

A variant is what some readers wish: the mail's words in another language, only stories about some topics. A wish that
the newsletter does not offer, or no longer offers, counts as none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from aggregator.model.newsletter import ComposedIssue, Newsletter
from aggregator.model.story import Story
from aggregator.model.subscriber import Wishes
from aggregator.model.tag import Tag

NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Stories below one heading."""

    #: None: they stand above all sections, or after them (``is_rest``), or there are none.
    tag: Tag | None
    stories: tuple[Story, ...]
    is_rest: bool = False


def choose_language(newsletter: Newsletter, wishes: Wishes) -> str:
    """Of the mail's own words."""
    return wishes.language if wishes.language in newsletter.languages else newsletter.language


def choose_topics(newsletter: Newsletter, wishes: Wishes) -> tuple[str, ...]:
    """The slugs that the stories must be about; empty: any."""
    return tuple(slug for slug in newsletter.topics if slug in wishes.topics)


def narrow_issue(issue: ComposedIssue, wishes: Wishes) -> ComposedIssue | None:
    """The issue as those who wish so get it; None when none of its stories is about their topics.

    In the order of the whole issue, laid out anew: what is only a line there may stand with its excerpt here.
    """
    newsletter = replace(issue.newsletter, language=choose_language(issue.newsletter, wishes))
    topics = choose_topics(newsletter, wishes)
    if not topics:
        return replace(issue, newsletter=newsletter)
    wanted = [story for story in (*issue.top, *issue.brief, *issue.more) if _is_about(story, topics)]
    developing = tuple(story for story in issue.developing if _is_about(story, topics))
    if not wanted and not developing:
        return None
    top, rest = tuple(wanted[: newsletter.top_stories]), tuple(wanted[newsletter.top_stories :])
    brief, more = rest[: newsletter.brief_stories], rest[newsletter.brief_stories :]
    return replace(issue, newsletter=newsletter, top=top, brief=brief, more=more, developing=developing)


def group_stories(stories: Sequence[Story], sections: Sequence[str], tags: Mapping[str, Tag]) -> tuple[Group, ...]:
    """``stories`` by section: the first of all above them, then each section that has any, then the rest.

    A story stands in the first section that its lead is about. Without sections all stand in one group.
    """
    left = list(stories[1:])
    found = []
    for slug in (slug for slug in sections if slug in tags):
        inside = tuple(story for story in left if _is_about(story, (slug,), lead_only=True))
        left = [story for story in left if story not in inside]
        if inside:
            found.append(Group(tag=tags[slug], stories=inside))
    if not found:
        return (Group(tag=None, stories=tuple(stories)),) if stories else ()
    rest = (Group(tag=None, stories=tuple(left), is_rest=True),) if left else ()
    return (Group(tag=None, stories=tuple(stories[:1])), *found, *rest)


def _is_about(story: Story, topics: Collection[str], *, lead_only: bool = False) -> bool:
    entries = (story.lead,) if lead_only else story.entries
    return any(evidence.slug in topics for entry in entries for evidence in entry.tags)
