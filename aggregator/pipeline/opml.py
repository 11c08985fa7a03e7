"""Lists of feeds as OPML 2.0, in and out. Never follows a link to another list and never fetches anything.

What the editor set for a feed travels along in attributes of our own namespace, which other programs leave alone:
weight, interval, tags, whether entries may be shown whole, and the rules for a page without a feed. Headers stay at
home: they hold secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from aggregator.model.feed import FOLDER_SCHEME, MAX_OPML_BYTES, MAX_SELECTOR, FeedSpec, OpmlResult, PageRules
from aggregator.pipeline.words import clean_line, xml_text

MAX_FEEDS = 20_000
MAX_TITLE = 300
#: Of our own attributes.
NAMESPACE = "urn:ai-news-aggregator:opml"
_INTERVAL = re.compile(r"(\d{1,8})([smhd])")
#: As `config` allows them: 0 to 100.
_WEIGHT = re.compile(r"(?:\d{1,2}(?:\.\d{1,6})?|100(?:\.0{1,6})?)")
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PAGE_PARTS = ("items", "title", "link", "date")
_SLUG = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_CREDENTIALS = re.compile(r"//[^/?#]*@")
#: Expat and libxml2 read a DTD before anything else; no feed list needs one.
_DTD = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.I)
_OUTLINE = re.compile(r"<(/?)outline\b[^<>]*>")
#: A list is given out in parts of about this size.
_PART_BYTES = 64 * 1024
#: Folders within folders; reading costs as much for each feed as it lies deep.
_MAX_DEPTH = 200
#: The encodings that lists have been seen in; anything else is read as UTF-8.
_DECLARED = re.compile(
    rb"""\s*<\?xml[^>]{0,100}encoding=["'](utf-8|us-ascii|iso-8859-\d{1,2}|windows-125\d|shift_jis|euc-jp|euc-kr|gb2312|"""
    rb"""gbk|gb18030|big5|koi8-[ru])["']""",
    re.I,
)


def parse_opml(data: bytes) -> OpmlResult:
    """Read a list that may be broken: what can be understood is kept, the rest is named in ``problems``.

    A folder's name becomes a tag when it is a clean slug already; ``language`` and our own attributes are taken from
    each outline, and what is wrong with one of them counts as not said.
    """
    text = _decode(data[: MAX_OPML_BYTES + 1])
    refusal = _find_refusal(data, text)
    if refusal:
        return OpmlResult(feeds=(), problems=(refusal,))
    import listparser

    plain = text.encode("ascii", "xmlcharrefreplace")  # the HTML parser inside listparser takes UTF-8 for Latin-1
    try:
        harvest = listparser.parse(plain)
    except (LookupError, ValueError, AttributeError, TypeError, SyntaxError) as error:  # of the library, on odd nesting
        return OpmlResult(feeds=(), problems=(f"found no readable list ({type(error).__name__}), expected OPML",))
    settings = _find_settings(plain)
    feeds: dict[str, FeedSpec] = {}
    problems = []
    if not harvest.version:
        problems.append("found no <opml> element, expected OPML")
    for found in harvest.feeds:
        url = found.url.strip()
        mistake = _find_mistake(url)
        if mistake:
            problems.append(f"found the feed {_CREDENTIALS.sub('//***@', url)[:200]!r}, expected {mistake}")
            continue
        if len(feeds) >= MAX_FEEDS:
            problems.append(f"found more than {MAX_FEEDS:,} feeds, expected less: the rest is left out")
            break
        feeds.setdefault(url, _build_spec(url, found, settings.get(url, _Settings())))
    problems += [
        f"found the list {found.url[:200]!r} inside the list, which is not followed" for found in harvest.lists
    ]
    return OpmlResult(feeds=tuple(feeds.values()), problems=tuple(problems))


def render_opml(feeds: Iterable[FeedSpec], title: str, now: datetime) -> bytes:
    """OPML 2.0, UTF-8; our own folders of posts stay at home, as nobody else could read them."""
    return b"".join(iter_opml(feeds, title, now))


def iter_opml(feeds: Iterable[FeedSpec], title: str, now: datetime) -> Iterator[bytes]:
    """The same part by part, as ``feeds`` come."""
    from lxml import etree

    out = BytesIO()
    with etree.xmlfile(out, encoding="UTF-8") as file:
        file.write_declaration()
        with file.element("opml", {"version": "2.0"}, nsmap={"news": NAMESPACE}):
            head = etree.Element("head")
            etree.SubElement(head, "title").text = xml_text(title)
            etree.SubElement(head, "dateCreated").text = format_datetime(now)
            file.write("\n  ", head, "\n  ")
            with file.element("body"):
                for feed in feeds:
                    if feed.url.startswith(FOLDER_SCHEME):
                        continue
                    file.write("\n    ")
                    with file.element("outline", dict(_iter_attributes(feed))):
                        pass
                    if out.tell() >= _PART_BYTES:
                        yield out.getvalue()
                        out.seek(0)
                        out.truncate()
                file.write("\n  ")
            file.write("\n")
    yield out.getvalue()


def _iter_attributes(feed: FeedSpec) -> Iterator[tuple[str, str]]:
    name = xml_text(feed.title or feed.url)
    yield from (("type", "rss"), ("text", name), ("title", name), ("xmlUrl", xml_text(feed.url)))
    if feed.language:
        yield "language", feed.language
    if feed.tags:
        yield "category", ",".join(feed.tags)
    for key, value in _iter_own(feed):
        yield f"{{{NAMESPACE}}}{key}", xml_text(value)


def _iter_own(feed: FeedSpec) -> Iterator[tuple[str, str]]:
    """Our own attributes, those that differ from their defaults."""
    if feed.weight != 1.0:
        yield "weight", f"{feed.weight:.6g}"
    if feed.interval is not None:
        seconds = round(feed.interval.total_seconds())
        unit = next(unit for unit, size in _UNITS.items() if seconds % size == 0)
        yield "interval", f"{seconds // _UNITS[unit]}{unit}"
    if feed.tags:
        yield "tags", " ".join(feed.tags)  # ``category`` reaches a reader mixed with the names of folders
    if feed.full_content:
        yield "full-content", "true"
    for part in _PAGE_PARTS if feed.page else ():
        if selector := getattr(feed.page, part):
            yield f"page-{part}", selector


def _find_refusal(data: bytes, text: str) -> str:
    if len(data) > MAX_OPML_BYTES:
        return f"found more than {MAX_OPML_BYTES:,} bytes, expected less"
    if _DTD.search(_drop_comments(text)):
        return "found a document type declaration, expected OPML without one"
    if _is_deep(text):
        return f"found outlines more than {_MAX_DEPTH} deep, expected less"
    return "" if text.strip() else "found an empty file, expected OPML"


def _drop_comments(text: str) -> str:
    """By `find`: a pattern would look for the end again from each of many beginnings that have none."""
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return "".join([*kept, text[at:]])


def _is_deep(text: str) -> bool:
    depth = 0
    for found in _OUTLINE.finditer(text):
        if found[1]:
            depth -= 1
        elif not found[0].endswith("/>"):
            depth += 1
            if depth > _MAX_DEPTH:
                return True
    return False


def _decode(data: bytes) -> str:
    """The text without its XML declaration. Decoded here, so that no encoding hides a DTD from the search for one."""
    encoding = "utf-8"
    declared = _DECLARED.match(data)
    if data.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        encoding = "utf-32"
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\x00" in data[:64]:
        encoding = "utf-16-le" if data[1:2] == b"\x00" else "utf-16-be"
    elif declared and not data.startswith(b"\xef\xbb\xbf"):
        encoding = declared[1].decode()
    try:
        text = data.decode(encoding, "replace").replace("\x00", "")
    except LookupError:  # iso-8859-12 was never made
        text = data.decode("utf-8", "replace")
    return re.sub(r"^\ufeff?\s*<\?xml[^>]*\?>", "", text).removeprefix("\ufeff")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """What an outline says that listparser does not report."""

    language: str = ""
    weight: float = 1.0
    interval: timedelta | None = None
    tags: tuple[str, ...] = ()
    full_content: bool = False
    page: PageRules | None = None


def _find_settings(data: bytes) -> dict[str, _Settings]:
    """``xmlUrl`` -> what is set for it; the first outline of an address counts, as its title does."""
    from lxml import etree

    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data.lstrip(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return {}
    found: dict[str, _Settings] = {}
    for outline in root.iter("outline") if root is not None else ():
        found.setdefault(outline.get("xmlUrl", "").strip(), _read_settings(outline))
    return found


def _read_settings(outline: Any) -> _Settings:
    def ours(name: str) -> str:
        return str(outline.get(f"{{{NAMESPACE}}}{name}", "")).strip()

    language = outline.get("language", "").strip()
    interval = _INTERVAL.fullmatch(ours("interval"))
    rules = {part: xml_text(ours(f"page-{part}"))[:MAX_SELECTOR] for part in _PAGE_PARTS}
    return _Settings(
        language=language if _LANGUAGE.fullmatch(language) else "",
        weight=float(ours("weight")) if _WEIGHT.fullmatch(ours("weight")) else 1.0,
        interval=timedelta(seconds=int(interval[1]) * _UNITS[interval[2]]) if interval else None,
        tags=tuple(tag for tag in ours("tags").split() if _is_tag(tag)),
        full_content=ours("full-content") == "true",
        page=PageRules(**rules) if rules["items"] else None,
    )


def _is_tag(word: str) -> bool:
    return _SLUG.fullmatch(word) is not None and len(word) <= 80


def _find_mistake(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(c.isspace() or not c.isprintable() for c in url):
        return "a web address beginning with http:// or https://"
    return "one without a user name or password" if parts.username is not None else ""


def _build_spec(url: str, found: Any, settings: _Settings) -> FeedSpec:
    words = dict.fromkeys(word.lower() for path in found.get("categories", ()) for word in path)
    return FeedSpec(
        url=url,
        origin="opml",
        title=clean_line(found.title, MAX_TITLE),
        language=settings.language,
        weight=settings.weight,
        interval=settings.interval,
        tags=settings.tags or tuple(word for word in words if _is_tag(word)),
        full_content=settings.full_content,
        page=settings.page,
    )
