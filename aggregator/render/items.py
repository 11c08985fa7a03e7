"""What stands in our feeds: a story by its lead, an entry, an issue, as values that all formats take.

Everything hostile is made legal and safe here, so that the formats only write. Never loads anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from html import unescape
from urllib.parse import urljoin

from markupsafe import Markup

from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.model.newsletter import Issue, Newsletter, RenderedIssue
from aggregator.model.parsed import Enclosure
from aggregator.model.published import FeedItem, FeedOrigin, Format, PublishedFeed
from aggregator.model.settings import Site
from aggregator.model.story import Story
from aggregator.model.tag import Tag
from aggregator.render.extensions import get_language
from aggregator.render.idiom import Idiom
from aggregator.render.links import get_host, get_public_url, get_web_url
from aggregator.render.tagnames import get_name, list_tags
from aggregator.render.templates import Templates
from aggregator.render.words import get_feed_name, get_headline, keep_legal

GENERATOR = "AI News Aggregator"
#: Media types of the formats.
FORMATS: Mapping[Format, str] = {
    "atom": "application/atom+xml",
    "rss": "application/rss+xml",
    "json": "application/feed+json",
}
#: How many "also covered by" links an item carries.
MAX_OTHERS = 10
#: Whole content longer than this (characters of HTML) is a book or a trick: its excerpt stands in its place.
MAX_CONTENT = 200_000
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*")
#: As `pipeline.clean` writes them.
_IMAGE = re.compile(r'<img((?: [a-z]++="[^"]*+")*+)>')
_ATTRIBUTE = re.compile(r' ([a-z]++)="([^"]*+)"')
#: A picture that is smaller than this, as it says itself, is a counter or an ornament.
_SMALLEST = 32
#: Smileys, badges and drawings, which never say their size or are none that a list of news can show.
_ORNAMENT = re.compile(r"/(?:emoji|smilies|[a-z]++-smileys)/|//img\.shields\.io/|\.svg(?:[?#]|$)")

#: What feedgen, lxml and json raise for a value that cannot be written.
_UNWRITABLE = (ValueError, TypeError, OverflowError)
#: What stays of the elements of an issue's body.
_KEPT_ATTRIBUTES = frozenset({"href", "lang", "dir", "datetime", "start"})


def make_story_item(
    story: Story,
    *,
    feed: Feed | None,
    tags: Mapping[str, Tag],
    site: Site,
    feed_id: str,
    templates: Templates,
    content_html: str = "",
) -> FeedItem:
    """``story`` by its lead, whose feed is ``feed``; None when it is gone: then only its name is known.

    ``content_html`` is the lead's cleaned content where its feed lets us show it whole, else empty. ``feed_id`` is the
    id of the feed of everything: a source with no id of its own gets one below it. Raises RenderError.
    """
    lead, named = story.lead, list_tags(story, tags)
    origin = _make_origin(lead, feed, feed_id)
    values = {"story": story, "origin": origin, "tags": named, "max_others": MAX_OTHERS, "site": site}
    say = Idiom(language=site.language, timezone=site.timezone)
    whole = Markup(keep_legal(content_html) if len(content_html) <= MAX_CONTENT else "")
    return FeedItem(
        id=story.atom_id,
        url=get_web_url(lead.url) or f"{site.url}/entries/{lead.id}",
        title=get_headline(lead),
        language=get_language(lead.language),
        author=_get_line(lead.author) or origin.title,
        published_at=lead.published_at or lead.effective_at,
        updated_at=story.updated_at,
        summary=keep_legal(lead.excerpt),
        content_html=templates.render("feed_item.html", content=whole, say=say, **values).strip(),
        categories=tuple((tag.slug, keep_legal(get_name(tag, site.language))) for tag in named),
        enclosures=_list_enclosures(lead),
        image_url=find_image(lead, content_html),
        origin=origin,
    )


def make_issue_item(
    issue: Issue, rendered: RenderedIssue, *, item_id: str, newsletter: Newsletter, site: Site
) -> FeedItem:
    """A frozen issue of ``newsletter``, whole. ``item_id`` is an IRI that never changes.

    The addresses in its body become absolute, relative ones by the address of its own page, and what only a browser
    with our style sheet makes sense of (classes, charts, numbers in the margin) is left out.
    """
    url = f"{site.url}/issues/{newsletter.slug}/{issue.slug}"
    frozen_at = issue.frozen_at or issue.slot_at
    return FeedItem(
        id=item_id,
        url=url,
        title=_get_line(issue.subject) or _get_line(rendered.subject) or f"{_get_line(newsletter.title)} {issue.slug}",
        language=get_language(newsletter.language),
        author=_get_line(site.author) or _get_line(site.title),
        published_at=frozen_at,
        updated_at=frozen_at,
        summary=_get_line(rendered.preheader),
        content_html=_make_portable(rendered.web_html, url),
    )


def find_image(entry: Entry, content_html: str) -> str:
    """The lead image: the first picture among the enclosures, else the first https picture of the cleaned content
    that does not say it is tiny; empty when there is none."""
    for enclosure in entry.enclosures:
        if enclosure.type.startswith("image/") and (url := get_web_url(enclosure.url)):
            return url
    for image in _IMAGE.finditer(content_html):
        attributes = {name: unescape(value) for name, value in _ATTRIBUTE.findall(image[1])}
        url = get_web_url(attributes.get("src", ""))
        tiny = any(_is_tiny(attributes.get(side, "")) for side in ("width", "height"))
        if url.startswith("https://") and not tiny and not _ORNAMENT.search(url):
            return url
    return ""


def write_feed(feed: PublishedFeed, write: Callable[[PublishedFeed], bytes]) -> bytes:
    """What ``write`` makes of ``feed`` with each id once (RFC 4287 4.1.1: no two entries with one id and one date).

    An item that lacks what every format must have, or that ``write`` cannot write, costs only itself: when the whole
    cannot be written, each is tried alone.
    """
    complete: dict[str, FeedItem] = {}
    for item in feed.items:
        if item.id and item.url and item.title and item.content_html:
            complete.setdefault(item.id, item)
    whole = replace(feed, items=tuple(complete.values()))
    try:
        return write(whole)
    except _UNWRITABLE:
        sound = tuple(item for item in whole.items if _can_write(replace(feed, items=(item,)), write))
        return write(replace(feed, items=sound))


def _can_write(feed: PublishedFeed, write: Callable[[PublishedFeed], bytes]) -> bool:
    try:
        write(feed)
    except _UNWRITABLE:
        return False
    return True


def get_title(feed: PublishedFeed) -> str:
    """Its title in one legal line; its id when nothing is left of it: a feed of a search is called by what a stranger
    typed, and all formats want a title."""
    return _get_line(feed.title) or feed.id


def list_relations(feed: PublishedFeed) -> tuple[tuple[str, str], ...]:
    """(rel, address) of the hub and of the feed's other documents (RFC 5005 3 and 4), those that there are."""
    places = feed.places
    found = (
        ("hub", feed.hub_url),
        ("first", places.first),
        ("previous", places.previous),
        ("next", places.next),
        ("current", places.current),
        ("prev-archive", places.prev_archive),
        ("next-archive", places.next_archive),
    )
    return tuple((relation, url) for relation, url in found if url)


def _get_line(text: str) -> str:
    return " ".join(keep_legal(text).split())


def _is_tiny(size: str) -> bool:
    return size.isascii() and size.isdigit() and len(size) < 9 and int(size) < _SMALLEST


def _list_enclosures(entry: Entry) -> tuple[Enclosure, ...]:
    """Those with an address that a reader may follow, each once."""
    found: dict[str, Enclosure] = {}
    for enclosure in entry.enclosures:
        url = get_web_url(enclosure.url)
        if url and url not in found:
            kind = enclosure.type if _MEDIA_TYPE.fullmatch(enclosure.type) else ""
            length = enclosure.length if enclosure.length is not None and enclosure.length >= 0 else None
            found[url] = Enclosure(url=url, type=kind, length=length)
    return tuple(found.values())


def _make_origin(entry: Entry, feed: Feed | None, feed_id: str) -> FeedOrigin:
    own_id = _get_source_id(entry, feed, feed_id)
    if feed is None:
        return FeedOrigin(id=own_id, title=get_feed_name(entry.feed_name) or own_id)
    self_url, page_url = get_public_url(feed.spec), get_web_url(feed.site_url)
    return FeedOrigin(
        id=own_id,
        # A name of white space is none.
        title=get_feed_name(feed.name) or get_host(page_url) or get_host(self_url) or own_id,
        self_url=self_url,
        page_url=page_url,
        updated_at=_bound_update(entry, feed),
        rights=_get_line(feed.rights),
        author=_get_line(feed.author),
        language=get_language(feed.language),
    )


def _bound_update(entry: Entry, feed: Feed) -> datetime | None:
    """When the source was updated, as it says, but never later than the entry itself.

    Many sources say "now" whenever they are asked: then ours would change, and all its readers load it again, at every
    look at one of them.
    """
    own = entry.updated_at or entry.published_at or entry.first_seen_at
    return min(feed.feed_updated_at, own) if feed.feed_updated_at else None


def _get_source_id(entry: Entry, feed: Feed | None, feed_id: str) -> str:
    """The feed's own id where it is an IRI, else its public address, else one of ours.

    An address that only its query, which we do not show, tells from another feed's is no id.
    """
    ours = f"{feed_id}/{entry.feed_id}"
    if feed is None:
        return ours
    own, public = keep_legal(feed.atom_id), get_public_url(feed.spec)
    # A web address may hold a password.
    found = (get_web_url(own) or own) if _IRI.fullmatch(own) else public
    return ours if not found or (found == public and "?" in feed.spec.url) else found


def _make_portable(web_html: str, page_url: str) -> str:
    """Our own HTML, for readers elsewhere."""
    from lxml import html

    body = html.fragment_fromstring(keep_legal(web_html), create_parent="div")
    for element in body.xpath('.//svg | .//details | .//script | .//style | .//form | .//*[@aria-hidden="true"]'):
        element.drop_tree()
    for element in body.iter():
        if url := _resolve(page_url, element.attrib.pop("href", "")):
            element.set("href", url)
        for name in set(element.attrib) - _KEPT_ATTRIBUTES:
            del element.attrib[name]
    text: str = html.tostring(body, encoding="unicode")
    return text


def _resolve(page_url: str, href: str) -> str:
    try:
        return get_web_url(urljoin(page_url, href)) if href else ""
    except ValueError:  # a host in brackets that is none
        return ""
