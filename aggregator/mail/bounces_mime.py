"""A returned mail taken apart within limits: its headers, the fields of its reports, its own words. Never judges.

Anybody can send us a mail, so what the `email` package is given is cut before it is parsed: so many bytes, so many
lines that could begin a part or end a block of fields, so many boundaries, so long a header. Nothing behind a cut is
seen; what says why a mail came back stands before the mail that is returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from html import unescape
from itertools import islice

#: Of a mail, this much is looked at.
MAX_BYTES = 256 * 1024
#: At most so many: lines that could begin a part; words that make parts within parts; ends of blocks of fields.
_LIMITS = (
    (re.compile(rb"^--", re.MULTILINE), 200),
    (re.compile(rb"boundary|message/", re.IGNORECASE), 30),
    (re.compile(rb"\n(?=\n)"), 2_000),
)
_MAX_PARTS = 100
_MAX_DEPTH = 12
#: Lines of one folded header, and characters of one line.
_MAX_FOLDS, _MAX_LINE = 40, 1_000
#: Of the mail itself.
_MAX_HEADER_LINES = 1_000
_MAX_FIELDS = 100
_MAX_VALUE = 2_000
_MAX_TEXT = 32 * 1024

_LONG_LINE = re.compile(rb"([^\n]{%d})[^\n]+" % _MAX_LINE)
_FOLDS = re.compile(rb"((?:^[ \t][^\n]*\n){%d})(?:^[ \t][^\n]*\n)+" % _MAX_FOLDS, re.MULTILINE)
_TAGS = re.compile(r"<(?:style|script)[^>]{0,500}>|<[^<>]{1,2000}>", re.IGNORECASE)
_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status", "message/x-delivery-status"})
_RETURNED_TYPES = frozenset({"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"})

Fields = dict[str, str]


def open_mail(raw: bytes) -> Message:
    """Parse what is within the limits; every other byte of it is left out."""
    data = raw[:MAX_BYTES].replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\0", b" ")
    for pattern, most in _LIMITS:
        if beyond := next(islice(pattern.finditer(data), most, None), None):
            data = data[: beyond.start()]
    data = _FOLDS.sub(rb"\1", _LONG_LINE.sub(rb"\1", data))
    head, end, body = data.partition(b"\n\n")
    return message_from_bytes(b"\n".join(head.split(b"\n")[:_MAX_HEADER_LINES]) + end + body)


def get_headers(message: Message, *names: str) -> list[str]:
    """All values of the headers ``names``, unfolded and undecoded, in the order of the names."""
    fields = [(name.lower(), value) for name, value in message.raw_items()]
    wanted = (islice((value for known, value in fields if known == name.lower()), 20) for name in names)
    return [_unfold(value) for values in wanted for value in values]


def get_header(message: Message, name: str) -> str:
    """The first such header, its encoded words (RFC 2047) read; empty: none."""
    value = next(iter(get_headers(message, name)), "")
    try:
        return "".join(
            part if isinstance(part, str) else _decode(part, charset or "ascii")
            for part, charset in decode_header(value)
        )
    except (HeaderParseError, ValueError):  # of base64, among others
        return value


def iter_parts(message: Message) -> Iterator[Message]:
    """Every part, outside in, without what stands inside a returned mail or a report."""
    waiting = [(message, 0)]
    for _ in range(_MAX_PARTS):
        if not waiting:
            return
        part, depth = waiting.pop()
        yield part
        inside = part.get_payload() if part.get_content_maintype() == "multipart" else None
        if isinstance(inside, list) and depth < _MAX_DEPTH:
            waiting += [(one, depth + 1) for one in reversed(inside) if isinstance(one, Message)]


def iter_status_blocks(message: Message) -> Iterator[Fields]:
    """The blocks of fields of delivery reports (RFC 3464, 6533): of the mail first, then one for each recipient."""
    for part in iter_parts(message):
        if part.get_content_type() in _STATUS_TYPES:
            yield from _iter_blocks(part)


def find_feedback(message: Message) -> Fields | None:
    """The fields of a complaint (RFC 5965); None: it is none."""
    for part in iter_parts(message):
        if part.get_content_type() == "message/feedback-report":
            return next(_iter_blocks(part), {})
    return None


def get_returned(message: Message) -> str:
    """The headers of our own mail as it was sent back, with a bit of what follows; empty: it was not."""
    found = (part for part in iter_parts(message) if part.get_content_type() in _RETURNED_TYPES)
    return "\n\n".join(_write(part)[:_MAX_TEXT] for part in islice(found, 3))


def get_text(message: Message) -> str:
    """What the mail says in words, plain text first; that of HTML without its tags."""
    plain, marked = [], []
    for part in iter_parts(message):
        kind = part.get_content_type()
        if kind == "text/plain":
            plain.append(_read_text(part))
        elif kind == "text/html":
            marked.append(unescape(_TAGS.sub(" ", _read_text(part))))
    return "\n".join(plain or marked)[:_MAX_TEXT]


def _iter_blocks(part: Message) -> Iterator[Fields]:
    """Fields in blocks with empty lines between them, however the part came to be parsed."""
    inside = part.get_payload()
    if isinstance(inside, list):
        for block in islice(inside, _MAX_PARTS):
            if isinstance(block, Message):
                if block.keys():
                    yield _read_fields(block)
                yield from _read_blocks(_read_text(block, encoding=part))
    else:
        yield from _read_blocks(_read_text(part))


def _read_blocks(text: str) -> Iterator[Fields]:
    for block in islice(text.split("\n\n"), _MAX_PARTS):
        if fields := _read_fields(message_from_bytes(block.strip().encode("utf-8", "replace"))):
            yield fields


def _read_fields(block: Message) -> Fields:
    """By lower-case name; the first of each counts."""
    fields: Fields = {}
    for name, value in islice(block.raw_items(), _MAX_FIELDS):
        fields.setdefault(name.lower(), _unfold(value))
    return fields


def _unfold(value: object) -> str:
    """One line; bytes beyond ASCII, which the parser keeps as surrogates, are UTF-8 (RFC 6532)."""
    text = str(value)[: 2 * _MAX_VALUE].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join(text[:_MAX_VALUE].split())


def _read_text(part: Message, encoding: Message | None = None) -> str:
    """A leaf's text; ``encoding``: the part whose transfer encoding it has, when that is another."""
    inside = part.get_payload()
    if not isinstance(inside, str):
        return ""
    if encoding is not None and "content-transfer-encoding" in encoding:
        leaf = Message()
        leaf["Content-Transfer-Encoding"] = str(encoding["content-transfer-encoding"])[:100]
        leaf.set_payload(inside[: 2 * _MAX_TEXT])
        part = leaf
    try:
        data = part.get_payload(decode=True)
        charset = part.get_content_charset() or "utf-8"
    except (MessageError, ValueError, LookupError, TypeError, AttributeError):
        return ""
    return _decode(data, charset)[:_MAX_TEXT] if isinstance(data, bytes) else ""


def _decode(data: bytes, charset: str) -> str:
    try:
        text = data.decode(charset, "replace")
    except (LookupError, ValueError):
        text = data.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\0", " ")


def _write(part: Message) -> str:
    """The text of a returned mail: a parsed one's headers, or what stands in a part of headers only."""
    inside = part.get_payload()
    if isinstance(inside, list):
        lines: Sequence[str] = [
            f"{name}: {_unfold(value)}"
            for one in inside[:1]
            if isinstance(one, Message)
            for name, value in islice(one.raw_items(), _MAX_FIELDS)
        ]
        return "\n".join(lines)
    return _read_text(part)
