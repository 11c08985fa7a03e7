"""The feeds that can be asked for: what each is called, where it lies, which entries belong to it. Never loads them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import get_args
from urllib.parse import quote, urlencode

from aggregator.app import App
from aggregator.model.feed import Feed
from aggregator.model.ids import EntryId, FeedId
from aggregator.model.published import Format, Scope
from aggregator.model.search import SearchQuery
from aggregator.pipeline.query import read_query
from aggregator.render.idiom import Idiom
from aggregator.render.words import get_feed_name
from aggregator.storage import feeds
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.site.found import list_tags

#: Kinds that look at all feeds we read, where none may crowd out the others.
SHARED = ("all", "tag", "language")
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A feed of ours, whatever the format and however far back."""

    scope: Scope
    title: str
    #: Of its living document, without format and query (``/feed``); and what those of its other documents begin with.
    path: str
    stem: str
    #: The page of the same for people, and where a browser goes that opens the feed.
    page_path: str
    view_path: str
    #: Which entries, whenever.
    entries: EntryQuery
    #: Every entry instead of one for each story; and whether that is not what one gets without asking.
    is_each: bool
    is_asked: bool
    feed: Feed | None = None
    searched: SearchQuery | None = None

    @property
    def key(self) -> str:
        """``all``, ``tag:openai``, ``language:ja``, ``feed:12``."""
        return f"{self.scope.kind}:{self.scope.name}".removesuffix(":")

    def get_entries(self, now: datetime) -> EntryQuery:
        """Which entries, as far as their time has come."""
        return replace(self.entries, until=now)

    def get_id(self, own_id: str) -> str:
        """``atom:id``, below that of the combined feed, ``own_id``: the same for all of its documents."""
        below = "" if self.scope.kind == "all" else self.path
        if self.searched is not None:
            below += f"/{quote(self.searched.text, safe='')}"
        return f"{own_id}{below}{'/entries' if self.is_asked else ''}"

    def get_living(self, suffix: Format) -> str:
        """The path of the living document."""
        return f"{self.path}.{suffix}{self._query}"

    def get_page(self, before: EntryId, suffix: Format) -> str:
        """The path of what stands below entry ``before``."""
        return f"{self.stem}/before/{before}.{suffix}{self._query}"

    def get_archive(self, week: str) -> str:
        """The path of one week's archive (Atom)."""
        return f"{self.stem}/archive/{week}.atom"

    @property
    def has_archives(self) -> bool:
        """Searches and what is only there for the asking have none."""
        return self.scope.kind in ("all", "tag", "feed", "language") and not self.is_asked

    @property
    def _query(self) -> str:
        said = {"entries": "1"} if self.is_asked else {}
        if self.searched is not None:
            said["q"] = self.searched.text
        return f"?{urlencode(sorted(said.items()))}" if said else ""


def get_combined(app: App, *, each: bool = False) -> Listed:
    """The feed of everything. ``each``: every entry was asked for."""
    return _make(app, Scope(), app.settings.site.title, path="/feed", stem="", page="/", view="/feed", each=each)


def find_tag(app: App, slug: str, *, each: bool = False) -> Listed | None:
    """The feed of one tag; None when there is no such tag."""
    tag = list_tags(app).get(slug)
    if tag is None:
        return None
    title = f"{app.settings.site.title}: {tag.name}"
    return _make(app, Scope(kind="tag", name=slug), title, path=f"/tags/{slug}", each=each)


def get_language(app: App, language: str, *, each: bool = False) -> Listed:
    """The feed of one language (primary tag), whether or not anything is written in it."""
    name = Idiom(language=app.settings.site.language, timezone="UTC").own_name(language) or language
    title = f"{app.settings.site.title}: {name}"
    return _make(app, Scope(kind="language", name=language), title, path=f"/lang/{language}", each=each)


def find_feed(app: App, number: str) -> Listed | None:
    """Every entry of one feed that we read, or read once; None when it was removed, or never was."""
    feed_id = FeedId(int(number))
    with app.db.read() as conn:
        feed = feeds.get_feeds(conn, [feed_id]).get(feed_id)
    if feed is None or feed.paused_reason == feeds.REMOVED:
        return None
    title = f"{app.settings.site.title}: {get_feed_name(feed.name)}"
    listed = _make(app, Scope(kind="feed", name=str(feed_id)), title, path=f"/feeds/{feed_id}")
    return replace(listed, is_each=True, is_asked=False, feed=feed)


def get_search(app: App, text: str, *, each: bool = False) -> Listed:
    """The feed of what is found by ``text``; of a search that cannot be made it is empty."""
    asked = read_query(text)
    title = f"{app.settings.site.title}: {asked.text}" if asked.text else app.settings.site.title
    page = f"/search?{urlencode({'q': asked.text})}"
    listed = _make(app, Scope(kind="search", name=asked.text), title, path="/search", page=page, view=page, each=each)
    return replace(listed, searched=asked)


def _make(
    app: App,
    scope: Scope,
    title: str,
    *,
    path: str,
    stem: str | None = None,
    page: str = "",
    view: str = "",
    each: bool = False,
) -> Listed:
    by_default = not app.settings.combined.one_per_story
    return Listed(
        scope=scope,
        title=title,
        path=path,
        stem=path if stem is None else stem,
        page_path=page or path,
        view_path=view or path,
        entries=_select(scope),
        is_each=each or by_default,
        is_asked=each and not by_default,
    )


def _select(scope: Scope) -> EntryQuery:
    match scope.kind:
        case "tag":
            return EntryQuery(tag=scope.name, combined_only=True)
        case "language":
            return EntryQuery(language=scope.name, combined_only=True)
        case "feed":
            return EntryQuery(feed_id=FeedId(int(scope.name)), told_only=True)
        case _:
            return EntryQuery(combined_only=True)
