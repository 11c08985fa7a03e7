"""The archive of issues: all newsletters, one, a month of one, one past issue. Never renders them itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from aggregator.app import App
from aggregator.model.listed import IssueMonth, IssuesPage, NewsletterIssues
from aggregator.model.shown import IssuePage
from aggregator.render import lists
from aggregator.render import page as pages
from aggregator.storage import issue_archive, issues
from aggregator.tasks.site.found import Page, make_html, route

#: Issues on one page, and of one newsletter at least.
ISSUES, FEWEST = 36, 6
#: Stories named beside an issue's title; the first is nearly always the title itself.
HEADLINES = 3
NEWSLETTER = r"([a-z0-9-]{1,100})"


def _render_archive(app: App) -> Page:
    newsletters = app.settings.newsletters
    room = max(FEWEST, ISSUES // max(1, len(newsletters)))
    found = tuple(_read_newest(app, newsletter.slug, room) for newsletter in newsletters)
    return _make_page(app, IssuesPage(newsletters=found))


def _render_newsletter(app: App, newsletter: str) -> Page | None:
    found = _read_newest(app, newsletter, ISSUES)
    if not found.issues and newsletter not in {one.slug for one in app.settings.newsletters}:
        return None
    return _make_page(app, IssuesPage(newsletters=(found,), is_single=True))


def _render_month(app: App, newsletter: str, slug: str) -> Page | None:
    zone = ZoneInfo(app.settings.site.timezone)
    with app.db.read() as conn:
        months = _list_months(issue_archive.list_slots(conn, newsletter), zone)
        at = next((place for place, month in enumerate(months) if month.slug == slug), None)
        if at is None:
            return None
        since, until = _get_bounds(slug, zone)
        stored = issues.list_issues(conn, newsletter, states=issues.FROZEN, since=since, until=until)
        headlines = issue_archive.list_headlines(conn, [issue.id for issue in stored], limit=HEADLINES)
    shown = NewsletterIssues(
        slug=newsletter, title=_get_title(app, newsletter), issues=stored, headlines=headlines, months=months
    )
    newer, older = (months[at - 1] if at else None), (months[at + 1] if at + 1 < len(months) else None)
    page = IssuesPage(newsletters=(shown,), is_single=True, month=months[at], newer=newer, older=older)
    return _make_page(app, page)


def _render_issue(app: App, newsletter: str, slug: str) -> Page | None:
    with app.db.read() as conn:
        issue = issue_archive.find_issue(conn, newsletter, slug)
        rendered = issues.get_rendered(conn, issue.id) if issue else None
        if issue is None or rendered is None:
            return None
        previous, following = issue_archive.find_neighbours(conn, issue)
    page = IssuePage(
        issue=issue,
        newsletter_title=_get_title(app, newsletter),
        web_html=rendered.web_html,
        is_open=any(one.slug == newsletter and one.is_open for one in app.settings.newsletters),
        previous=previous,
        next=following,
    )
    return make_html(pages.render_issue(page, site=app.settings.site, templates=app.templates))


def _read_newest(app: App, newsletter: str, limit: int) -> NewsletterIssues:
    with app.db.read() as conn:
        stored = issues.list_issues(conn, newsletter, states=issues.FROZEN, limit=limit)
        headlines = issue_archive.list_headlines(conn, [issue.id for issue in stored], limit=HEADLINES)
        slots = issue_archive.list_slots(conn, newsletter)
    months = _list_months(slots, ZoneInfo(app.settings.site.timezone))
    return NewsletterIssues(
        slug=newsletter, title=_get_title(app, newsletter), issues=stored, headlines=headlines, months=months
    )


def _list_months(slots: Sequence[datetime], zone: ZoneInfo) -> tuple[IssueMonth, ...]:
    """The months of ``slots``, which are newest first."""
    by_month = ((slug, list(group)) for slug, group in groupby(slots, key=lambda at: f"{at.astimezone(zone):%Y-%m}"))
    return tuple(IssueMonth(slug=slug, at=group[0], issue_count=len(group)) for slug, group in by_month)


def _get_bounds(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Where a month of the zone begins, and the next one."""
    year, number = map(int, month.split("-"))
    after = (year + 1, 1) if number == 12 else (year, number + 1)
    return datetime(year, number, 1, tzinfo=zone).astimezone(UTC), datetime(*after, 1, tzinfo=zone).astimezone(UTC)


def _get_title(app: App, newsletter: str) -> str:
    """A newsletter that is configured no more is known by its slug."""
    return {one.slug: one.title for one in app.settings.newsletters}.get(newsletter, newsletter)


def _make_page(app: App, page: IssuesPage) -> Page:
    return make_html(lists.render_issues(page, site=app.settings.site, templates=app.templates))


ROUTES = (
    route(r"/issues/", _render_archive),
    route(rf"/issues/{NEWSLETTER}", _render_newsletter),
    route(rf"/issues/{NEWSLETTER}/([0-9]{{4}}-(?:0[1-9]|1[0-2]))", _render_month),
    route(rf"/issues/{NEWSLETTER}/([0-9A-Za-z.-]+)", _render_issue),
)
