"""Finding the feed that belongs to an address: guess, ask, read, and keep what came of every look. Never stores it.

Every request goes through the program's one fetcher, with its guard and its gaps. A search asks at most `MAX_LOOKS`
addresses, none twice, and leaves a host in peace that does not answer or asks to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from aggregator.app import App
from aggregator.errors import ParseError
from aggregator.model.feed import PERMANENT_REDIRECTS, Feed, Fetched, FetchFailed, FetchRequest, Postponed, Reply
from aggregator.model.ids import FeedId
from aggregator.model.parsed import ParsedEntry, ParsedFeed
from aggregator.model.said import say_count
from aggregator.pipeline.discover import (
    Candidate,
    Kind,
    find_candidates,
    find_kind,
    find_site,
    guess_by_service,
    guess_well_known,
)
from aggregator.pipeline.lifecycle import NETWORK_CLASSES
from aggregator.pipeline.urls import canonicalize_url, drop_query, is_web_url
from aggregator.pipeline.words import clean_line
from aggregator.storage import entries
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.domains import open_domains

MAX_LOOKS = 20
#: Of a search that nobody watches.
MAX_QUIET_LOOKS = 14
#: Of the addresses that one page or service leads to: some pages name a feed for each of their topics.
_MAX_NAMED = 8
#: Stored entries that a feed found again is held against.
_REMEMBERED = 200
#: Shorter ids ("17") are any feed's.
_TELLING_ID = 8
#: Failures of a host, not of one of its addresses.
_HOST_FAILURES = NETWORK_CLASSES | {"blocked"}
_WAIT = frozenset({429, 503})
#: How often a search that may not last looks at the clock.
_TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEntry:
    """An entry to show of a feed that was found; the address is empty when it is not safe."""

    title: str
    url: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFeed:
    """A feed that was asked and read."""

    #: Where to ask from now on: behind permanent redirects, before temporary ones.
    url: str
    #: One line of plain text, may be empty.
    title: str
    kind: Kind
    #: What spoke for the address.
    why: str
    #: It looks like the comments on the posts, not the posts.
    is_comments: bool
    entry_count: int
    newest_at: datetime | None
    #: At most three, newest first.
    latest: tuple[FoundEntry, ...]
    document: ParsedFeed = field(repr=False)
    #: The answer that held it, without its bytes.
    reply: Fetched = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An address that was asked, and what came of it, in words."""

    url: str
    why: str
    outcome: str
    is_feed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """The feeds of an address, best first, and every look that was taken."""

    found: tuple[FoundFeed, ...]
    looked_at: tuple[Look, ...]


def describe_discovery(done: Discovery, url: str) -> dict[str, Any]:
    """The JSON document of one search, for the command line and the desk."""
    return {
        "url": url,
        "feeds": [
            {
                "url": found.url,
                "title": found.title,
                "kind": found.kind,
                "why": found.why,
                "entries": found.entry_count,
                "newest_at": found.newest_at,
                "latest": [{"title": entry.title, "url": entry.url, "at": entry.at} for entry in found.latest],
            }
            for found in done.found
        ],
        "looked_at": [
            {"url": look.url, "why": look.why, "outcome": look.outcome, "is_feed": look.is_feed}
            for look in done.looked_at
        ],
    }


def discover_feed(
    app: App, url: str, *, headers: tuple[tuple[str, str], ...] = (), seconds: float | None = None
) -> Discovery:
    """The address itself when it is a feed's, else what its service, its page or the usual names lead to.

    The first of these that gives a feed with entries ends the search. ``headers`` go to the host of ``url`` only.
    ``seconds``: what has not been found by then is not waited for.
    """
    search = _Search(app, headers, _origin(url), MAX_LOOKS)
    if seconds is not None:
        search.until = monotonic() + seconds
    search.run(url)
    return Discovery(found=tuple(search.found), looked_at=tuple(search.looks))


def rediscover(app: App, feed: Feed) -> FoundFeed | None:
    """Where a feed that answers 404 lives now, judged from its site's home page; None when nothing is sure enough.

    Only a feed of the same site counts (`find_site`), and only when it holds an entry that we have of the old one or
    bears its title.
    """
    old = feed.spec.url
    home = feed.site_url if is_web_url(feed.site_url) else urljoin(old, "/")
    domains = open_domains()
    sites = {find_site(old, domains), find_site(home, domains)} - {""}
    knows = _remember(app, feed)
    search = _Search(
        app,
        feed.spec.headers,
        _origin(old),
        MAX_QUIET_LOOKS,
        is_wanted=lambda found: found.url != old and find_site(found.url, domains) in sites and knows(found),
    )
    search.asked.add(old)
    search.run(home)
    return search.found[0] if search.found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveCheck:
    """What stands at the address to which an editor wants to move a feed."""

    #: None: no feed.
    found: FoundFeed | None
    outcome: str
    #: It holds an entry that we have of the old one, or bears its title.
    is_same: bool


def check_move(app: App, feed: Feed, url: str, *, seconds: float | None = None) -> MoveCheck:
    """Ask ``url`` once, and hold what is there against what we have of ``feed``."""
    search = _Search(app, feed.spec.headers, _origin(feed.spec.url), 1)
    if seconds is not None:
        search.until = monotonic() + seconds
    search.ask(Candidate(url=url, why="it is the address given"))
    found = search.found[0] if search.found else None
    return MoveCheck(found=found, outcome=search.looks[0].outcome, is_same=bool(found and _remember(app, feed)(found)))


def _remember(app: App, feed: Feed) -> Callable[[FoundFeed], bool]:
    """Tells whether a document is one of this feed's: by its newest stored entries, or by its title."""
    with app.db.read() as conn:
        stored = entries.list_entries(conn, EntryQuery(feed_id=feed.id, limit=_REMEMBERED, hidden="too"))
    ids = {entry.guid for entry in stored if len(entry.guid) > _TELLING_ID}
    links = {entry.canonical_url for entry in stored if urlsplit(entry.canonical_url).path}

    def is_same(found: FoundFeed) -> bool:
        if found.title and found.title == feed.title:
            return True
        return any(said.id in ids or canonicalize_url(said.url) in links for said in found.document.entries)

    return is_same


@dataclass(slots=True)
class _Search:
    """One search and how far it has come."""

    app: App
    headers: tuple[tuple[str, str], ...]
    #: Whom the headers are for.
    origin: str
    looks_left: int
    is_wanted: Callable[[FoundFeed], bool] = lambda _: True
    found: list[FoundFeed] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    #: Hashes of the documents that were read: one feed often has several addresses.
    read: set[str] = field(default_factory=set)
    silent_hosts: set[str] = field(default_factory=set)
    #: By the clock that only goes forward: the search ends then. None: whenever it is done.
    until: float | None = None

    def run(self, url: str) -> None:
        """Fill `found`: feeds with entries first, feeds of comments last."""
        page = self.ask(Candidate(url=url, why="it is the address given"))
        if self.found:
            return
        place = page.final_url if page is not None else url
        self._ask_all((*guess_by_service(url), *guess_by_service(place)))
        if page is not None and not self._is_done():
            kind, domains = page.content_type, open_domains()
            self._ask_all(find_candidates(page.body, content_type=kind, url=place, find_domain=domains))
        if not self._is_done():
            self._ask_all(guess_well_known(place), only_one=True)
        self.found.sort(key=lambda found: (found.is_comments, found.entry_count == 0))

    def _is_done(self) -> bool:
        return any(found.entry_count and not found.is_comments for found in self.found)

    def _ask_all(self, candidates: Sequence[Candidate], *, only_one: bool = False) -> None:
        for candidate in candidates[:_MAX_NAMED] if not only_one else candidates:
            self.ask(candidate)
            if only_one and self._is_done():
                return

    def ask(self, candidate: Candidate) -> Fetched | None:
        """One look; the document when it is no feed."""
        url = urldefrag(candidate.url).url
        if url in self.asked or not self.looks_left or _host(url) in self.silent_hosts or self._is_late():
            return None
        self.asked.add(url)
        self.looks_left -= 1
        headers = self.headers if _origin(url) == self.origin else ()
        reply = self._ask_once(FetchRequest(feed_id=FeedId(0), url=url, headers=headers))
        match reply:
            case Fetched():
                self.asked |= {reply.final_url, *(hop.url for hop in reply.exchanged.hops)}
                return self._read(candidate, reply)
            case FetchFailed():
                if reply.failure_class in _HOST_FAILURES or reply.status in _WAIT:
                    self.silent_hosts.add(_host(url))
                self._note(candidate, reply.reason)
            case Postponed():
                self.silent_hosts.add(_host(url))
                self._note(candidate, reply.reason)
            case _:
                self._note(candidate, "there was no answer in time" if self._is_late() else "there was no answer")
        return None

    def _is_late(self) -> bool:
        return self.until is not None and monotonic() >= self.until

    def _ask_once(self, request: FetchRequest) -> Reply | None:
        """None: the program is being stopped, or the search has lasted long enough."""
        if self.until is None:
            with closing(self.app.fetcher.fetch([request])) as replies:
                return next(replies, None)
        with closing(self.app.fetcher.fetch([request], tick=_TICK_SECONDS)) as looks:
            return next((reply for reply in looks if reply is not None or self._is_late()), None)

    def _read(self, candidate: Candidate, reply: Fetched) -> Fetched | None:
        """The reply when it is no feed, so that its links can be read."""
        try:
            document = self.app.sandbox.parse(replace(reply, final_url=drop_query(reply.final_url)))
        except ParseError as error:
            self._note(candidate, error.reason)
            return reply
        found = _describe(candidate, reply, document)
        title = f'"{found.title}", ' if found.title else ""
        size = f"{say_count(found.entry_count, 'entry', 'entries')}"
        if reply.body_hash in self.read:
            self._note(candidate, f"the same feed again: {title}{size}", is_feed=True)
            return None
        self.read.add(reply.body_hash)
        wanted = self.is_wanted(found)
        self._note(candidate, f"a feed{'' if wanted else ', but another one'}: {title}{size}", is_feed=True)
        if wanted:
            self.found.append(found)
        return None

    def _note(self, candidate: Candidate, outcome: str, *, is_feed: bool = False) -> None:
        self.looks.append(Look(url=candidate.url, why=candidate.why, outcome=outcome, is_feed=is_feed))


def _describe(candidate: Candidate, reply: Fetched, document: ParsedFeed) -> FoundFeed:
    dated = [(_claimed_at(entry), entry) for entry in document.entries]
    order = sorted(dated, key=lambda pair: pair[0].timestamp() if pair[0] else float("-inf"), reverse=True)
    return FoundFeed(
        url=_settle(candidate.url, reply),
        title=clean_line(document.title, 200) or candidate.title,
        kind=find_kind(reply.body),
        why=candidate.why,
        is_comments=candidate.is_comments,
        entry_count=len(document.entries) + len(document.rejected),
        newest_at=order[0][0] if order else None,
        latest=tuple(
            FoundEntry(title=clean_line(entry.title, 200), url=entry.url if is_web_url(entry.url) else "", at=at)
            for at, entry in order[:3]
        ),
        document=document,
        reply=replace(reply, body=b""),
    )


def _claimed_at(entry: ParsedEntry) -> datetime | None:
    return entry.published_at or entry.updated_at


def _settle(url: str, reply: Fetched) -> str:
    """The address behind the permanent redirects that come first: a temporary one ends them (RFC 9110 15.4)."""
    for hop in reply.exchanged.hops:
        if hop.status not in PERMANENT_REDIRECTS:
            break
        url = hop.url
    return url


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"
