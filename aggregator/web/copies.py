"""One page as it goes out: its bytes in each coding, with ready headers for 200 and 304. Never changes once made."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime

import brotli

from aggregator.tasks.site.found import Page
from aggregator.web.conditions import Wishes, find_tag, is_unchanged_since, order_codings
from aggregator.web.headers import Fields

_BRIEFLY = b"public, max-age=60, stale-while-revalidate=300"
_FOR_EVER = b"public, max-age=31536000, immutable"
#: Shorter ones fit into one packet as they are.
_MIN_CODED = 600
_CODED_ENDINGS = ("xml", "json")
_GZIP, _BROTLI, _BROTLI_FOR_EVER = 6, 5, 11
#: Each coding has a tag of its own (RFC 9110 8.8.3.3).
_TAG_ENDINGS = {b"": b"", b"gzip": b"-gz", b"br": b"-br"}
#: The server's Date may be a second old, and Last-Modified may not be later than that (RFC 9110 8.8.2.1).
_DATE_LAG = timedelta(seconds=2)
#: What headers and objects of one copy take, about.
_OVERHEAD = 4_000


@dataclass(frozen=True, slots=True)
class Variant:
    """A page in one coding."""

    body: bytes
    tag: bytes
    fields: Fields
    fields_304: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A page, ready to be sent."""

    page: Page
    #: When this process first saw these bytes at its address, a little early; whole seconds, as HTTP knows no finer.
    changed_at: datetime
    variants: Mapping[bytes, Variant]
    #: All that name these bytes.
    tags: Sequence[bytes]
    #: Bytes in memory.
    weight: int

    def choose(self, wishes: Wishes) -> Variant:
        """In the coding that is liked best of those there are."""
        variants = self.variants
        for coding in order_codings(wishes.accept_encoding):
            if coding in variants:
                return variants[coding]
        raise AssertionError("a page has its own bytes")

    def find_known(self, wishes: Wishes, chosen: Variant, clock: Callable[[], datetime]) -> Variant | None:
        """What the asker has already, so that a 304 will do: any coding of these bytes (RFC 9110 13.2.2)."""
        if wishes.if_none_match:
            tag = find_tag(wishes.if_none_match, (chosen.tag, *self.tags))
            return chosen if tag == chosen.tag else next((v for v in self.variants.values() if v.tag == tag), None)
        if wishes.if_modified_since and is_unchanged_since(wishes.if_modified_since, self.changed_at, now=clock()):
            return chosen
        return None


def make_copy(page: Page, *, before: Copy | None, now: datetime) -> Copy:
    """``page`` in all codings; ``before``, what stood at its address, when that had the same bytes.

    Takes milliseconds: not for an event loop.
    """
    if before is not None and before.page == page:
        return before
    changed_at = now.replace(microsecond=0) - _DATE_LAG
    if before is not None and before.page.body == page.body:
        changed_at = before.changed_at
    elif before is not None:
        # Two changes in one second would share a date, and the first be taken for the second.
        changed_at = max(changed_at, before.changed_at + timedelta(seconds=1))
    bodies = {b"": page.body, **_encode(page)}
    opaque = page.etag[1:-1].encode()
    shared = _make_shared(page, changed_at, coded=len(bodies) > 1)
    variants = {}
    for coding, body in bodies.items():
        tag = b'"' + opaque + _TAG_ENDINGS[coding] + b'"'
        short = ((b"etag", tag), *shared)
        encoding = ((b"content-encoding", coding),) if coding else ()
        length = (b"content-length", str(len(body)).encode())
        variants[coding] = Variant(
            body, tag, ((b"content-type", page.content_type.encode()), length, *encoding, *short), short
        )
    weight = sum(map(len, bodies.values())) + _OVERHEAD
    tags = tuple(variant.tag for variant in variants.values())
    return Copy(page=page, changed_at=changed_at, variants=variants, tags=tags, weight=weight)


def _make_shared(page: Page, changed_at: datetime, *, coded: bool) -> Fields:
    """What a 304 repeats (RFC 9110 15.4.5)."""
    differs = [b"Accept-Encoding"] * coded + [b"Sec-Fetch-Dest"] * bool(page.view_path)
    fields = [
        (b"cache-control", _FOR_EVER if page.immutable else _BRIEFLY),
        (b"last-modified", format_datetime(changed_at, usegmt=True).encode()),
    ]
    if differs:
        fields.append((b"vary", b", ".join(differs)))
    if page.noindex:
        fields.append((b"x-robots-tag", b"noindex"))
    return tuple(fields)


def _encode(page: Page) -> Mapping[bytes, bytes]:
    """The body in each coding that makes it shorter."""
    kind = page.content_type.partition(";")[0]
    if len(page.body) < _MIN_CODED or not (kind.startswith("text/") or kind.endswith(_CODED_ENDINGS)):
        return {}
    packer = zlib.compressobj(_GZIP, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # 16: in the shape of gzip, without a date
    coded = {
        b"gzip": packer.compress(page.body) + packer.flush(),
        b"br": brotli.compress(page.body, quality=_BROTLI_FOR_EVER if page.immutable else _BROTLI),
    }
    return {coding: body for coding, body in coded.items() if len(body) < len(page.body)}
