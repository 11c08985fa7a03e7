"""Recorded feeds, and what the product makes of their entries: read, identified and enriched as a round does it.

Not a benchmark by itself: `bench/excerpts.py` and `bench/language.py` look at what is made here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aggregator.errors import ParseError
from aggregator.fetch.folder import read_folder
from aggregator.model.entry import CleanEntry
from aggregator.model.feed import FOLDER_SCHEME, Feed, FeedSpec, FetchRequest, FolderRead
from aggregator.model.ids import FeedId
from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.identify import identify_entries
from aggregator.pipeline.parse import parse_feed
from aggregator.pipeline.parse.fast import parse_quickly
from aggregator.pipeline.words import clean_line
from aggregator.tasks.enrich import enrich_entry

CORPUS = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
_NEVER = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One document with its entries as they would be stored."""

    #: Relative to the corpus.
    name: str
    document: ParsedFeed
    entries: tuple[CleanEntry, ...]


def make_feed(url: str, document: ParsedFeed) -> Feed:
    """A subscription to ``url`` of which nothing is stored but what ``document`` says of itself."""
    return Feed(
        id=FeedId(1), spec=FeedSpec(url=url), state="active", title=clean_line(document.title, 200),
        site_url=document.site_url, language=document.language, atom_id="", rights="", author="", feed_updated_at=None,
        etag="", last_modified="", body_hash="", last_fetched_at=None, last_status=None, first_imported_at=None,
        next_due_at=_NEVER, next_due_reason="", failures=0, failure_class="", failure_reason="",
    )  # fmt: skip


def read_document(path: Path) -> ParsedFeed | None:
    """The document in a file, or of a folder of posts; None when it is no feed."""
    if path.is_dir():
        reply = read_folder(FetchRequest(feed_id=FeedId(1), url=f"{FOLDER_SCHEME}{path}"))
        return reply.feed if isinstance(reply, FolderRead) else None
    body, url = path.read_bytes(), f"https://feeds.example/{path.name}"
    try:
        return parse_quickly(body, url=url) or parse_feed(body, url=url)
    except ParseError:
        return None


def iter_recorded(corpus: Path = CORPUS, *, folder: str = "feeds") -> Iterator[Recorded]:
    """Each feed in ``folder`` of the corpus that can be read, and the corpus's folder of posts."""
    paths = [path for path in sorted((corpus / folder).rglob("*")) if path.is_file()]
    for path in [*paths, corpus / "site"]:
        if document := read_document(path):
            feed = make_feed(f"https://feeds.example/{path.name}", document)
            made = tuple(
                enrich_entry(item, feed=feed, document=document) for item in identify_entries(document).entries
            )
            yield Recorded(name=str(path.relative_to(corpus)), document=document, entries=made)
