"""Lists of feeds at the desk: what one would bring, taking it over with its line in the log, taking that back.
Never fetches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.account import Change
from aggregator.model.feed import Feed, FeedSpec
from aggregator.model.ids import FeedId
from aggregator.pipeline.opml import iter_opml, parse_opml
from aggregator.storage import audit, feeds
from aggregator.tasks.desk.undone import record_undo

#: So many feeds of a list are named in the log.
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPreview:
    """What a list holds."""

    #: Not read yet; of origin ``added``.
    new: tuple[FeedSpec, ...]
    #: Address in the list -> number of the feed.
    known: dict[str, FeedId]
    #: In words.
    problems: tuple[str, ...]


def read_list(app: App, data: bytes) -> ListPreview:
    """What taking over an OPML list would do; nothing is stored."""
    result = parse_opml(data)
    with app.db.read() as conn:
        known = feeds.find_ids(conn, [spec.url for spec in result.feeds])
    new = tuple(replace(spec, origin="added") for spec in result.feeds if spec.url not in known)
    return ListPreview(new=new, known=known, problems=result.problems)


def iter_list(app: App) -> Iterator[bytes]:
    """All web feeds as OPML, part by part."""

    def iter_specs() -> Iterator[FeedSpec]:
        last = FeedId(0)
        while True:
            with app.db.read() as conn:
                some = feeds.list_specs(conn, after=last)
            if not some:
                return
            yield from (spec for _, spec in some)
            last = some[-1][0]

    return iter_opml(iter_specs(), app.settings.site.title, app.now())


def import_list(app: App, specs: Sequence[FeedSpec], *, who: str) -> tuple[int, int]:
    """Add what is not read yet; how many, and the line in the log. Raises `UsageError` when that is nothing."""
    with app.db.write() as conn:
        known = feeds.find_ids(conn, [spec.url for spec in specs])
        fresh = [replace(spec, origin="added") for spec in specs if spec.url not in known]
        if not fresh:
            raise UsageError("nothing in this list is new")
        ids = feeds.add_all(conn, fresh, app.now())
        line = audit.record(
            conn,
            who=who,
            action="feed.import",
            subject="feeds",
            title=", ".join(spec.title or spec.url for spec in fresh[:_NAMED]),
            after={"feeds": list(ids)},
            now=app.now(),
        )
    return len(ids), line


def undo_import(app: App, change: Change, *, who: str) -> int:
    """Remove what a list brought; entries that came meanwhile stay."""
    ids = [FeedId(number) for number in change.after["feeds"]]
    with app.db.write() as conn:
        there = [feed for feed in feeds.get_feeds(conn, ids).values() if _is_as_added(feed)]
        if not there:
            raise UsageError("none of these feeds is read any more")
        for feed in there:
            feeds.remove(conn, feed.id, now=app.now())
        return record_undo(app, conn, change, who=who)


def _is_as_added(feed: Feed) -> bool:
    return feed.spec.origin == "added" and feed.paused_reason != feeds.REMOVED
