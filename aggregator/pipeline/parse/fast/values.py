"""Texts as feedparser reads them: dates, addresses, repaired encodings, what looks like HTML. Never keeps any state."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.entities import entitydefs
from urllib.parse import urljoin

from aggregator.pipeline.dates import from_utc_fields
from aggregator.pipeline.parse.fast.names import HTML_ELEMENTS
from aggregator.pipeline.parse.fast.namespaces import Unmodelled

_C1 = re.compile("[\x80-\x9f]")
#: What Windows means by the control characters U+0080 to U+009F.
_WINDOWS = {
    code: bytes([code]).decode("cp1252") for code in range(0x80, 0xA0) if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
#: Addresses that joining with any other leaves as they are.
_ABSOLUTE = re.compile(r"https?://[A-Za-z0-9._:-]+(?:/[^\s?#;]*+)?+(?:\?[^\s#]++)?+(?:#\S++)?+\Z")
_SLASHES = re.compile("^([A-Za-z][A-Za-z0-9+-.]*://)(/*)(.*?)")
_SCHEMES = frozenset(
    "file ftp gopher h323 hdl http https imap magnet mailto mms news nntp prospero rsync rtsp rtspu sftp shttp sip "
    "sips snews svn svn+ssh telnet wais aim callto cvs facetime feed git gtalk irc ircs irc6 itms msnim skype ssh smb "
    "ymsg".split()
)
_MONTHS = {name: number for number, name in enumerate(("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec").split(), 1)}
_NONE = timedelta()
_ZONES = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
#: RFC 822 with a year of four digits, and RFC 3339: nearly all dates of feeds. ASCII digits only.
_RFC_822 = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?([0-9]{1,2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r" ((?:19|20)[0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r" (?:GMT|UTC|UT|Z|([ECMP][SD]T)|([+-])([0-9]{2})([0-9]{2}))\Z"
)
_RFC_3339 = re.compile(
    r"((?:19|20)[0-9]{2})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?(?:Z|([+-])([0-9]{2}):([0-9]{2}))?)?\Z"
)
_CLOSING = re.compile(r"</(\w+)>")
_REFERENCE = re.compile(r"&#?\w+;")
_TAG_NAME = re.compile(r"</?(\w+)")
_NAMED = re.compile(r"&(\w+);")
_CONTENT_TYPES = {"text": "text/plain", "plain": "text/plain", "html": "text/html", "xhtml": "application/xhtml+xml"}


def repair_text(text: str, may_hold_c1: bool) -> str:
    """UTF-8 that was taken for Latin 1 put right, and Windows' characters put where they belong.

    ``may_hold_c1``: the document holds U+0080 to U+009F somewhere; without them there is nothing to look for.
    """
    if text.isascii():
        return text
    try:
        text = text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        if not may_hold_c1:
            return text
    if "\ufffe" in text or "\uffff" in text:
        raise Unmodelled("characters that XML forbids")
    return text.translate(_WINDOWS) if _C1.search(text) else text


def join_address(base: str, address: str) -> str:
    """``address`` relative to ``base``; empty when it cannot be read."""
    if _ABSOLUTE.match(address):
        return address
    try:
        return urljoin(base, _SLASHES.sub(r"\1\3", address))
    except ValueError:
        return ""


def join_base(base: str, address: str) -> str:
    """The base inside an element that names ``address``; still ``base`` when that has no usable scheme."""
    if not base:
        return join_address(base, address)
    joined = join_address(base, address)
    return joined if joined.strip().split(":", 1)[0] in _SCHEMES else base


def read_date(text: str) -> datetime | None:
    """The instant in UTC; None when nobody can read it."""
    if not text:
        return None
    if found := _RFC_3339.match(text):
        year, month, day, hour, minute, second, sign, hours, minutes = found.groups("0")
        offset = _NONE if sign == "0" else _offset(sign, hours, minutes)
        return _make_date(int(year), int(month), int(day), int(hour), int(minute), int(second), offset, text)
    if found := _RFC_822.match(text):
        day, name, year, hour, minute, second, zone, sign, hours, minutes = found.groups()
        offset = _offset(sign, hours, minutes) if sign else timedelta(hours=_ZONES[zone]) if zone else _NONE
        return _make_date(int(year), _MONTHS[name], int(day), int(hour), int(minute), int(second), offset, text)
    return _read_odd_date(text)


def _offset(sign: str, hours: str, minutes: str) -> timedelta:
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return -offset if sign == "-" else offset


def _make_date(
    year: int, month: int, day: int, hour: int, minute: int, second: int, offset: timedelta, text: str
) -> datetime | None:
    try:
        moment = datetime(year, month, day, hour, minute, second, 0, UTC)
        return moment - offset if offset else moment
    except ValueError:  # the thirtieth of February: others may make something of it
        return _read_odd_date(text)


def _read_odd_date(text: str) -> datetime | None:
    from feedparser.datetimes import _parse_date

    fields = _parse_date(text)
    return from_utc_fields(fields) if isinstance(fields, tuple) else None


def map_type(content_type: str) -> str:
    """A type of content by its full name, in lower case."""
    content_type = content_type.lower()
    return _CONTENT_TYPES.get(content_type, content_type)


def looks_like_html(text: str) -> bool:
    """Whether a plain text is HTML: it ends an element or refers to a character, and all that it holds are known."""
    if "<" not in text and "&" not in text:
        return False
    if not (_CLOSING.search(text) or _REFERENCE.search(text)):
        return False
    if any(name.lower() not in HTML_ELEMENTS for name in _TAG_NAME.findall(text)):
        return False
    return all(name in entitydefs for name in _NAMED.findall(text))
