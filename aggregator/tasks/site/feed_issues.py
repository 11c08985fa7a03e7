"""The issues of a newsletter as a feed. Never renders an issue: what was frozen is taken as it is."""

from __future__ import annotations

from aggregator.app import App
from aggregator.model.newsletter import Newsletter
from aggregator.model.published import Format, PublishedFeed
from aggregator.render.items import make_issue_item
from aggregator.storage import issues, meta
from aggregator.tasks.site.feed_documents import get_beginning, get_own_id
from aggregator.tasks.site.feed_scopes import FORMATS

#: Whole issues: more of them would make a document of megabytes. The others stand on the pages of the months.
MOST = 20


def build_issues(app: App, slug: str, suffix: Format = "atom") -> PublishedFeed | None:
    """The newest issues that readers may see; None when there is no such newsletter, and no issue of one."""
    site = app.settings.site
    newsletter = next((one for one in app.settings.newsletters if one.slug == slug), None)
    with app.db.read() as conn:
        identity = meta.get_identity(conn)
        found = issues.list_issues(conn, slug, states=issues.FROZEN, limit=MOST)
        rendered = [(issue, issues.get_rendered(conn, issue.id)) for issue in found]
    if newsletter is None:
        if not found:
            return None
        # It is not made any more: what is left of it is its name and its issues.
        newsletter = Newsletter(slug=slug, title=slug, schedule="", timezone=site.timezone, language=site.language)
    own_id = get_own_id(identity)
    items = tuple(
        make_issue_item(issue, frozen, item_id=f"{own_id}/issues/{slug}/{issue.slug}", newsletter=newsletter, site=site)
        for issue, frozen in rendered
        if frozen is not None
    )
    path = f"{site.url}/issues/{slug}"
    return PublishedFeed(
        id=f"{own_id}/issues/{slug}",
        title=newsletter.title,
        subtitle=site.description,
        language=newsletter.language,
        author=site.author,
        self_url=f"{path}.{suffix}",
        page_url=path,
        updated_at=max((item.updated_at for item in items), default=get_beginning(identity)),
        items=items,
        other_formats={other: f"{path}.{other}" for other in FORMATS if other != suffix},
        hub_url=site.hub if suffix == "atom" else "",
        scheme=f"{site.url}/tags/",
    )
