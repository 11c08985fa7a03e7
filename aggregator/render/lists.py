"""Pages that list what there is: tags, feeds, issues. Never chooses what they list."""

from __future__ import annotations

from aggregator.model.feed import Feed
from aggregator.model.settings import Site
from aggregator.model.shown import FeedsPage, IssuesPage, TagCount, TagsPage
from aggregator.render.page import render_page
from aggregator.render.templates import Templates
from aggregator.render.words import get_feed_name

#: The groups of the tag index, in order; the template names them.
_KINDS = ("org", "product", "topic")


def render_tags(page: TagsPage, *, site: Site, templates: Templates) -> str:
    """``/tags/``: every tag in use, by kind, by name."""

    def by_name(count: TagCount) -> tuple[str, str]:
        return (count.tag.name.casefold(), count.tag.slug)

    kinds = [(kind, sorted((c for c in page.tags if c.tag.kind == kind), key=by_name)) for kind in _KINDS]
    return render_page("tags.html", site, templates, page=page, kinds=[pair for pair in kinds if pair[1]])


def render_feeds(page: FeedsPage, *, site: Site, templates: Templates) -> str:
    """``/feeds``: whom we read, by name, and how each of them stands."""

    def by_name(feed: Feed) -> tuple[str, int]:
        return (get_feed_name(feed.name).casefold(), feed.id)

    return render_page("feeds.html", site, templates, feeds=sorted(page.feeds, key=by_name))


def render_issues(page: IssuesPage, *, site: Site, templates: Templates) -> str:
    """``/issues/``: the archive of every newsletter."""
    return render_page("issues.html", site, templates, page=page)
