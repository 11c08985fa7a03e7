"""Entries that are known by their bytes are not read again: a changed document costs by what is new in it.

Of each document a record is kept: a hash of all that its entries inherit (namespaces, base, language, version, address
of document and page), and for each entry a hash of its bytes and one of its key. The next document is cut where its
entries seem to be; those with known bytes are left out, and the rest is read as a document of its own.

Why that is exact: known bytes are those of an element that expat found whole. Between entries stands nothing but space,
so that each begins where the one before it ended. All cuts that are read are checked against where expat finds the
entries, and one is always read. Whenever something is not as it should be, the whole document is read: what entries
inherit has changed, a new one has the key of a known one, two have the same, one declares a namespace, more than
closing tags and comments follow the last. (What looks like a comment there is one: the entries before it, of which one
is read, end outside of everything.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

from aggregator.model.parsed import ParsedEntry
from aggregator.pipeline.parse.guard import MAX_ENTRIES

#: Raise it when entries are read otherwise than before: then all are read anew once.
RULES = 2
_HASH = 8
_FIRST = re.compile(rb"<(item|entry)[\s>]")
_CLOSING = re.compile(rb"</[A-Za-z:]{1,40}>")
_SPACE = b" \t\r\n"


class Cut(NamedTuple):
    """A document cut into its head, its entries and its tail."""

    head: bytes
    slices: tuple[bytes, ...]
    tail: bytes


class Reduced(NamedTuple):
    """A document without its known entries; ``spans`` is where those that are left begin and end."""

    data: bytes
    spans: tuple[tuple[int, int], ...]
    #: The first one that is left is a known one, read only to see that it is where it should be.
    is_probe: bool
    #: Hash of bytes and of key, of each entry that was left out.
    known: dict[bytes, bytes]


def cut_document(data: bytes) -> Cut | None:
    """Where the entries of ``data`` seem to be; None when it does not look as usual."""
    first = _FIRST.search(data)
    if first is None:
        return None
    opening, closing = b"<" + first[1], b"</" + first[1] + b">"
    slices: list[bytes] = []
    start = position = first.start()
    while data.startswith(opening, position):
        end = data.find(closing, position)
        if end < 0 or len(slices) >= MAX_ENTRIES:
            return None
        end += len(closing)
        slices.append(data[position:end])
        position = end
        while data[position : position + 1] in (b" ", b"\t", b"\r", b"\n"):
            position += 1
    return Cut(data[:start], tuple(slices), data[position:]) if _is_tail(data, position) else None


def reduce_document(data: bytes, record: bytes) -> Reduced | None:
    """``data`` without the entries that ``record`` knows; None when all of it must be read."""
    known = _read_record(record)
    cut = cut_document(data) if known else None
    if cut is None:
        return None
    hashes = [_hash(piece) for piece in cut.slices]
    found = {piece: known[piece] for piece in hashes if piece in known}
    if not found or len(set(hashes)) < len(hashes):
        return None
    left = [piece for piece, hashed in zip(cut.slices, hashes, strict=True) if hashed not in found]
    is_probe = not left
    left = left or [cut.slices[0]]
    spans: list[tuple[int, int]] = []
    position = len(cut.head)
    for piece in left:
        spans.append((position, position + len(piece)))
        position += len(piece)
    return Reduced(b"".join((cut.head, *left, cut.tail)), tuple(spans), is_probe, found)


def write_record(
    data: bytes,
    spans: Sequence[tuple[int, int]],
    entries: Sequence[ParsedEntry],
    context: object,
    known: dict[bytes, bytes],
) -> bytes:
    """The record for the next document; empty when that one must be read in full.

    ``spans`` is where expat found ``entries`` in ``data``; ``known`` are those that were not read.
    """
    if len(spans) != len(entries) or not (spans or known) or not _is_regular(data, spans):
        return b""
    pairs = dict(known)
    for (start, end), entry in zip(spans, entries, strict=True):
        pairs[_hash(data[start:end])] = _hash_key(entry)
    keys = set(pairs.values())
    if len(keys) < len(known) + len(entries) or b"" in keys:
        return b""
    return hash_context(context) + b"".join(part for pair in pairs.items() for part in pair)


def hash_context(context: object) -> bytes:
    """What entries inherit, in one value."""
    return _hash(repr((RULES, context)).encode("utf-8", "surrogatepass"))


def has_context(record: bytes, context: object) -> bool:
    return record[:_HASH] == hash_context(context)


def _is_regular(data: bytes, spans: Sequence[tuple[int, int]]) -> bool:
    """Nothing but space between entries, and closing tags or comments after them."""
    if spans and not _is_tail(data, spans[-1][1]):
        return False
    return all(not data[end:start].strip(_SPACE) for (_, end), (start, _) in pairwise(spans))


def _is_tail(data: bytes, position: int) -> bool:
    """Whether only closing tags and comments follow; caches of weblogs sign a feed with one."""
    start = position
    while position < len(data):
        if data[position : position + 1] in (b" ", b"\t", b"\r", b"\n"):
            position += 1
        elif closing := _CLOSING.match(data, position):
            position = closing.end()
        elif data.startswith(b"<!--", position) and (end := data.find(b"-->", position + 4)) >= 0:
            position = end + 3
        else:
            return False
    return position > start


def _read_record(record: bytes) -> dict[bytes, bytes]:
    if len(record) < 3 * _HASH or len(record) % (2 * _HASH) != _HASH:
        return {}
    places = range(_HASH, len(record), 2 * _HASH)
    return {record[at : at + _HASH]: record[at + _HASH : at + 2 * _HASH] for at in places}


def _hash_key(entry: ParsedEntry) -> bytes:
    """Equal for entries that `pipeline.identify` gives the same key; empty for one that cannot be told from others."""
    key = entry.id.strip() or entry.url.strip()
    if key:
        return _hash(b"key:" + key.encode("utf-8", "surrogatepass"))
    text = entry.content_html or entry.summary_html
    if not text.strip() and not entry.title.strip():
        return b""
    return hash_context((entry.title, entry.published_at or entry.updated_at, text))


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=_HASH).digest()
