"""What a request asks of a representation: its coding, and whether the asker has it already (RFC 9110 12.5.3, 13).
Never knows a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

#: As they stand in Content-Encoding; the first is preferred where the asker likes several equally.
CODINGS = (b"br", b"gzip", b"")
#: What only a person's browser says that opens an address in a tab (Fetch Metadata).
_DOCUMENT = b"document"
_MAX_DATE = 40
_MAX_REMEMBERED = 200


@dataclass(slots=True)
class Wishes:
    """The headers of one request that decide about the answer, as they came; several lines of one are joined."""

    accept_encoding: bytes = b""
    if_none_match: bytes = b""
    if_modified_since: bytes = b""
    wants_document: bool = False


def read_wishes(headers: Iterable[tuple[bytes, bytes]]) -> Wishes:
    """From the headers of an ASGI scope, whose names are in lower case."""
    found = Wishes()
    for name, value in headers:
        if name == b"accept-encoding":
            found.accept_encoding = _join(found.accept_encoding, value)
        elif name == b"if-none-match":
            found.if_none_match = _join(found.if_none_match, value)
        elif name == b"if-modified-since":
            found.if_modified_since = _join(found.if_modified_since, value)
        elif name == b"sec-fetch-dest":
            found.wants_document = value == _DOCUMENT
    return found


def _join(before: bytes, value: bytes) -> bytes:
    return before + b"," + value if before else value


def order_codings(accept_encoding: bytes) -> Sequence[bytes]:
    """Those of `CODINGS` that the asker takes, the best first; as it came (empty: b"") always among them.

    Without the header nothing is coded: old feed readers know no coding and do not say so.
    """
    if len(accept_encoding) > _MAX_REMEMBERED:  # strangers choose it: no memory for long ones
        return _order(accept_encoding)
    return _order_remembered(accept_encoding)


def _order(accept_encoding: bytes) -> Sequence[bytes]:
    weights: dict[bytes, float] = {}
    for item in accept_encoding.lower().split(b","):
        name, *parameters = (part.strip() for part in item.split(b";"))
        if name:
            weights[name.removeprefix(b"x-")] = _read_weight(parameters)
    rest = weights.get(b"*", 0.0)
    named = {coding: weights.get(coding, rest) for coding in CODINGS if coding}
    # Nobody is refused: who forbids identity and takes nothing else gets it all the same (RFC 9110 12.5.3).
    liked = [coding for coding in CODINGS if coding and named[coding] > 0]
    plain = weights.get(b"identity", 0.0)
    before = [coding for coding in sorted(liked, key=lambda coding: -named[coding]) if named[coding] >= plain]
    after = [coding for coding in liked if coding not in before]
    return (*before, b"", *after)


_order_remembered = lru_cache(maxsize=1024)(_order)


def _read_weight(parameters: Sequence[bytes]) -> float:
    """0 to 1; what cannot be read counts as 0: better plain than a coding that was not meant."""
    for parameter in parameters:
        if parameter[:2] == b"q=":
            try:
                return float(parameter[2:]) if len(parameter) <= 7 else 0.0
            except ValueError:
                return 0.0
    return 1.0


def find_tag(if_none_match: bytes, tags: Sequence[bytes]) -> bytes | None:
    """The first of ``tags`` that the header names, in the weak comparison that a GET asks for (13.1.2).

    ``tags`` hold no comma, so that splitting there is safe: a foreign tag with a comma in it matches none of them.
    """
    if if_none_match.strip() == b"*":
        return tags[0]
    named = {tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")}
    return next((tag for tag in tags if tag in named), None)


def is_unchanged_since(if_modified_since: bytes, changed_at: datetime, *, now: datetime) -> bool:
    """Whether what changed at ``changed_at`` is no news. A date that is none, or lies ahead, says no."""
    if len(if_modified_since) > _MAX_DATE:
        return False
    try:
        since = parsedate_to_datetime(if_modified_since.decode("ascii"))
    except (ValueError, OverflowError):
        return False
    if since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    return changed_at <= since <= now
