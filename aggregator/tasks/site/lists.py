"""Pages that list what there is: tags, feeds, issues; and one past issue. Never renders them itself."""

from __future__ import annotations

from aggregator.app import App
from aggregator.model.shown import FeedsPage, IssuePage, IssuesPage, NewsletterIssues, TagCount, TagsPage
from aggregator.render import lists
from aggregator.render import page as pages
from aggregator.storage import feeds, issues, tags
from aggregator.tasks.site.found import Page, list_tags, make_html, route


def _render_tags(app: App) -> Page:
    known = list_tags(app)
    with app.db.read() as conn:
        counts = tags.list_tags(conn)
    used = tuple(TagCount(tag=known[slug], entry_count=count) for slug, _, count in counts if slug in known)
    return make_html(lists.render_tags(TagsPage(tags=used), site=app.settings.site, templates=app.templates))


def _render_feeds(app: App) -> Page:
    with app.db.read() as conn:
        stored = tuple(feed for feed in feeds.list_feeds(conn) if feed.state == "active")
    return make_html(lists.render_feeds(FeedsPage(feeds=stored), site=app.settings.site, templates=app.templates))


def _render_issues(app: App) -> Page:
    with app.db.read() as conn:
        stored = issues.list_issues(conn, states=issues.FROZEN)
    archive = tuple(
        NewsletterIssues(
            slug=newsletter.slug,
            title=newsletter.title,
            issues=tuple(issue for issue in stored if issue.newsletter == newsletter.slug),
        )
        for newsletter in app.settings.newsletters
    )
    return make_html(
        lists.render_issues(IssuesPage(newsletters=archive), site=app.settings.site, templates=app.templates)
    )


def _render_issue(app: App, newsletter: str, slug: str) -> Page | None:
    with app.db.read() as conn:
        stored = issues.list_issues(conn, newsletter, states=issues.FROZEN)
        position = next((at for at, issue in enumerate(stored) if issue.slug == slug), None)
        if position is None:
            return None
        rendered = issues.get_rendered(conn, stored[position].id)
    if rendered is None:
        return None
    titles = {item.slug: item.title for item in app.settings.newsletters}
    page = IssuePage(
        issue=stored[position],
        newsletter_title=titles.get(newsletter, newsletter),
        web_html=rendered.web_html,
        previous=stored[position + 1] if position + 1 < len(stored) else None,
        next=stored[position - 1] if position else None,
    )
    return make_html(pages.render_issue(page, site=app.settings.site, templates=app.templates))


ROUTES = (
    route(r"/tags/", _render_tags),
    route(r"/feeds", _render_feeds),
    route(r"/issues/", _render_issues),
    route(r"/issues/([a-z0-9-]+)/([0-9A-Za-z.-]+)", _render_issue),
)
