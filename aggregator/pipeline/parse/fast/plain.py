"""Which documents may be read as they stand: UTF-8 in which the general guard would change and refuse nothing.

Each test here may say no too often, never too seldom; then the guard itself decides. They are searches for literal
bytes and looks at every thousandth byte, because every document pays for them.
"""

from __future__ import annotations

import codecs
import re

from aggregator.pipeline.parse.charset import is_plain_utf8
from aggregator.pipeline.parse.guard import MAX_ENTRIES, MAX_PREFIXES, MAX_TAGS

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
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_C1_REFERENCE = re.compile(rb"&#0*(?:1[2-5][0-9]|[xX]0*[89][0-9a-fA-F]);")
_TAG_START = re.compile(rb"<[\w:\x80-\xff]")


def find_plain(body: bytes, content_type: str) -> bytes | None:
    """``body`` from its first element on, when it needs no repair that is known; else None.

    When it is read, `is_within_limits` must be asked as well.
    """
    marked = body.startswith(codecs.BOM_UTF8)
    while body.startswith(codecs.BOM_UTF8):
        body = body[3:]
    if marked:
        if b"\xef\xbf\xbd" in body or not _is_utf8(body):
            return None
    elif not is_plain_utf8(body, content_type):
        return None
    start = _find_root(body)
    if start < 0:
        return None
    data = body[start:] if start else body
    return data if _needs_no_repair(data) and _has_few_prefixes(data) and not _has_long_tag(data) else None


def may_hold_c1(data: bytes) -> bool:
    """Whether a control character U+0080 to U+009F may come out of it."""
    return _C1.search(data) is not None or (b"&#" in data and _C1_REFERENCE.search(data) is not None)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


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


def _needs_no_repair(data: bytes) -> bool:
    if b"&#" in data and _BAD_REFERENCE.search(data):
        return False
    return not (b"&amp;#" in data and _ESCAPED_BIG_REFERENCE.search(data))


def is_within_limits(data: bytes, elements: int) -> bool:
    """Whether a well-formed document of so many elements is within the guard's limits of entries and tags."""
    if elements <= MAX_ENTRIES and b"<!--" not in data and b"<?" not in data:
        return True
    lower = data.lower()
    return data.count(b"<") <= MAX_TAGS and lower.count(b"item") + lower.count(b"entry") <= MAX_ENTRIES


def _has_few_prefixes(data: bytes) -> bool:
    return data.count(b"xmlns:") <= MAX_PREFIXES or len(set(_PREFIX.findall(data))) <= MAX_PREFIXES


def _has_long_tag(data: bytes) -> bool:
    """Whether there is a start tag of more than 2 KiB. Such a run covers one of the stretches that are looked at."""
    was_clear = False
    for start in range(0, len(data) - _STEP, _STEP):
        is_clear = data.find(b"<", start, start + _STEP) < 0 and data.find(b">", start, start + _STEP) < 0
        if is_clear and not was_clear:  # the stretch before says whether this is a tag or a text
            before = max(start - _STEP, 0)
            opening = data.rfind(b"<", before, start)
            if opening >= 0 and data.rfind(b">", opening, start) < 0 and _TAG_START.match(data, opening):
                return True
        was_clear = is_clear
    return False
