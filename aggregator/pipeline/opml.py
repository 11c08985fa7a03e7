"""Lists of feeds as OPML 2.0, in and out. Never follows a link to another list and never fetches anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from aggregator.model.feed import MAX_OPML_BYTES, FeedSpec, OpmlResult
from aggregator.pipeline.words import clean_line, xml_text

MAX_FEEDS = 20_000
MAX_TITLE = 300
_SLUG = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_CREDENTIALS = re.compile(r"//[^/?#]*@")
#: Expat and libxml2 read a DTD before anything else; no feed list needs one.
_DTD = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.I)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
#: The encodings that lists have been seen in; anything else is read as UTF-8.
_DECLARED = re.compile(
    rb"""\s*<\?xml[^>]{0,100}encoding=["'](utf-8|us-ascii|iso-8859-\d{1,2}|windows-125\d|shift_jis|euc-jp|euc-kr|gb2312|"""
    rb"""gbk|gb18030|big5|koi8-[ru])["']""",
    re.I,
)


def parse_opml(data: bytes) -> OpmlResult:
    """Read a list that may be broken: what can be understood is kept, the rest is named in ``problems``.

    A folder's name becomes a tag when it is a clean slug already; ``language`` is taken from each outline.
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
    languages = _find_languages(plain)
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
        feeds.setdefault(url, _build_spec(url, found, languages.get(url, "")))
    problems += [
        f"found the list {found.url[:200]!r} inside the list, which is not followed" for found in harvest.lists
    ]
    return OpmlResult(feeds=tuple(feeds.values()), problems=tuple(problems))


def render_opml(feeds: Sequence[FeedSpec], title: str, now: datetime) -> bytes:
    """OPML 2.0, UTF-8; our own folders of posts stay at home, as nobody else could read them."""
    from lxml import etree

    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = xml_text(title)
    etree.SubElement(head, "dateCreated").text = format_datetime(now)
    body = etree.SubElement(root, "body")
    for feed in feeds:
        if feed.url.startswith("folder:"):
            continue
        name = xml_text(feed.title or feed.url)
        outline = etree.SubElement(body, "outline", type="rss", text=name, title=name, xmlUrl=xml_text(feed.url))
        if feed.language:
            outline.set("language", feed.language)
        if feed.tags:
            outline.set("category", ",".join(feed.tags))
    etree.indent(root)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _find_refusal(data: bytes, text: str) -> str:
    if len(data) > MAX_OPML_BYTES:
        return f"found more than {MAX_OPML_BYTES:,} bytes, expected less"
    if _DTD.search(_COMMENT.sub("", text)):
        return "found a document type declaration, expected OPML without one"
    return "" if text.strip() else "found an empty file, expected OPML"


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


def _find_languages(data: bytes) -> dict[str, str]:
    """``xmlUrl`` -> ``language``, which listparser does not report."""
    from lxml import etree

    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data.lstrip(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return {}
    return dict(_iter_languages(root))


def _iter_languages(root: Any) -> Iterator[tuple[str, str]]:
    for outline in root.iter("outline") if root is not None else ():
        language = outline.get("language", "").strip()
        if _LANGUAGE.fullmatch(language):
            yield outline.get("xmlUrl", "").strip(), language


def _find_mistake(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(c.isspace() or not c.isprintable() for c in url):
        return "a web address beginning with http:// or https://"
    return "one without a user name or password" if parts.username is not None else ""


def _build_spec(url: str, found: Any, language: str) -> FeedSpec:
    words = dict.fromkeys(word.lower() for path in found.get("categories", ()) for word in path)
    tags = tuple(word for word in words if _SLUG.fullmatch(word) and len(word) <= 80)
    return FeedSpec(url=url, origin="opml", title=clean_line(found.title, MAX_TITLE), language=language, tags=tags)
