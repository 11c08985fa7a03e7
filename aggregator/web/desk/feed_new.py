"""Feeds that are not read yet: found by the address of any page, or named by a list; and our own list for others.
Never stores what it only shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response, StreamingResponse

from aggregator.errors import UsageError
from aggregator.model.feed import MAX_OPML_BYTES
from aggregator.pipeline.opml import parse_opml, render_opml
from aggregator.pipeline.urls import is_web_url
from aggregator.storage import feeds
from aggregator.tasks.desk.feed_lists import import_list, iter_list, read_list, undo_import
from aggregator.tasks.discover import Discovery, describe_discovery, discover_feed
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Action, Done, Fields, Listing, Page, Section, Visit
from aggregator.web.desk.words import N_, FieldError, say

#: Within which a page must be found, so that nobody waits in front of an empty one.
SECONDS = 20.0
#: So many ask the network at once, at most: each keeps a thread busy.
_LOOKING = BoundedSemaphore(3)
#: A list that would not fit into a form is for the command line.
_MOST_TEXT = 1_000_000
#: Of a list that is shown before it is taken over.
_SHOWN = 200


@contextmanager
def take_a_place() -> Iterator[None]:
    """Ask the network here. Raises `FieldError` when enough others do."""
    if not _LOOKING.acquire(blocking=False):
        raise FieldError(
            {"": say(N_("Others are asking the network at this moment. Please try again in a few seconds."))}
        )
    try:
        yield
    finally:
        _LOOKING.release()


class SearchFields(Fields):
    url: Annotated[str, Field(min_length=1, max_length=2000, description="Address of a page or of a feed.")]


class ImportFields(Fields):
    opml: Annotated[str, Field(max_length=_MOST_TEXT, description="An OPML document.")] = ""


def show_new(visit: Visit, **more: Any) -> Response:
    """The form, with ``more`` of what was found."""
    values = {"asked": visit.query.get("url", ""), "done": None, "known": {}, **more}
    return show_page(visit, "feed_new.html", **values)


def _search(visit: Visit, sent: SearchFields) -> Response:
    done, known = _look(visit, _read_address(sent.url))
    return show_new(visit, done=done, known=known, asked=sent.url)


def _read_address(typed: str) -> str:
    """As a person types it: without ``https://`` too."""
    url = typed if "://" in typed else f"https://{typed}"
    if not is_web_url(url):
        raise FieldError({"url": say(N_("This is no web address: %(url)s"), url=typed)})
    return url


def _look(visit: Visit, url: str) -> tuple[Discovery, dict[str, int]]:
    """What was found, and which of it is read already."""
    with take_a_place():
        done = discover_feed(visit.app, url, seconds=SECONDS)
    with visit.app.db.read() as conn:
        known = feeds.find_ids(conn, [found.url for found in done.found])
    return done, dict(known)


def _tell_found(visit: Visit) -> Any:
    if not visit.account.may_edit:
        raise UsageError("only editors may look for feeds")
    url = visit.query.get("url", "")[:2000]
    if not is_web_url(url):
        raise FieldError({"url": say(N_("This is no web address: %(url)s"), url=url)})
    done, known = _look(visit, url)
    told = describe_discovery(done, url)
    return told | {"feeds": [one | {"feed": known.get(one["url"])} for one in told["feeds"]]}


def show_lists(visit: Visit, **more: Any) -> Response:
    """Taking over a list, giving ours away."""
    return show_page(visit, "feed_lists.html", **{"found": None, **more})


def _preview(visit: Visit, sent: ImportFields) -> Response:
    data = visit.files.get("file", b"") or sent.opml.encode()
    if not data.strip():
        raise FieldError({"opml": say(N_("Choose a file, or paste a list here."))})
    if len(data) > MAX_OPML_BYTES:
        raise FieldError({"opml": say(N_("This list is too long."))})
    found = read_list(visit.app, data)
    document = render_opml(found.new, visit.app.settings.site.title, visit.app.now()).decode() if found.new else ""
    return show_lists(visit, found=found, shown=_SHOWN, document=document, fits=len(document) <= _MOST_TEXT)


def _import(visit: Visit, sent: ImportFields) -> Done:
    found = parse_opml(sent.opml.encode())
    if not found.feeds:
        raise FieldError({"opml": say(N_("There is no feed in this list."))})
    count, line = import_list(visit.app, found.feeds, who=visit.account.name)
    return Done(to="/feeds?order=newest", change=line, body={"added": count, "problems": list(found.problems)})


def _export(visit: Visit) -> Response:
    headers = {"Content-Disposition": 'attachment; filename="feeds.opml"'}
    return StreamingResponse(iter_list(visit.app), media_type="text/x-opml; charset=utf-8", headers=headers)


ROOM = Section(
    key="feeds",
    pages=(
        Page(path="/feeds/new", show=show_new),
        Page(path="/feeds/lists", show=show_lists),
        Page(path="/feeds.opml", show=_export, only_editors=True),
    ),
    actions=(
        Action(
            name="feed.search", path="/feeds/new", fields=SearchFields, run=_search, done=N_("A page was looked at"),
            page=show_new, only_people=True, shows=True,
        ),
        Action(
            name="feed.preview", path="/feeds/lists", fields=ImportFields, run=_preview,
            done=N_("A list was looked at"), page=show_lists, only_people=True, shows=True, for_viewers=True,
        ),
        Action(
            name="feed.import", path="/feeds/import", fields=ImportFields, run=_import,
            done=N_("Feeds of a list were added"), page=show_lists, undo=undo_import,
        ),
    ),
    listings=(
        Listing(
            path="/discover",
            read=_tell_found,
            summary="The feeds of a page: looks at it, stores nothing. For editors.",
            query={"url": "Address of a page or of a feed."},
        ),
    ),
)  # fmt: skip
