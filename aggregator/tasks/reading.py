"""What a reply holds: the document that was read, or why it could not be. Never stores anything, never asks the net."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

from aggregator.app import App
from aggregator.errors import ParseError
from aggregator.log import get_logger, redact_url
from aggregator.metrics import PARSE_SECONDS
from aggregator.model.feed import Exchanged, Feed, Fetched, FetchFailed, FolderRead, NotModified, Postponed, Reply
from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.identify import Identified, identify_entries
from aggregator.pipeline.urls import drop_query

log = get_logger(__name__)

_NOTHING = Exchanged()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A reply, without its bytes, and what its document holds; ``document`` is None when nothing was read."""

    feed: Feed
    reply: Reply
    document: ParsedFeed | None = None
    identified: Identified | None = None
    failure_class: str = ""
    reason: str = ""

    @property
    def status(self) -> int | None:
        return None if isinstance(self.reply, FolderRead | Postponed) else self.reply.status

    @property
    def exchanged(self) -> Exchanged:
        return _NOTHING if isinstance(self.reply, FolderRead) else self.reply.exchanged

    @property
    def is_whole(self) -> bool:
        """The document was read to its end: what is missing from it is really missing."""
        return self.document is not None and not (isinstance(self.reply, Fetched) and self.reply.truncated)

    def count_entries(self) -> int:
        """Entries that the document holds, read or recognised by their bytes."""
        found = self.document
        return len(found.entries) + len(found.rejected) + found.skipped if found else 0


def read_reply(app: App, feed: Feed, reply: Reply) -> Reading:
    """What a reply holds; errors of the document become values. The bytes are let go: all is read."""
    reading = read_at_once(app, feed, reply)
    return read_in_child(app, feed, reply) if reading is None else reading


def read_at_once(app: App, feed: Feed, reply: Reply) -> Reading | None:
    """The same, without waiting for a child process; None: its document takes one."""
    return _read_guarded(feed, reply, app.sandbox.parse_at_once)


def read_in_child(app: App, feed: Feed, reply: Reply) -> Reading:
    """The same for a document of which `read_at_once` could not tell."""
    reading = _read_guarded(feed, reply, app.sandbox.parse_in_child)
    assert reading is not None
    return reading


_Parse = Callable[[Fetched], ParsedFeed | None]


def _read_guarded(feed: Feed, reply: Reply, parse: _Parse) -> Reading | None:
    try:
        reading = _read_document(feed, reply, parse)
    except Exception as error:  # one document that a stage of ours cannot digest must not end the round for all
        log.exception("document.not_read", feed=redact_url(feed.spec.url))
        reason = f"a fault of this program stopped it: {type(error).__name__}"
        reading = Reading(feed=feed, reply=reply, failure_class="not_saved", reason=reason)
    if reading is None or not isinstance(reply, Fetched):
        return reading
    return replace(reading, reply=replace(reply, body=b""))


def _read_document(feed: Feed, reply: Reply, parse: _Parse) -> Reading | None:
    try:
        match reply:
            case Fetched():
                # What has no base of its own is relative to where the document came from.
                began = perf_counter()
                document = parse(replace(reply, final_url=drop_query(reply.final_url)))
                if document is None:
                    return None
                PARSE_SECONDS.observe(perf_counter() - began)
            case FolderRead():
                document = reply.feed
            case NotModified() | Postponed():
                return Reading(feed=feed, reply=reply)
            case FetchFailed():
                return Reading(feed=feed, reply=reply, failure_class=reply.failure_class, reason=reply.reason)
    except ParseError as error:
        return Reading(feed=feed, reply=reply, failure_class=error.failure_class, reason=error.reason)
    return Reading(feed=feed, reply=reply, document=document, identified=identify_entries(document))
