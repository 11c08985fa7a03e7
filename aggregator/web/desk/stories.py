"""The river at the desk: stories with what their scores are made of, found, merged, pinned, buried. Never groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from pydantic import Field
from starlette.responses import Response

from aggregator.model.feed_health import FeedFilter
from aggregator.model.ids import FeedId, StoryId
from aggregator.model.search import SearchQuery
from aggregator.model.story import RulingKind, get_place
from aggregator.pipeline.query import MAX_QUERY, read_query
from aggregator.pipeline.rank import RULING_POINTS
from aggregator.pipeline.tag import get_tags
from aggregator.render.story_documents import describe_reasons, describe_story
from aggregator.storage import feed_health, feeds, story_pages
from aggregator.storage.entries import EntryQuery
from aggregator.storage.story_pages import StoryPage
from aggregator.tasks.desk import stories as task
from aggregator.tasks.rulings import Ruled
from aggregator.web.desk import story_words
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Action, Done, Fields, Listing, Page, Section, Visit
from aggregator.web.desk.words import N_, FieldError, Said, say

_ON_A_PAGE = 30
#: Of a story or an entry.
Number = Annotated[int, Field(ge=1, lt=10**18)]
_MOST_TEXT = 200
#: Names of the query that choose stories.
_ASKED = ("q", "tag", "feed", "language", "day", "days", "order", "place")
#: What a search cannot be asked.
_PROBLEMS: Mapping[str, str] = {
    "no_words": N_("There is no letter or digit to search for."),
    "too_long": N_("That is too long for a search."),
    "too_many": N_("Those are too many words for a search."),
    "only_excluded": N_("Name something that is wanted, not only what is not."),
}


class PlaceFields(Fields):
    back: Annotated[
        str,
        Field(max_length=2_000, pattern=r"^(/stories(/[0-9]{1,18})?(\?[^#]*)?)?$", description="The page after it."),
    ] = ""


class StoriesFields(PlaceFields):
    stories: Annotated[tuple[Number, ...], Field(max_length=50, description="Their numbers.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a page of stories is asked for."""

    #: As it was typed, by name.
    asked: Mapping[str, str]
    words: SearchQuery | None
    query: EntryQuery
    feed_name: str = ""
    errors: Mapping[str, Said]

    def encode(self, **others: str) -> str:
        """As a query of an address."""
        return urlencode({name: value for name, value in {**self.asked, **others}.items() if value})


def read_wanted(visit: Visit) -> Wanted:
    """Of the page's query; after a form of it, of where that stood. What nobody knows counts as not said."""
    _, _, back = visit.get_sent("back").partition("?")
    given = dict(parse_qsl(back)) if back else visit.query
    asked = {name: given.get(name, "").strip()[:_MOST_TEXT] for name in _ASKED}
    asked["q"] = given.get("q", "").strip()[: MAX_QUERY + 1]
    errors: dict[str, Said] = {}
    words = read_query(asked["q"]) if asked["q"] else None
    if words is not None and words.problem is not None:
        errors["q"] = say(_PROBLEMS.get(words.problem, _PROBLEMS["no_words"]))
    tag = _find_tag(visit, asked["tag"])
    if tag is None:
        errors["tag"] = say(N_("There is no such tag."))
    feed = _find_feed(visit, asked["feed"])
    if asked["feed"] and feed is None:
        errors["feed"] = say(N_("No feed is like that."))
    since, until = _read_time(visit, asked, errors)
    asked["place"] = asked["place"] if asked["place"] in story_words.STANDINGS else ""
    asked["order"] = asked["order"] if asked["order"] in story_words.ORDERS and words is None else ""
    query = EntryQuery(
        since=since, until=until, tag=tag or "", feed_id=feed[0] if feed else None, language=asked["language"][:35],
        told_only=True,
    )  # fmt: skip
    return Wanted(asked=asked, words=words, query=query, feed_name=feed[1] if feed else "", errors=errors)


def _read_time(visit: Visit, asked: dict[str, str], errors: dict[str, Said]) -> tuple[datetime | None, datetime]:
    """Of one day, or the last ones; words are looked for in all that is stored."""
    now = visit.app.now()
    if asked["days"] not in story_words.DAYS:
        asked["days"] = ""
    if asked["day"]:
        asked["days"] = ""
        zone = ZoneInfo(visit.app.settings.site.timezone)
        try:
            day = date.fromisoformat(asked["day"])
            begin, end = (datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + timedelta(days=1)))
        except (ValueError, OverflowError):
            errors["day"] = say(N_("A day is written like 2026-03-31."))
        else:
            return begin, end
    if asked["q"] and not asked["days"]:
        return None, now
    return now - timedelta(days=int(asked["days"] or "7")), now


def _find_tag(visit: Visit, typed: str) -> str | None:
    """Its slug, by slug or name; None: there is none like that."""
    known = get_tags(visit.app.settings.tag_rules)
    if not typed or typed in known:
        return typed
    lower = typed.casefold()
    return next((slug for slug, tag in known.items() if lower in (slug.casefold(), tag.name.casefold())), None)


def _find_feed(visit: Visit, typed: str) -> tuple[FeedId, str] | None:
    """Number and name, by number, address or words of its name; the first that is like that."""
    if not typed:
        return None
    with visit.app.db.read() as conn:
        if typed.isascii() and typed.isdigit() and len(typed) < 19:
            feed = feeds.get_feeds(conn, [FeedId(int(typed))]).get(FeedId(int(typed)))
        else:
            wanted = FeedFilter(words=typed, order="name")
            listed = feed_health.list_page(conn, wanted, now=visit.app.now(), limit=1, strip=0)
            feed = listed[0].feed if listed else None
    return (feed.id, feed.name) if feed else None


def find_page(visit: Visit, wanted: Wanted) -> StoryPage:
    """The stories of one page."""
    if wanted.errors:
        return StoryPage()
    before, query = visit.get_page(), wanted.query
    with visit.app.db.read() as conn:
        if wanted.asked["place"]:
            kind = cast(RulingKind, wanted.asked["place"])
            return story_pages.list_placed(conn, kind, below=before, limit=_ON_A_PAGE)
        if wanted.words is not None:
            return story_pages.find(conn, wanted.words, query, before=before, limit=_ON_A_PAGE)
        if wanted.asked["order"] == "newest":
            return story_pages.list_newest(conn, query, below=before, limit=_ON_A_PAGE)
        return story_pages.list_best(conn, query, below=before, limit=_ON_A_PAGE)


def _show_stories(visit: Visit) -> Response:
    wanted = read_wanted(visit)
    with visit.app.db.read() as conn:
        languages = feed_health.list_languages(conn)
    tags, page = get_tags(visit.app.settings.tag_rules), find_page(visit, wanted)
    borne = {evidence.slug for story in page.stories for entry in story.entries for evidence in entry.tags}
    asked = wanted.encode(before=visit.query.get("before", ""))
    here = (f"/stories?{asked}" if asked else "/stories") if not visit.sent else ""
    return show_page(
        visit,
        "stories.html",
        wanted=wanted,
        page=page,
        tags=tags,
        known_tags=[tags[slug] for slug in sorted(borne & tags.keys())],
        languages=languages,
        words=story_words,
        get_place=get_place,
        ruling_points=RULING_POINTS,
        back=visit.get_sent("back", here),
        ticked=set(visit.sent.get("stories", ())),
        is_filtered=any(value for name, value in wanted.asked.items() if name not in ("order", "days")),
        is_first=visit.get_page() is None,
    )  # fmt: skip


def _merge(visit: Visit, sent: StoriesFields) -> Done:
    chosen = list(dict.fromkeys(StoryId(number) for number in sent.stories))
    if len(chosen) < 2:
        raise FieldError({"": say(N_("Tick two stories or more."))})
    ruled, line = task.merge(visit.app, chosen, who=visit.account.name)
    return make_done(ruled, line, sent.back)


def _place(visit: Visit, sent: PlaceFields, kind: RulingKind | None) -> Done:
    ruled, line = task.place(visit.app, StoryId(visit.params["story"]), kind, who=visit.account.name)
    return make_done(ruled, line, sent.back)


def make_done(ruled: Ruled, line: int | None, back: str = "") -> Done:
    """To the story, or back to where it was said. Raises `FieldError` when it was said already."""
    if line is None:
        raise FieldError({"": say(story_words.SAID_ALREADY)})
    first = f"/stories/{ruled.story_ids[0]}" if ruled.story_ids else "/stories"
    return Done(to=back or first, change=line, body={"stories": list(ruled.story_ids)})


def _pin(visit: Visit, sent: PlaceFields) -> Done:
    return _place(visit, sent, "pin")


def _bury(visit: Visit, sent: PlaceFields) -> Done:
    return _place(visit, sent, "bury")


def _unplace(visit: Visit, sent: PlaceFields) -> Done:
    return _place(visit, sent, None)


def _tell_stories(visit: Visit) -> Any:
    wanted = read_wanted(visit)
    if wanted.errors:
        raise FieldError(wanted.errors)
    page = find_page(visit, wanted)
    told = [describe_story(story) | {"reasons": describe_reasons(story)} for story in page.stories]
    return {"stories": told, "before": page.more}


_QUERY = {
    "q": "Only those that readers find by these words, newest first.",
    "tag": "Only with this tag, by its slug.",
    "feed": "Only with an entry of this feed, by its number.",
    "language": "Only with an entry in this language (`ja`).",
    "day": "Only of this day (2026-03-31), in the site's time zone.",
    "days": "Only of the last so many days: 1, 3, or 7, which is the default.",
    "place": "Only what was put first (`pin`) or last (`bury`), the last said first; nothing else is asked then.",
    "order": "`best` (the default) or `newest`.",
    "before": "The next page: what the page before it gave as `before`.",
}

ROOM = Section(
    key="stories",
    pages=(Page(path="/stories", show=_show_stories),),
    actions=(
        Action(
            name="story.merge", path="/stories/merge", fields=StoriesFields, run=_merge, page=_show_stories,
            done=N_("Stories were merged"), undo=task.undo,
        ),
        Action(
            name="story.pin", path="/stories/{story:int}/pin", fields=PlaceFields, run=_pin, page=_show_stories,
            done=N_("A story was put above all others"), undo=task.undo,
        ),
        Action(
            name="story.bury", path="/stories/{story:int}/bury", fields=PlaceFields, run=_bury, page=_show_stories,
            done=N_("A story was put below all others"), undo=task.undo,
        ),
        Action(
            name="story.unplace", path="/stories/{story:int}/unplace", fields=PlaceFields, run=_unplace,
            page=_show_stories, done=N_("A story stands where its score says"), undo=task.undo,
        ),
    ),
    listings=(
        Listing(
            path="/stories", read=_tell_stories, summary="Stories with what their scores are made of.",
            query=_QUERY,
        ),
    ),
)  # fmt: skip
