"""What a publisher said, as few bytes: compressed JSON. Any text survives, lone surrogates and NULs too."""

from __future__ import annotations

import json
import zlib
from datetime import datetime
from typing import Any

from aggregator.model.parsed import Enclosure, ParsedEntry

_TEXTS = ("id", "url", "title", "author", "summary_html", "content_html", "language", "base_url")
#: Above this speed is lost without much gain (feeds: 2 is 2.3 times as fast as 6, for 6 % more bytes).
_LEVEL = 2
#: Made once: `json.dumps` makes an encoder per call when it is told anything.
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def pack_parsed(parsed: ParsedEntry) -> bytes:
    """Only what is set, as ASCII JSON, through zlib (RFC 1950)."""
    said: dict[str, Any] = {name: value for name in _TEXTS if (value := getattr(parsed, name))}
    for name in ("published_at", "updated_at"):
        instant = getattr(parsed, name)
        if instant is not None:
            said[name] = instant.isoformat()
    if parsed.categories:
        said["categories"] = parsed.categories
    if parsed.enclosures:
        said["enclosures"] = [(part.url, part.type, part.length) for part in parsed.enclosures]
    if parsed.reading_minutes is not None:
        said["reading_minutes"] = parsed.reading_minutes
    return zlib.compress(_encode(said).encode("ascii"), _LEVEL)


def unpack_parsed(packed: bytes) -> ParsedEntry:
    """The same value again."""
    said = json.loads(zlib.decompress(packed))
    for name in ("published_at", "updated_at"):
        if name in said:
            said[name] = datetime.fromisoformat(said[name])
    said["categories"] = tuple(said.get("categories", ()))
    said["enclosures"] = tuple(
        Enclosure(url=url, type=type_, length=length) for url, type_, length in said.get("enclosures", ())
    )
    return ParsedEntry(**said)
