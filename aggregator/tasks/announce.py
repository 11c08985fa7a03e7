"""Tells our hub what has changed in our feeds (WebSub), after it is stored. Never holds up a round, never tells twice.

What it was told last stands in a row for each feed, as a fingerprint of what was in it. The combined feed and the
newsletters are looked at whenever anything has changed; a tag or a language when a story of its is told for the first
time; at most `AT_ONCE` feeds in one go, the rest right after.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from hashlib import blake2b

from aggregator.app import App
from aggregator.log import get_logger, redact_url
from aggregator.model.feed import FetchFailed, FetchRequest, Postponed
from aggregator.model.ids import FeedId
from aggregator.model.language import UNNAMED, get_primary
from aggregator.storage import announcements, issues, meta
from aggregator.storage.announcements import Announcement
from aggregator.tasks.site.feed_documents import choose_living
from aggregator.tasks.site.feed_scopes import FORMATS, Listed, find_tag, get_combined, get_language
from aggregator.tasks.site.found import LANGUAGE, list_tags
from aggregator.tasks.websub import can_be_called

log = get_logger(__name__)

AT_ONCE = 50
#: Hubs come at once, and keep what they find: by then our own pages must be the new ones (`web.cache`), in seconds.
SETTLING = 3.0
#: Two clocks may differ, and a transaction takes its time.
_OVERLAP = timedelta(minutes=2)


def has_news(app: App) -> bool:
    """Whether the hub may have something to hear. Nobody can come for news to a site without a public name."""
    hub = app.settings.site.hub
    if not hub or not can_be_called(app.settings.site.url):
        return False
    with app.db.read() as conn:
        return announcements.has_due(conn, hub, now=app.now())


def announce(app: App, *, pause: Callable[[float], bool] = lambda seconds: False) -> int:
    """Tell the hub of every feed that has changed since it was told; how many. ``pause`` waits so many seconds and
    says whether to stop."""
    if not has_news(app):
        return 0
    _note_changes(app)
    told = 0
    while not pause(0):
        with app.db.write() as conn:
            claimed = announcements.claim_due(conn, now=app.now(), limit=AT_ONCE)
        if not claimed:
            break
        told += _tell(app, claimed, pause)
    return told


def _note_changes(app: App) -> None:
    hub, now = app.settings.site.hub, app.now()
    with app.db.read() as conn:
        revision = meta.get_revision(conn)
        known, looked_at = announcements.find_looked_at(conn, hub)
        if known == revision:
            return
        since = (looked_at or now - app.settings.combined.window) - _OVERLAP
        tags, languages = announcements.list_touched(conn, since)
    paths = [f"/feed.{suffix}" for suffix in FORMATS]
    paths += [f"/tags/{slug}.atom" for slug in sorted(tags & list_tags(app).keys())]
    primary = {get_primary(language) for language in languages} - UNNAMED
    paths += [f"/lang/{language}.atom" for language in sorted(primary) if re.fullmatch(LANGUAGE, language)]
    paths += [f"/issues/{newsletter.slug}.atom" for newsletter in app.settings.newsletters]
    with app.db.write() as conn:
        if looked_at is None:
            announcements.forget(conn)
        announcements.note(conn, paths, hub_url=hub, revision=revision, now=now)


def _tell(app: App, claimed: tuple[Announcement, ...], pause: Callable[[float], bool]) -> int:
    """Post what is news; how much the hub took."""
    stems = dict.fromkeys(one.path.rpartition(".")[0] for one in claimed)
    by_stem = {stem: _make_fingerprint(app, stem) for stem in stems}
    fingerprints = {one.path: by_stem[one.path.rpartition(".")[0]] for one in claimed}
    news = {one.path: one for one in claimed if fingerprints[one.path] not in ("", one.fingerprint)}
    with app.db.write() as conn:
        for one in claimed:
            if one.path not in news:
                announcements.mark_same(conn, one)
    if not news or pause(SETTLING):
        return 0  # what was taken and not told is told when the claim has ended
    told = 0
    site = app.settings.site
    waiting = {f"{site.url}{path}": one for path, one in news.items()}
    requests = [FetchRequest(feed_id=FeedId(0), url=site.hub, form=tuple(_iter_form(topic))) for topic in waiting]
    with closing(app.fetcher.fetch(requests)) as replies:
        for reply in replies:
            one = waiting.pop(dict(reply.request.form)["hub.topic"])
            with app.db.write() as conn:
                if isinstance(reply, FetchFailed | Postponed):
                    log.warning("hub.not_told", hub=redact_url(site.hub), feed=one.path, reason=reply.reason)
                    announcements.mark_failed(conn, one, reply.reason, now=app.now())
                    continue
                announcements.mark_told(conn, one, fingerprints[one.path], now=app.now())
            told += 1
    return told


def _iter_form(topic: str) -> Iterator[tuple[str, str]]:
    """Hubs of the first hour ask for ``hub.url``, those of W3C's time for ``hub.topic``."""
    yield "hub.mode", "publish"
    yield "hub.topic", topic
    yield "hub.url", topic


def _make_fingerprint(app: App, stem: str) -> str:
    """Of what stands in a living document: each item with when it became what it is. Empty: there is no such feed."""
    whole = blake2b(digest_size=16)
    if stem.startswith("/issues/"):
        with app.db.read() as conn:
            newest = issues.list_issues(conn, stem.removeprefix("/issues/"), states=issues.FROZEN, limit=1)
        if not newest:
            return ""
        whole.update(newest[0].slug.encode())
        return whole.hexdigest()
    listed = _find_listed(app, stem)
    if listed is None:
        return ""
    with app.db.read() as conn:
        chosen = choose_living(conn, listed, app.settings.combined, app.now())
    for story in chosen.stories:
        whole.update(f"{story.atom_id} {story.updated_at.isoformat()}\n".encode())
    return whole.hexdigest() if chosen.stories else ""


def _find_listed(app: App, stem: str) -> Listed | None:
    kind, _, name = stem.removeprefix("/").partition("/")
    match kind:
        case "feed":
            return get_combined(app)
        case "tags":
            return find_tag(app, name)
        case "lang":
            return get_language(app, name)
        case _:
            return None
