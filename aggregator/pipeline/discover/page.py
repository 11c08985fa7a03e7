"""The feeds that a web page names: ``<link>`` elements, the service its own address belongs to, links to click.

The page is hostile: only its first megabyte is read, as a row of tags (`pipeline.htmltext`), so that no nesting costs
anything and no regex goes back; what stands in comments, scripts and ``<template>`` is not there.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import urldefrag, urlsplit

from aggregator.pipeline.discover.candidates import Candidate, Kind, find_site
from aggregator.pipeline.discover.platforms import guess_by_service
from aggregator.pipeline.htmltext import iter_tokens
from aggregator.pipeline.urls import FindDomain, resolve_url
from aggregator.pipeline.words import clean_line, read_references

#: Some pages carry half a megabyte of style and script before their links.
MAX_PAGE_BYTES = 1 << 20
_MAX_LINKS = 200
_MAX_ANCHORS = 5
#: A longer tag is no link but somebody's picture in an address.
_MAX_TAG = 4096

_TYPES: dict[str, Kind] = {
    "application/atom+xml": "atom",
    "application/x-atom+xml": "atom",
    "application/rss+xml": "rss",
    "application/x-rss+xml": "rss",
    "application/rdf+xml": "rss",
    "application/feed+json": "json",
}
#: These may be anything, so that the address has to look like a feed's.
_VAGUE_TYPES: dict[str, Kind] = {"": "", "text/xml": "", "application/xml": "", "application/json": "json"}
_RELATIONS = frozenset({"alternate", "feed", "rss", "atom", ""})
_ORDER = {"atom": 0, "rss": 1, "json": 2, "": 3}

_ATTRIBUTE = re.compile(r"""([^\s/>="']++)(?:\s*+=\s*+(?:"([^"]*+)|'([^']*+)|([^\s>"']++)))?""")
_FEED_PATH = re.compile(
    r"(?:^|/)(?:feeds?|rss2?|atom|rdf)/?$"
    r"|(?:^|/)[\w-]{0,60}(?:feed|rss|atom|index)[\w-]{0,60}\.(?:xml|json|php)$"
    r"|\.(?:rss|atom|rdf)$",
    re.IGNORECASE,
)
_FEED_QUERY = re.compile(r"(?:^|&)(?:feed|format|type|alt|view)=(?:rss2?|atom|rdf|feed)(?:&|$)", re.IGNORECASE)
_COMMENTS = re.compile(
    r"com?ment(?!ar(?:y|ies)\b)|kommentar|reacties|replies|コメント|评论|評論|댓글|комментари", re.IGNORECASE
)
_CHARSET = re.compile(rb"""<meta\s[^<>]{0,300}?charset\s{0,9}=\s{0,9}["']?\s{0,9}([\w.:-]{1,40})""", re.IGNORECASE)
_HEADER_CHARSET = re.compile(r"""charset\s{0,9}=\s{0,9}["']?([\w.:-]{1,40})""", re.IGNORECASE)
#: Asked by name, so that no codec is run that is no encoding of text (UTF-7, zlib, punycode).
_ENCODINGS = re.compile(
    r"utf-?8|us-ascii|iso-?8859-\d{1,2}|latin-?1|windows-125\d|cp125\d|shift[_-]jis|sjis|windows-31j|euc-jp|iso-2022-jp|"
    r"euc-kr|gb2312|gbk|gb18030|big5|koi8-[ru]|tis-620",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Links:
    """What was gathered on the way through a page, addresses as written."""

    base: str = ""
    #: Address, title, kind.
    named: list[tuple[str, str, Kind]] = field(default_factory=list)
    #: Address, words.
    clickable: list[tuple[str, str]] = field(default_factory=list)
    #: What the page calls its own address.
    own: list[str] = field(default_factory=list)


def find_candidates(body: bytes, *, content_type: str = "", url: str, find_domain: FindDomain) -> tuple[Candidate, ...]:
    """The feeds that the page at ``url`` names, the best guess first, each address once.

    Atom before RSS before JSON Feed, and feeds of comments after all others. When none is named: links on the same site
    whose address looks like a feed's, a few of them.
    """
    links = _gather(_decode(body[:MAX_PAGE_BYTES], content_type))
    site = find_site(url, find_domain)
    base = resolve_url(url, links.base) or url if links.base else url
    found = sorted(_iter_named(links, base), key=_rank)
    for own in links.own:
        address = _resolve(base, own)
        if address and address != url and find_site(address, find_domain) == site:
            found += guess_by_service(address)
    if all(candidate.is_comments for candidate in found):
        near = (seen for seen in _iter_clickable(links, base) if find_site(seen.url, find_domain) == site)
        found = sorted(islice(near, _MAX_ANCHORS), key=_rank) + found
    return tuple({candidate.url: candidate for candidate in reversed(found)}.values())[::-1]


def _gather(text: str) -> _Links:
    links = _Links()
    anchor = ""
    for token in iter_tokens(text):
        if token.raw:
            continue
        if anchor:
            links.clickable.append((anchor, clean_line(token.text, 100)))
            anchor = ""
        if token.closing or token.name not in ("a", "base", "link", "meta") or len(token.source) > _MAX_TAG:
            continue
        said = _read_attributes(token.source, token.name)
        href = said.get("href", "").strip()
        if token.name == "a":
            anchor = href if len(links.clickable) < _MAX_LINKS and _looks_like_feed(href) else ""
        elif token.name == "base":
            links.base = links.base or href
        elif token.name == "meta" and said.get("property", "").lower() == "og:url":
            links.own.append(said.get("content", ""))
        elif token.name == "link":
            _take_link(links, said, href)
        if len(links.named) >= _MAX_LINKS:
            break
    links.own = links.own[:2]
    return links


def _take_link(links: _Links, said: dict[str, str], href: str) -> None:
    relations = set(said.get("rel", "").lower().split()) or {""}
    if "canonical" in relations:
        links.own.insert(0, href)
    if not href or relations.isdisjoint(_RELATIONS) or "stylesheet" in relations:
        return
    title, kind = clean_line(said.get("title", ""), 200), said.get("type", "").partition(";")[0].strip().lower()
    if kind in _TYPES:
        links.named.append((href, title, _TYPES[kind]))
    elif kind in _VAGUE_TYPES and relations != {""} and _looks_like_feed(href):
        links.named.append((href, title, _VAGUE_TYPES[kind]))


def _read_attributes(tag: str, name: str) -> dict[str, str]:
    """The attributes of a tag as written, names in lower case; the first of a name counts (HTML 13.2.5.33)."""
    said: dict[str, str] = {}
    for found in _ATTRIBUTE.finditer(tag, len(name) + 1):
        value = found[2] or found[3] or found[4] or ""
        said.setdefault(found[1].lower(), read_references(value) if "&" in value else value)
    return said


def _iter_named(links: _Links, base: str) -> Iterator[Candidate]:
    for href, title, kind in links.named:
        if address := _resolve(base, href):
            comments = _is_comments(address, title)
            yield Candidate(url=address, title=title, kind=kind, is_comments=comments, why="the page names it")


def _iter_clickable(links: _Links, base: str) -> Iterator[Candidate]:
    for href, words in links.clickable:
        if address := _resolve(base, href):
            comments = _is_comments(address, words)
            yield Candidate(url=address, title=words, is_comments=comments, why="the page links to it")


def _resolve(base: str, href: str) -> str:
    """As an absolute address without its fragment; ``feed:`` in front (an old habit) is undone."""
    href = href.strip()
    if href[:5].lower() == "feed:":
        href = href[5:]  # "feed://host/path" is left relative to the page's scheme, as it should be
    return resolve_url(base, urldefrag(href).url)


def _looks_like_feed(href: str) -> bool:
    """Whether an address as written has the name of a feed."""
    if len(href) > _MAX_TAG:
        return False
    try:
        parts = urlsplit(href.strip())
    except ValueError:
        return False
    return bool(_FEED_PATH.search(parts.path[-200:]) or _FEED_QUERY.search(parts.query[:500]))


def _rank(candidate: Candidate) -> tuple[bool, int]:
    return candidate.is_comments, _ORDER[candidate.kind]


def _is_comments(url: str, title: str) -> bool:
    return bool(_COMMENTS.search(title) or "/comments/" in urlsplit(url).path.lower())


def _decode(body: bytes, content_type: str) -> str:
    """The text; in what encoding does not matter to addresses, which are ASCII, only to titles."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if body.startswith(mark):
            return body[2:].decode(encoding, "replace")
    in_page = _CHARSET.search(body[:4096])
    declared = _HEADER_CHARSET.search(content_type)
    name = declared[1] if declared else in_page[1].decode("ascii", "replace") if in_page else "utf-8"
    return body.decode(name if _ENCODINGS.fullmatch(name) else "utf-8", "replace")
