"""A document's text -> bytes without what is known to cost feedparser far more than its length.

Every step is one pass (no pattern here goes back), and every limit is stated. What is dropped: the prolog with its DTD
(small literal entities are written out, since real feeds use them; external ones are never opened), characters and
references that XML forbids. What is over a limit raises ``too_hostile``. What is merely broken is left for feedparser.

No promise that nothing else is slow: the limits of CPU, memory and time of the sandbox that this runs in are the last
resort, and a document that meets them is ``too_hostile`` as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html.entities import name2codepoint
from typing import Any

from aggregator.errors import ParseError
from aggregator.model.settings import MAX_DOCUMENT_BYTES
from aggregator.pipeline.words import xml_text

MAX_BYTES = MAX_DOCUMENT_BYTES
MAX_ENTRIES = 5_000
#: Start and end tags, and whatever else begins with ``<``: feedparser takes some 15 microseconds for each.
MAX_TAGS = 400_000
#: Different ones: feedparser looks through all of them at each tag. Real feeds have about ten.
MAX_PREFIXES = 100
MAX_TAG_LENGTH = 64 * 1024
MAX_ATTRIBUTES = 256
MAX_PROLOG = 128 * 1024
MAX_ENTITIES = 64
MAX_ENTITY_LENGTH = 256
MAX_ENTITY_GROWTH = 1024 * 1024
#: An author's text, and a word in it, in which an e-mail address is looked for.
MAX_AUTHOR = 320
MAX_AUTHOR_WORD = 64

_ENTITY = re.compile(
    rf"""<!ENTITY\s{{1,20}}([A-Za-z_][\w.-]{{0,40}})\s{{1,20}}
    (?:"([^"&%<]{{0,{MAX_ENTITY_LENGTH}}}|&\#\w{{1,8}};)"|'([^'&%<]{{0,{MAX_ENTITY_LENGTH}}}|&\#\w{{1,8}};)')\s{{0,20}}>""",
    re.VERBOSE,
)
#: All that is no reference of XML's own.
_NAMED = re.compile(r"&(?!#|(?:amp|lt|gt|quot|apos);)(?:([A-Za-z_][\w.-]{0,40});)?")
#: The references that may be bad: to less than U+0020, to U+D800 and beyond. The usual ones between are passed over.
_REFERENCE = re.compile(
    r"&#(?:(0*(?:[0-2]?[0-9](?![0-9])|3[01](?![0-9])|5[5-9][0-9]{3}|[6-9][0-9]{4}|[0-9]{6,})[0-9]*+)"
    r"|[xX](0*(?:1?[0-9a-fA-F](?![0-9a-fA-F])|[dD][89a-fA-F]|[eEfF][0-9a-fA-F]|[0-9a-fA-F]{5,})[0-9a-fA-F]*+))(;?)"
)
_ESCAPED_BIG_REFERENCE = re.compile(r"&amp;#[xX]?[0-9a-fA-F]{9,}+")
_LONG_TAG = re.compile(r"<[\w:][^<>]{2048,}+")
_ENTRY = re.compile(r"<(?:\w{1,20}:)?(?:item|entry)[\s/>]", re.IGNORECASE)
_PREFIX = re.compile(r"\sxmlns:([^\s=<>]++)")
_SECTION = re.compile(r"<!--|<!\[CDATA\[|<\?")
_SECTION_ENDS = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>"}
_AUTHOR_WORD = re.compile(rf"[a-zA-Z0-9_.+-]{{{MAX_AUTHOR_WORD + 1}}}")
_DOCTYPE = "<!DOCTYPE"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedDocument:
    """UTF-8 with a declaration that says so."""

    data: bytes
    warnings: tuple[str, ...] = ()


def bound_document(text: str) -> BoundedDocument:
    """Apply all limits to ``text``; raises `ParseError` (``too_hostile``) over one of them."""
    warnings: list[str] = []
    text = xml_text(text)
    start, entities = _skip_prolog(text, warnings)
    text = text[start:]
    _check_entities(text, entities)
    if "&" in text:
        text = _repair_references(text, entities)
    _check_markup(text)
    data = b'<?xml version="1.0" encoding="utf-8"?>\n' + text.encode("utf-8", "replace")
    return BoundedDocument(data=data, warnings=tuple(warnings))


def _skip_prolog(text: str, warnings: list[str]) -> tuple[int, dict[str, str]]:
    """Where the root element begins, and the small literal entities of the DTD before it."""
    position, entities = 0, dict[str, str]()
    while position < len(text):
        if position > MAX_PROLOG:
            raise ParseError("too_hostile", f"no element in the first {MAX_PROLOG:,} characters")
        if text[position].isspace():
            position += 1
        elif text.startswith("<!--", position):
            position = _end_of(text, "-->", position + 4)
        elif text.startswith("<?", position):
            position = _end_of(text, "?>", position + 2)
        elif text[position : position + len(_DOCTYPE)].upper() == _DOCTYPE:
            position = _skip_doctype(text, position, entities)
        elif text[position] == "<":
            break
        else:
            position = text.find("<", position)
            if position < 0:
                break
            warnings.append("text before the first element")
    return (position if position >= 0 else len(text)), entities


def _end_of(text: str, ending: str, start: int) -> int:
    found = text.find(ending, start)
    return found + len(ending) if found >= 0 else len(text)


def _skip_doctype(text: str, start: int, entities: dict[str, str]) -> int:
    end, subset = text.find(">", start), text.find("[", start)
    if 0 <= subset < end:
        closing = text.find("]", subset)
        if closing < 0:
            return len(text)
        for found in _ENTITY.finditer(text, subset, min(closing, subset + MAX_PROLOG)):
            entities.setdefault(found[1], found[2] if found[2] is not None else found[3])
        end = text.find(">", closing)
    return end + 1 if end >= 0 else len(text)


def _check_entities(text: str, entities: dict[str, str]) -> None:
    if len(entities) > MAX_ENTITIES:
        raise ParseError("too_hostile", f"{len(entities)} entities are declared, more than {MAX_ENTITIES}")
    growth = sum(text.count(f"&{name};") * len(value) for name, value in entities.items())
    if growth > MAX_ENTITY_GROWTH:
        raise ParseError("too_hostile", f"its entities would add {growth:,} characters")


def _repair_references(text: str, entities: dict[str, str]) -> str:
    """Numeric references that feedparser raises on become U+FFFD, and outside of CDATA each ``&`` becomes well-formed.

    Undeclared HTML names and bare ampersands are the commonest fault of feeds. Mended here, the document can be read by
    the strict parser; the lenient one would make ``R&D;`` of ``R&D``.
    """

    def write_out(use: re.Match[str]) -> str:
        name = use[1]
        if name is None:
            return "&amp;"
        if name in entities:
            return entities[name]
        return f"&#{name2codepoint[name]};" if name in name2codepoint else f"&amp;{name};"

    text = _ESCAPED_BIG_REFERENCE.sub("&amp;#xFFFD", _REFERENCE.sub(_repair_reference, text))
    pieces: list[str] = []
    for stretch, is_markup in _iter_stretches(text):
        pieces.append(_NAMED.sub(write_out, stretch) if is_markup else stretch)
    return "".join(pieces)


def _repair_reference(found: re.Match[str]) -> str:
    """U+FFFD for a reference to what is no XML character; feedparser raises on some of them."""
    digits = (found[1] or found[2]).lstrip("0") or "0"
    if len(digits) > 7:
        return "\ufffd"
    code = int(digits, 10 if found[1] else 16)
    legal = code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    return found[0] if legal else "\ufffd"


def _iter_stretches(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces: markup, and CDATA sections (False), whose content is none.

    Comments and instructions count as markup; what looks like a CDATA section in one of them is none.
    """
    start = position = 0
    while section := _SECTION.search(text, position):
        position = _end_of(text, _SECTION_ENDS[section[0]], section.end())
        if section[0] == "<![CDATA[":
            yield text[start : section.start()], True
            yield text[section.start() : position], False
            start = position
    yield text[start:], True


def _check_markup(text: str) -> None:
    entries = tags = 0
    prefixes: set[str] = set()
    for stretch, is_markup in _iter_stretches(text):
        if not is_markup:
            continue
        entries += sum(1 for _ in _ENTRY.finditer(stretch))
        if entries > MAX_ENTRIES:
            raise ParseError("too_hostile", f"more than {MAX_ENTRIES:,} entries")
        tags += stretch.count("<")
        if tags > MAX_TAGS:
            raise ParseError("too_hostile", f"more than {MAX_TAGS:,} tags")
        prefixes.update(found[1] for found in _PREFIX.finditer(stretch))
        if len(prefixes) > MAX_PREFIXES:
            raise ParseError("too_hostile", f"more than {MAX_PREFIXES} namespace prefixes")
        for tag in _LONG_TAG.finditer(stretch):
            if tag.end() - tag.start() > MAX_TAG_LENGTH:
                raise ParseError("too_hostile", f"a start tag of more than {MAX_TAG_LENGTH:,} characters")
            if stretch.count("=", tag.start(), tag.end()) > MAX_ATTRIBUTES:
                raise ParseError("too_hostile", f"a start tag with more than {MAX_ATTRIBUTES} attributes")


def is_searchable(author: str) -> bool:
    """Whether an e-mail address may be looked for in an author's text: it is short, and so are its words."""
    return len(author) <= MAX_AUTHOR and _AUTHOR_WORD.search(author) is None


@cache
def bound_author_search() -> None:
    """Teach feedparser to leave an author's text alone when it is not searchable: its pattern takes quadratic time."""
    from feedparser.mixin import _FeedParserMixin

    find_address = _FeedParserMixin._sync_author_detail

    def find_address_if_short(self: Any, key: str = "author") -> None:
        context = self._get_context()
        author = context.get(key)
        detail = (context.get(f"{key}s") or [type(context)()])[-1]
        if detail or not isinstance(author, str) or is_searchable(author):
            find_address(self, key)
            return
        context.setdefault(f"{key}_detail", detail)
        detail["name"] = author

    _FeedParserMixin._sync_author_detail = find_address_if_short
