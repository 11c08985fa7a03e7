"""All feeds: what needs a decision first, how each has fared lately, when it is asked next. Never changes one."""

from __future__ import annotations

from typing import Any, Literal, cast
from urllib.parse import urlencode

from starlette.responses import Response

from aggregator.model.feed_health import TROUBLES, FeedFilter, ListedFeed
from aggregator.render.feed_documents import describe_details, describe_feed, describe_hub, describe_log_line
from aggregator.storage import feed_health, fetchlog, hubs
from aggregator.web.desk import feed_words
from aggregator.web.desk.feed import find_feed, show_feed
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Listing, Page, Section, Visit

_ON_A_PAGE, _STRIP = 50, 20
_MOST_LINES = 200
_MOST_TEXT = 200
_FILTERS = ("state", "trouble", "origin", "language", "words", "order")


def read_filter(visit: Visit) -> FeedFilter:
    """What the query of a page asks for; what it does not know counts as not said."""
    asked = {name: visit.query.get(name, "").strip()[:_MOST_TEXT] for name in _FILTERS}
    order = asked.pop("order")
    for name, known in (
        ("state", feed_words.STATES),
        ("trouble", feed_words.TROUBLES),
        ("origin", feed_words.ORIGINS),
    ):
        asked[name] = asked[name] if asked[name] in known else ""
    known_order = order if order in feed_words.ORDERS else "trouble"
    return FeedFilter(order=cast(Literal["trouble", "name", "newest"], known_order), **asked)


def _list_page(visit: Visit, limit: int, strip: int) -> tuple[tuple[ListedFeed, ...], int | None]:
    """Feeds, and the last one's number when there are more."""
    with visit.app.db.read() as conn:
        found = feed_health.list_page(
            conn,
            read_filter(visit),
            now=visit.app.now(),
            after=visit.get_page("after"),
            limit=limit + 1,
            strip=strip,
        )
    return found[:limit], found[limit - 1].feed.id if len(found) > limit else None


def _show_feeds(visit: Visit) -> Response:
    wanted = read_filter(visit)
    listed, more = _list_page(visit, _ON_A_PAGE, _STRIP)
    with visit.app.db.read() as conn:
        counts = feed_health.count_feeds(conn)
        languages = feed_health.list_languages(conn)
    asked = {name: value for name in _FILTERS if (value := getattr(wanted, name)) and value != "trouble"}
    return show_page(
        visit,
        "feeds.html",
        listed=[(one, feed_words.make_strip(one.fetches, _STRIP)) for one in listed],
        more=more,
        wanted=wanted,
        counts={**counts, "any": sum(counts.get(trouble, 0) for trouble in TROUBLES)},
        languages=languages,
        query=urlencode(asked),
        is_filtered=bool(asked.keys() - {"order"}),
        is_first=visit.get_page("after") is None,
        words=feed_words,
    )


def _tell_feeds(visit: Visit) -> Any:
    found, _ = _list_page(visit, 100, 0)
    ids = [one.feed.id for one in found]
    with visit.app.db.read() as conn:
        entries = feed_health.count_entries(conn, ids)
    return [
        {
            **describe_feed(one.feed),
            "entries": entries.get(one.feed.id, 0),
            "trouble": one.trouble or "",
            "entries_last_week": one.week,
        }
        for one in found
    ]


def _tell_feed(visit: Visit) -> Any:
    feed = find_feed(visit.app, visit.params["feed"])
    with visit.app.db.read() as conn:
        entries = feed_health.count_entries(conn, [feed.id])
        hub, trouble = hubs.get_hub(conn, feed.id), feed_health.get_trouble(conn, feed.id)
    return {
        **describe_details(feed),
        "entries": entries.get(feed.id, 0),
        "trouble": trouble or "",
        "hub": describe_hub(hub),
    }


def _tell_fetches(visit: Visit) -> Any:
    feed = find_feed(visit.app, visit.params["feed"])
    with visit.app.db.read() as conn:
        return [describe_log_line(line) for line in fetchlog.list_lines(conn, feed.id, _MOST_LINES)]


_QUERY = {
    "trouble": "Only with this trouble, one of: any, " + ", ".join(TROUBLES) + ".",
    "state": "Only those that are `active` or `paused`.",
    "origin": "Only of this origin: `config`, `opml` or `added`.",
    "language": "Only in this language (BCP 47).",
    "words": "Only with all of these words in their titles or addresses.",
    "order": "`trouble` (the default: what needs a decision first), `name` or `newest`.",
    "after": "The page after this feed's number.",
}

ROOM = Section(
    key="feeds",
    pages=(Page(path="/feeds", show=_show_feeds), Page(path="/feeds/{feed:int}", show=show_feed)),
    listings=(
        Listing(path="/feeds", read=_tell_feeds, summary="Feeds, a hundred a page.", query=_QUERY),
        Listing(path="/feeds/{feed:int}", read=_tell_feed, summary="How one feed stands."),
        Listing(
            path="/feeds/{feed:int}/fetches",
            read=_tell_fetches,
            summary="The last fetches of a feed, newest first, two hundred at most.",
        ),
    ),
)
