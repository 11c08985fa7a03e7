"""Bytes -> `ParsedFeed`: what the publisher said, in our shapes. Never cleans, never follows an address.

feedparser does the reading. It is handed bytes only (a `str` it would take for an address or a path), after `guard` has
bounded them, and with its HTML work switched off: cleaning is `pipeline.clean`'s, and resolving addresses too.
"""

from __future__ import annotations

from io import BytesIO

from aggregator.errors import ParseError
from aggregator.model.feed import PageRules
from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.parse.charset import decode_document
from aggregator.pipeline.parse.diagnose import explain_failure, find_impostor
from aggregator.pipeline.parse.fields import read_feed
from aggregator.pipeline.parse.guard import MAX_BYTES, bound_author_search, bound_document
from aggregator.pipeline.parse.hints import find_hints
from aggregator.pipeline.parse.jsonfeed import is_json, read_json_feed

__all__ = ["MAX_BYTES", "parse_feed"]


def parse_feed(
    body: bytes, *, content_type: str = "", url: str = "", page: PageRules | None = None, points: str = ""
) -> ParsedFeed:
    """Read one document that was fetched from ``url`` with the header ``Content-Type: content_type``.

    JSON Feed is known by its content; ``points`` is where its items tell how much they are discussed
    (`counts.follow_path`). With ``page`` the document is a web page whose entries those rules find.
    Holds as many entries, rejected ones included, as feedparser finds. Raises `ParseError` with one of
    `FAILURE_CLASSES`: ``too_hostile`` over a limit; ``web_page``, ``not_a_feed`` or ``not_xml`` with nothing to read;
    ``no_items`` when ``page`` finds nothing.
    """
    if len(body) > MAX_BYTES:
        raise ParseError("too_hostile", f"{len(body):,} bytes, more than the {MAX_BYTES:,} that are read")
    if page is not None:
        from aggregator.pipeline.parse.pagefeed import read_page

        return read_page(body, content_type=content_type, url=url, rules=page)
    document = decode_document(body, content_type)
    if is_json(document.text):  # first: its texts may hold the marks of a web page
        return read_json_feed(document.text, url=url, points=points)
    find_impostor(body, document.text)
    import feedparser

    bound_author_search()
    bounded = bound_document(document.text)
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": url}
    try:
        result = feedparser.parse(
            BytesIO(bounded.data), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except (MemoryError, RecursionError) as error:
        raise ParseError("too_hostile", _say_limit(error)) from error
    except Exception as error:  # slips of its own handlers
        raise ParseError("not_xml", f"feedparser gave up on it: {type(error).__name__}: {error}"[:300]) from error
    if not result.get("entries") and not result.get("version"):
        raise explain_failure(document.text, result.get("bozo_exception"))
    hints = find_hints(bounded.data, url=url)
    return read_feed(result, url=url, warnings=document.warnings + bounded.warnings, hints=hints)


def _say_limit(error: BaseException) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else "reading it takes too much memory"
