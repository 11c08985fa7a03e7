"""A subscribed feed: what the editor asked for, how it stands, and what one fetch brought. Never fetches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from aggregator.model.feed_edit import EditedField, FeedEdit
from aggregator.model.ids import FeedId
from aggregator.model.parsed import ParsedFeed

Origin = Literal["config", "opml", "added"]
FeedState = Literal["active", "paused"]
#: Of a subscription at a hub: asked for, confirmed, refused, or given up because the hub kept silent about entries.
HubState = Literal["asked", "live", "refused", "distrusted"]

#: Why a fetch brought nothing, in one word each.
FAILURE_CLASSES = (
    "blocked",  # the address guard refused it: private network, scheme, port
    "dns",  # the name does not resolve
    "connect",  # refused, reset, TLS
    "timeout",
    "http",  # an error status
    "redirect",  # a loop, too many, or to a place that is not allowed
    "too_large",
    "bad_encoding",  # the content coding is broken or unknown
    "web_page",  # HTML where a feed should be
    "no_items",  # the rules for a page without a feed find nothing on it any more
    "not_a_feed",  # neither a feed nor a web page
    "not_xml",  # meant to be XML, but beyond repair
    "too_hostile",  # over the parser's limits of size, depth, time or memory
    "quarantined",  # too hostile three times in a row: asked seldom until a document of its can be read
    "folder",  # a folder feed cannot be read
    "no_parser",  # no process could be started to read it
    "not_saved",  # the database refused what it brought, or a fault of this program kept it from being read or saved
)


#: How the address of a folder feed begins; an absolute path follows.
FOLDER_SCHEME = "folder:"
#: A longer selector of `PageRules` is refused.
MAX_SELECTOR = 500
#: Statuses of redirects that are for good (RFC 9110 15.4.2, 15.4.9).
PERMANENT_REDIRECTS = frozenset({301, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRules:
    """How entries are found on a page that has no feed: CSS selectors, all but ``items`` within one item."""

    items: str
    #: Empty: the item's own text, its first link, no date.
    title: str = ""
    link: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSpec:
    """One feed as the editor asked for it in `config.yaml`, in an OPML file or by command."""

    #: ``https://...``, or ``folder:`` and an absolute path.
    url: str
    origin: Origin = "config"
    title: str = ""
    #: BCP 47; empty: as the feed claims.
    language: str = ""
    weight: float = 1.0
    tags: tuple[str, ...] = ()
    interval: timedelta | None = None
    headers: tuple[tuple[str, str], ...] = ()
    #: For folder feeds: what the posts' public addresses begin with; empty: our own ``/entries/ID``.
    url_prefix: str = ""
    #: For pages without a feed.
    page: PageRules | None = None
    #: For JSON feeds: where in an item stands how much it is discussed, names with dots between them (``_hn.points``).
    points: str = ""
    #: Our feeds may carry its entries whole.
    full_content: bool = False
    #: The followed list on the web that names it; empty: none does.
    list_url: str = ""


#: A longer list of feeds is refused.
MAX_OPML_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class OpmlResult:
    """The feeds of a list, each address once, and what was wrong with the rest."""

    feeds: tuple[FeedSpec, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckHints:
    """What a document asked about its next check; kept, because a 304 repeats none of it."""

    ttl_minutes: int | None = None
    update_minutes: int | None = None
    skip_hours: tuple[int, ...] = ()
    skip_days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A permanent redirect (301, 308) that every answer showed since ``first_seen_at``."""

    url: str
    first_seen_at: datetime
    #: 0: no redirect, but what the feed's site names since the feed itself is not found.
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A stored feed with its fetch state."""

    id: FeedId
    spec: FeedSpec
    state: FeedState
    #: As the publisher says (cleaned text); the editor's ``spec.title`` wins on pages.
    title: str
    site_url: str
    language: str
    atom_id: str
    rights: str
    author: str
    feed_updated_at: datetime | None
    #: Validators, opaque, byte for byte as the server sent them (RFC 9110 8.8).
    etag: str
    last_modified: str
    #: blake2b-128 of the last decoded body, hex; empty before the first.
    body_hash: str
    last_fetched_at: datetime | None
    last_status: int | None
    #: Set by the first fetch that stored entries: their dates are trusted far back.
    first_imported_at: datetime | None
    next_due_at: datetime
    next_due_reason: str
    failures: int
    failure_class: str
    failure_reason: str
    entry_count: int = 0
    #: The address that it was asked for under, when it has moved since; empty: it has not.
    asked_url: str = ""
    #: What the desk says in place of what was asked for; `spec` holds it already.
    edits: Mapping[EditedField, FeedEdit] = field(default_factory=dict)
    #: Who may be asked together with it (`fetch.host_key`); empty before the first claim.
    host_key: str = ""
    hints: CheckHints = CheckHints()
    #: When entries came in lately, newest first, at most some twenty: the rhythm of publishing.
    arrivals: tuple[datetime, ...] = ()
    #: Entries of the last document that was read, and the most that one ever held.
    document_entries: int = 0
    largest_document: int = 0
    move: Move | None = None
    #: When the first 410 of an unbroken row was seen.
    gone_since: datetime | None = None
    #: Documents in a row that were too hostile.
    strikes: int = 0
    #: What needs the editor's eye, in words; empty: nothing.
    alarm: str = ""
    #: What `ParsedFeed.slices` was.
    slices: bytes = b""
    #: Why it is paused; empty: it is not.
    paused_reason: str = ""

    @property
    def name(self) -> str:
        """What pages call it."""
        return self.spec.title or self.title or self.spec.url


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """What the fetcher needs to know of one feed."""

    feed_id: FeedId
    url: str
    etag: str = ""
    last_modified: str = ""
    body_hash: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    url_prefix: str = ""
    #: For pages without a feed.
    page: PageRules | None = None
    #: `FeedSpec.points`.
    points: str = ""
    #: What `ParsedFeed.slices` of the last document was.
    slices: bytes = b""
    #: It failed last time: it may wait for others, others never for it.
    suspect: bool = False
    #: To be posted as ``application/x-www-form-urlencoded`` (WebSub 5.1); empty: a GET.
    form: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    #: To be posted as it is; redirects are not followed. Empty: a GET, or a ``form``.
    body: bytes = field(default=b"", repr=False)

    @property
    def is_post(self) -> bool:
        """What is sent is all: of the answer only the status counts."""
        return bool(self.form or self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One redirect that was followed."""

    status: int
    #: Where it led, absolute.
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What every answer tells beside its document."""

    #: The redirects in their order.
    hops: tuple[Hop, ...] = ()
    #: Of the body as it came over the line.
    received_bytes: int = 0
    #: Seconds of the whole fetch, waits for the host's turn not counted.
    seconds: float = 0.0
    #: The host's bucket (`fetch.host_key`); empty for folders.
    host_key: str = ""
    #: The address lies in one of our own networks: its host is never frozen as a whole.
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Bytes that are not known yet."""

    request: FetchRequest
    #: After redirects.
    final_url: str
    status: int
    #: Decoded.
    body: bytes
    #: blake2b-128, hex.
    body_hash: str
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""
    #: Smallest wait that Cache-Control or Expires asks for; None when they do not.
    fresh_for: timedelta | None = None
    #: The line broke before the end: entries that are missing are not gone.
    truncated: bool = False
    #: ``rel="hub"`` and ``rel="self"`` of its Link headers (WebSub 4), absolute.
    hub_url: str = ""
    self_url: str = ""
    exchanged: Exchanged = Exchanged()


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRead:
    """The posts of a folder feed: already a document, no bytes to parse."""

    request: FetchRequest
    feed: ParsedFeed
    body_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotModified:
    """304, or a body whose hash is known."""

    request: FetchRequest
    status: int
    #: Refreshed from the answer; empty: keep the stored one.
    etag: str = ""
    last_modified: str = ""
    fresh_for: timedelta | None = None
    exchanged: Exchanged = Exchanged()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailed:
    """No document, and why."""

    request: FetchRequest
    failure_class: str
    reason: str
    status: int | None = None
    #: Retry-After as a wait (RFC 9110 10.2.3), of any error status.
    retry_after: timedelta | None = None
    exchanged: Exchanged = Exchanged()


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """Not asked: its host has told another feed of this round to wait. No failure."""

    request: FetchRequest
    wait: timedelta
    reason: str
    exchanged: Exchanged = Exchanged()


Reply = Fetched | FolderRead | NotModified | FetchFailed | Postponed


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFacts:
    """What a document says about its feed, cleaned: lines of plain text and absolute addresses."""

    title: str = ""
    site_url: str = ""
    language: str = ""
    atom_id: str = ""
    rights: str = ""
    author: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLogLine:
    """One fetch of one feed, as the log keeps it."""

    at: datetime
    status: int | None = None
    failure_class: str = ""
    failure_reason: str = ""
    not_modified: bool = False
    received_bytes: int = 0
    seconds: float = 0.0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    folded: int = 0
    warnings: tuple[str, ...] = ()
    next_due_at: datetime
    #: Why then.
    next_due_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOutcome:
    """What one fetch means for the stored feed. No ``failure_class`` clears its failures, one adds to them."""

    feed_id: FeedId
    #: The address that was asked: of a feed that lives elsewhere by now, this says nothing. Empty: wherever it lives.
    asked_url: str = ""
    at: datetime
    status: int | None = None
    #: One of `FAILURE_CLASSES`; empty: it went well.
    failure_class: str = ""
    failure_reason: str = ""
    #: None keeps the stored one: after a failure, or a 304 that repeats no validators.
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    #: None keeps the stored ones.
    facts: FeedFacts | None = None
    hints: CheckHints | None = None
    slices: bytes | None = None
    document_entries: int | None = None
    #: Entries that were new to us, which were no first import.
    arrived: int = 0
    #: What these are from now on.
    host_key: str = ""
    move: Move | None = None
    gone_since: datetime | None = None
    strikes: int = 0
    alarm: str = ""
    #: The feed lives there from now on; empty: where it did.
    moved_to: str = ""
    #: Why it is paused from now on; empty: it is not.
    pause: str = ""
    #: Not asked at all: only the due date moves, failures stay as they are.
    postponed: bool = False
    #: All else is as it was stored before: only when it was asked, the status and the due date are new.
    steady: bool = False
    log: FetchLogLine | None = None
    #: Entries were stored: from now on this is no first import any more.
    imported: bool = False
    next_due_at: datetime
    next_due_reason: str
