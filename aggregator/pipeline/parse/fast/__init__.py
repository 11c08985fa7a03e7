"""Bytes -> `ParsedFeed` without feedparser, for the documents that are usual: the same result, many times faster.

It runs in the daemon's own process, so it has limits of its own: no document type, no entities, no network, and nothing
that the general guard would refuse. What it does not model is None; `parse_feed` then reads it, in a child process.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from xml.parsers.expat import ExpatError

from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.parse.charset import decode_document
from aggregator.pipeline.parse.diagnose import find_impostor
from aggregator.pipeline.parse.fast.elements import KINDS
from aggregator.pipeline.parse.fast.entries import make_feed
from aggregator.pipeline.parse.fast.plain import find_plain, is_within_limits, may_hold_c1
from aggregator.pipeline.parse.fast.reader import Reader, Unmodelled
from aggregator.pipeline.parse.fast.slices import has_context, reduce_document, write_record
from aggregator.pipeline.parse.guard import bound_document
from aggregator.pipeline.parse.hints import find_hints
from aggregator.pipeline.parse.jsonfeed import is_json, read_json_feed

__all__ = ["parse_quickly"]

#: More is read in a child process only: it would take the daemon's other threads too much time.
MAX_QUICK_BYTES = 4 * 1024 * 1024
#: The same for what must be repaired first.
MAX_REPAIRED_BYTES = 1024 * 1024


def parse_quickly(
    body: bytes, *, content_type: str = "", url: str = "", slices: bytes | None = None
) -> ParsedFeed | None:
    """What `parse_feed` gives for the same arguments, or None when only that can tell.

    With ``slices``, the result's own of the feed's last document (empty: there is none), entries that were in that one
    may be left out; ``skipped`` is how many. Raises `ParseError` as `parse_feed` does. Web pages are not for here.
    """
    if len(body) > MAX_QUICK_BYTES:
        return None
    if body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return _read_json(body, content_type, url)
    data = find_plain(body, content_type)
    try:
        if data is not None:
            with suppress(ExpatError):
                return _read_plain(data, url, slices)
        if len(body) > MAX_REPAIRED_BYTES:
            return None
        document = decode_document(body, content_type)
        if not document.text.lstrip().startswith("<"):
            return None
        bounded = bound_document(document.text)
        reader = _read_events(bounded.data, url)
        return _make_feed(reader, bounded.data, url, document.warnings + bounded.warnings)
    except (Unmodelled, ExpatError):
        return None


def _read_json(body: bytes, content_type: str, url: str) -> ParsedFeed | None:
    document = decode_document(body, content_type)
    if len(body) > MAX_REPAIRED_BYTES or not is_json(document.text):
        return None
    find_impostor(body, document.text)
    return read_json_feed(document.text, url=url)


def _read_plain(data: bytes, url: str, slices: bytes | None) -> ParsedFeed | None:
    if slices and (feed := _read_reduced(data, url, slices)):
        return feed
    reader = _read_events(data, url)
    feed = _make_feed(reader, data, url) if is_within_limits(data, reader.elements) else None
    if feed is None or slices is None or reader.context_of_entries is None:
        return feed
    return replace(feed, slices=write_record(data, reader.spans, feed.entries, _find_context(reader, feed, url), {}))


def _read_reduced(data: bytes, url: str, slices: bytes) -> ParsedFeed | None:
    """The document without its known entries; None when it must be read in full."""
    reduced = reduce_document(data, slices)
    if reduced is None:
        return None
    try:
        reader = _read_events(reduced.data, url)
    except (Unmodelled, ExpatError):
        return None
    feed = _make_feed(reader, reduced.data, url) if is_within_limits(data, data.count(b"<")) else None
    if feed is None or reader.context_of_entries is None or tuple(reader.spans) != reduced.spans:
        return None
    context = _find_context(reader, feed, url)
    if not has_context(slices, context):
        return None
    entries, spans = ((), ()) if reduced.is_probe else (feed.entries, reduced.spans)
    record = write_record(reduced.data, spans, entries, context, reduced.known)
    return replace(feed, entries=entries, skipped=len(reduced.known), slices=record) if record else None


def _find_context(reader: Reader, feed: ParsedFeed, url: str) -> object:
    return (reader.context_of_entries, feed.site_url, url)


def _read_events(data: bytes, url: str) -> Reader:
    reader = Reader(KINDS, url=url, may_hold_c1=may_hold_c1(data))
    reader.read(data)
    return reader


def _make_feed(reader: Reader, data: bytes, url: str, warnings: tuple[str, ...] = ()) -> ParsedFeed | None:
    if not reader.entries and not reader.version:
        return None
    return make_feed(reader, url=url, warnings=warnings, hints=find_hints(data, url=url))
