"""Bytes -> `ParsedFeed` without feedparser, for the documents that are usual: the same result, many times faster.

It runs in the daemon's own process, so it has limits of its own: no document type, no entities, no network, and nothing
that the general guard would refuse. What it does not model is None; `parse_feed` then reads it, in a child process.
"""

from __future__ import annotations

from dataclasses import replace
from xml.parsers.expat import ExpatError

from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.parse.charset import DecodedDocument, decode_document
from aggregator.pipeline.parse.diagnose import find_impostor, find_other_file
from aggregator.pipeline.parse.fast.elements import KINDS
from aggregator.pipeline.parse.fast.entries import make_feed
from aggregator.pipeline.parse.fast.plain import Plain, find_plain, is_within_limits
from aggregator.pipeline.parse.fast.reader import Reader, Unmodelled
from aggregator.pipeline.parse.fast.slices import has_context, reduce_document, write_record
from aggregator.pipeline.parse.guard import bound_document
from aggregator.pipeline.parse.hints import find_hints
from aggregator.pipeline.parse.jsonfeed import is_json as looks_like_json
from aggregator.pipeline.parse.jsonfeed import read_json_feed

__all__ = ["parse_quickly"]

#: More is read in a child process only: it would take the daemon's other threads too much time.
MAX_QUICK_BYTES = 4 * 1024 * 1024
#: The same for what must be repaired first, or looked at as a text to see that it is no feed.
MAX_REPAIRED_BYTES = 1024 * 1024
#: Python reads JSON in one go that no other thread may interrupt.
MAX_JSON_BYTES = 256 * 1024


def parse_quickly(
    body: bytes, *, content_type: str = "", url: str = "", points: str = "", slices: bytes | None = None
) -> ParsedFeed | None:
    """What `parse_feed` gives for the same arguments, or None when only that can tell.

    With ``slices``, the result's own of the feed's last document (empty: there is none), entries that were in that one
    may be left out; ``skipped`` is how many. Raises `ParseError` as `parse_feed` does. Web pages are not for here.
    """
    if len(body) > MAX_QUICK_BYTES:
        return None
    start = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start != b"<":
        return _read_other(body, content_type, url, points, is_json=start in (b"{", b"["))
    plain = find_plain(body, content_type)
    if plain is not None:
        try:
            return _read_plain(plain, url, slices)
        except ExpatError:
            pass
        except Unmodelled:
            _refuse_impostor(body, content_type)
            return None
    return _read_repaired(body, content_type, url)


def _read_repaired(body: bytes, content_type: str, url: str) -> ParsedFeed | None:
    document = _refuse_impostor(body, content_type)
    if document is None or not document.text.lstrip().startswith("<"):
        return None
    bounded = bound_document(document.text)
    try:
        reader = _read_events(bounded.data, url, True)
    except (Unmodelled, ExpatError):
        return None
    return _make_feed(reader, bounded.data, url, document.warnings + bounded.warnings)


def _read_other(body: bytes, content_type: str, url: str, points: str, *, is_json: bool) -> ParsedFeed | None:
    """What does not begin as XML does: JSON Feed, and files of all sorts, which are refused as such."""
    if not is_json:
        find_other_file(body)
        return _read_repaired(body, content_type, url)
    if len(body) > MAX_JSON_BYTES:
        return None
    document = decode_document(body, content_type)
    return read_json_feed(document.text, url=url, points=points) if looks_like_json(document.text) else None


def _refuse_impostor(body: bytes, content_type: str) -> DecodedDocument | None:
    """The document's text; None for what is too long to be looked at. Raises `ParseError` when it is no feed at all."""
    if len(body) > MAX_REPAIRED_BYTES:
        return None
    document = decode_document(body, content_type)
    find_impostor(body, document.text)
    return document


def _read_plain(plain: Plain, url: str, slices: bytes | None) -> ParsedFeed | None:
    if slices and (feed := _read_reduced(plain, url, slices)):
        return feed
    data = plain.data
    reader = _read_events(data, url, plain.may_hold_c1)
    feed = _make_feed(reader, data, url) if is_within_limits(data, reader.elements) else None
    if feed is None or slices is None or reader.context_of_entries is None:
        return feed
    return replace(feed, slices=write_record(data, reader.spans, feed.entries, _find_context(reader, feed, url), {}))


def _read_reduced(plain: Plain, url: str, slices: bytes) -> ParsedFeed | None:
    """The document without its known entries; None when it must be read in full."""
    data = plain.data
    reduced = reduce_document(data, slices)
    if reduced is None:
        return None
    try:
        reader = _read_events(reduced.data, url, plain.may_hold_c1)
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


def _read_events(data: bytes, url: str, may_hold_c1: bool) -> Reader:
    reader = Reader(KINDS, url=url, may_hold_c1=may_hold_c1)
    reader.read(data)
    return reader


def _make_feed(reader: Reader, data: bytes, url: str, warnings: tuple[str, ...] = ()) -> ParsedFeed | None:
    if not reader.entries and not reader.version:
        return None
    return make_feed(reader, url=url, warnings=warnings, hints=find_hints(data, url=url))
