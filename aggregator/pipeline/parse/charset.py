"""Bytes -> text: which encoding a document is really in. Never asks a codec that is not on its list.

Headers and declarations lie, often both. The order of belief: a byte order mark; bytes that are valid UTF-8 (other text
hardly ever is by chance); the header; the declaration; then what damages the text least. Codecs off the list (UTF-7,
punycode, zlib, unicode_escape) are ways to smuggle, or to crash.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: How "<" begins in an encoding of wider units without a mark (XML 1.0, appendix F).
_WIDE = (
    (b"<\x00\x00\x00", "utf-32-le"),
    (b"\x00\x00\x00<", "utf-32-be"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
)
#: Python's name -> what is used instead: supersets, because publishers mean those.
_ALLOWED = {
    "utf-8": "utf-8",
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "big5hkscs": "big5hkscs",
    "cp950": "big5hkscs",
    "shift_jis": "cp932",
    "cp932": "cp932",
    "euc_jp": "euc_jp",
    "iso2022_jp": "iso2022_jp",
    "euc_kr": "cp949",
    "cp949": "cp949",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "tis-620": "cp874",
    "cp874": "cp874",
    **{f"iso8859-{part}": f"iso8859-{part}" for part in (*range(2, 12), *range(13, 17))},
    **{f"cp125{part}": f"cp125{part}" for part in range(9)},
}
_MULTIBYTE = frozenset({"gb18030", "big5hkscs", "cp932", "euc_jp", "cp949"})
_DECLARATION = re.compile(rb"""<\?xml[^>]{0,500}?encoding\s{0,9}=\s{0,9}["']([A-Za-z0-9._:-]{1,40})["']""")
_KANA = re.compile("[\u3041-\u30ff]")
#: Fewer bytes beyond ASCII than this may be UTF-8 by chance.
_TELLING = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedDocument:
    """Text without byte order mark, and what was odd about its encoding."""

    text: str
    warnings: tuple[str, ...] = ()


def decode_document(body: bytes, content_type: str) -> DecodedDocument:
    """Read ``body`` as text; broken bytes become U+FFFD. Never raises."""
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return _decode(body[len(mark) :], encoding, "byte order mark")
    start = body[:64].lstrip(b" \t\r\n")[:4]
    for beginning, encoding in _WIDE:
        if start.startswith(beginning):
            return _decode(body, encoding, "first bytes")
    header, declared = _find_charset(content_type), _find_declaration(body)
    claims = [claim for claim in (_allow(header), _allow(declared)) if claim]
    if _is_utf8(body, claims):
        return DecodedDocument(text=_strip_marks(body.decode("utf-8")))
    for claim in claims:
        if claim != "utf-8":
            try:
                return DecodedDocument(text=_strip_marks(body.decode(claim)))
            except UnicodeDecodeError:
                continue
    return _decode_damaged(body, claims)


def is_plain_utf8(body: bytes, content_type: str) -> bool:
    """Whether `decode_document` reads ``body``, which begins with no mark, as UTF-8 and finds nothing odd about it.

    If it is UTF-8, that is: where nothing is said to the contrary, the bytes are left to the parser.
    """
    start = body[:64].lstrip(b" \t\r\n")[:4]
    if b"\x00" in start:
        return False
    claims = [claim for claim in (_allow(_find_charset(content_type)), _allow(_find_declaration(body))) if claim]
    return all(claim == "utf-8" for claim in claims) or _is_utf8(body, claims)


@lru_cache(256)
def _find_charset(content_type: str) -> str:
    message = Message()
    message["content-type"] = content_type[:500].replace("\r", " ").replace("\n", " ")
    charset = message.get_param("charset", "")
    return charset if isinstance(charset, str) else ""


def _find_declaration(body: bytes) -> str:
    found = _DECLARATION.search(body, 0, 2048)
    return found[1].decode("ascii") if found else ""


@lru_cache(256)
def _allow(name: str) -> str:
    try:
        return _ALLOWED.get(codecs.lookup(name).name, "") if name else ""
    except (LookupError, ValueError, UnicodeError):  # unknown, or with a NUL in it
        return ""


def _is_utf8(body: bytes, claims: list[str]) -> bool:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    other = next((claim for claim in claims if claim != "utf-8"), "")
    if text.isascii():
        return not (other == "iso2022_jp" and b"\x1b" in body)
    return not (other in _MULTIBYTE and len(body) - len(text) < _TELLING)


def _decode_damaged(body: bytes, claims: list[str]) -> DecodedDocument:
    """No claim fits: what is mostly UTF-8 stays so, else the claim, else Japanese by its kana, else Windows' Latin."""
    text = body.decode("utf-8", "replace")
    damage = text.count("\ufffd")
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    if beyond_ascii - damage >= damage:
        return _decode(body, "utf-8", "bytes")
    claim = next((claim for claim in claims if claim != "utf-8"), "")
    if claim:
        return _decode(body, claim, "declaration")
    for guess in ("cp1252", "cp932", "euc_jp"):
        try:
            text = body.decode(guess)
        except UnicodeDecodeError:
            continue
        if guess == "cp1252" or _KANA.search(text):
            return _decode(body, guess, "guess")
    return _decode(body, "cp1252", "guess")


def _decode(body: bytes, encoding: str, reason: str) -> DecodedDocument:
    text = _strip_marks(body.decode(encoding, "replace"))
    warnings = []
    if reason in ("bytes", "declaration") or "\ufffd" in text:
        warnings.append(f"not all bytes are {encoding}: {text.count(chr(0xFFFD))} were replaced")
    elif reason == "guess":
        warnings.append(f"no encoding fits that it claims; read as {encoding}")
    return DecodedDocument(text=text, warnings=tuple(warnings))


def _strip_marks(text: str) -> str:
    """Some servers put a second mark before the first."""
    return text.lstrip("\ufeff")
