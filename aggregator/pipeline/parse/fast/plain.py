"""Which documents may be read as they stand: UTF-8 in which the general guard would change and refuse nothing.

Each test here may say no too often, never too seldom; then the guard itself decides. They are searches for literal
bytes and looks at every thousandth byte, because every document pays for them. Whether the bytes are UTF-8 at all is
left to expat where nothing else hangs on it.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from aggregator.pipeline.parse.charset import is_plain_utf8
from aggregator.pipeline.parse.guard import MAX_ATTRIBUTES, MAX_ENTRIES, MAX_PREFIXES, MAX_TAG_LENGTH, MAX_TAGS

_MAX_PROLOG = 64 * 1024
#: A run without angle brackets that is shorter than twice this is no tag that the guard would look at.
_STEP = 1024
#: References to what is no XML character, and such beyond all planes, also where they are no references (CDATA).
_BAD_REFERENCE = re.compile(
    rb"&#(?:0*(?:[0-8]|1[124-9]|2[0-9]|3[01])(?![0-9])|0*(?:5[5-7][0-9]{3}|6553[45]|[0-9]{7,})(?![0-9])"
    rb"|[xX]0*(?:(?![9aAdD](?![0-9a-fA-F]))[0-9a-fA-F]|1[0-9a-fA-F])(?![0-9a-fA-F])"
    rb"|[xX]0*(?:[dD][89a-fA-F][0-9a-fA-F]{2}|[fF]{3}[eEfF]|[0-9a-fA-F]{6,})(?![0-9a-fA-F]))"
)
_ESCAPED_BIG_REFERENCE = re.compile(rb"&amp;#[xX]?[0-9a-fA-F]{9}")
_PREFIX = re.compile(rb"xmlns:([^\s=<>]+)")
#: What begins like a reference and is none to a usual character, a space among them. Nearly no document holds one.
_ODD_REFERENCE = re.compile(
    rb"&#(?!(?:[1-9][0-9]{3}|0?(?:3[2-9]|[4-9][0-9])|1(?:[01][0-9]|2[0-6]|[6-9][0-9])|[2-9][0-9]{2}|[1-4][0-9]{4}|9|10|13"
    rb"|[xX](?:[1-9a-cA-C][0-9a-fA-F]{3}|[1-9a-fA-F][0-9a-fA-F]{2}|[2-7a-fA-F][0-9a-fA-F]|[9aAdD]));)"
)
#: So many bytes that may begin a control character are looked at one by one.
_MAX_LOOKS = 32
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_C1_REFERENCE = re.compile(rb"&#0*(?:1[2-5][0-9]|[xX]0*[89][0-9a-fA-F]);")
_TAG_START = re.compile(rb"<[\w:\x80-\xff]")
_BRACKET = re.compile(rb"[<>]")


class Plain(NamedTuple):
    """A document that needs no repair: from its first element on."""

    data: bytes
    #: Whether a control character U+0080 to U+009F may come out of it.
    may_hold_c1: bool


def find_plain(body: bytes, content_type: str) -> Plain | None:
    """``body`` when it needs no repair that is known; else None.

    It may still not be UTF-8, which expat finds. When it is read, `is_within_limits` must be asked as well.
    """
    marked = body.startswith(codecs.BOM_UTF8)
    while body.startswith(codecs.BOM_UTF8):
        body = body[3:]
    if marked:
        if b"\xef\xbf\xbd" in body:
            return None
    elif not is_plain_utf8(body, content_type):
        return None
    start = _find_root(body)
    if start < 0 or not body[:start].isascii():  # what lies before it expat does not see
        return None
    data = body[start:] if start else body
    is_odd = b"&#" in data and _ODD_REFERENCE.search(data) is not None
    if _needs_repair(data, is_odd) or not _has_few_prefixes(data) or _has_long_tag(data):
        return None
    return Plain(data, _holds_c1(data) or (is_odd and _C1_REFERENCE.search(data) is not None))


def _holds_c1(data: bytes) -> bool:
    """Whether one stands in it. Most documents hold few bytes that may begin one, and to find a byte is quick."""
    position = data.find(b"\xc2")
    for _ in range(_MAX_LOOKS):
        if position < 0:
            return False
        if data[position + 1 : position + 2] < b"\xa0":
            return True
        position = data.find(b"\xc2", position + 1)
    return _C1.search(data, position) is not None if position >= 0 else False


def _find_root(body: bytes) -> int:
    """Where the first element begins; -1 when there is more before it than comments and instructions."""
    position = 0
    while True:
        while body[position : position + 1] in (b" ", b"\t", b"\r", b"\n"):
            position += 1
        if position > _MAX_PROLOG or body[position : position + 1] != b"<":
            return -1
        if body.startswith(b"<?", position):
            ending = b"?>"
        elif body.startswith(b"<!--", position):
            ending = b"-->"
        else:
            return -1 if body.startswith(b"<!", position) else position
        end = body.find(ending, position + len(ending) + (ending == b"-->"), position + _MAX_PROLOG)
        if end < 0:
            return -1
        position = end + len(ending)


def _needs_repair(data: bytes, is_odd: bool) -> bool:
    """Whether there is a reference that the guard replaces; ``is_odd``: an odd one was seen."""
    if is_odd and _BAD_REFERENCE.search(data):
        return True
    return b"amp;#" in data and _ESCAPED_BIG_REFERENCE.search(data) is not None


def is_within_limits(data: bytes, elements: int) -> bool:
    """Whether a well-formed document of so many elements is within the guard's limits of entries and tags."""
    if elements <= MAX_ENTRIES and b"<!--" not in data and b"<?" not in data:
        return True
    lower = data.lower()
    return data.count(b"<") <= MAX_TAGS and lower.count(b"item") + lower.count(b"entry") <= MAX_ENTRIES


def _has_few_prefixes(data: bytes) -> bool:
    return data.count(b"mlns:") <= MAX_PREFIXES or len(set(_PREFIX.findall(data))) <= MAX_PREFIXES


def _has_long_tag(data: bytes) -> bool:
    """Whether a start tag may be over the guard's limits. It would be one of more than 2 KiB, and such a run covers one
    of the stretches that are looked at."""
    was_clear = False
    for start in range(0, len(data) - _STEP, _STEP):
        is_clear = data.find(b"<", start, start + _STEP) < 0 and data.find(b">", start, start + _STEP) < 0
        if is_clear and not was_clear:  # the stretch before says whether this is a tag or a text
            before = max(start - _STEP, 0)
            opening = data.rfind(b"<", before, start)
            if opening >= 0 and data.rfind(b">", opening, start) < 0 and _is_over_limits(data, opening):
                return True
        was_clear = is_clear
    return False


def _is_over_limits(data: bytes, opening: int) -> bool:
    """Whether what begins at ``opening`` would be too much for the guard, were it a start tag."""
    if not _TAG_START.match(data, opening):
        return False
    ending = _BRACKET.search(data, opening + 1)
    end = ending.start() if ending else len(data)
    return end - opening > MAX_TAG_LENGTH or data.count(b"=", opening, end) > MAX_ATTRIBUTES
