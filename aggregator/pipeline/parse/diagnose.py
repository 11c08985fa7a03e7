"""What a document is when it is no feed, said so that an editor knows what to do. Never reads a feed."""

from __future__ import annotations

import re

from aggregator.errors import ParseError
from aggregator.model.walls import WALLS, WALLS_OF_SHORT_PAGES, WallMarks, find_mark
from aggregator.pipeline.words import clean_line

#: How files begin that are served at a feed's address by mistake.
_MAGIC = (
    (b"\x1f\x8b", "gzip data that is not declared as such"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF", "a PDF file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a media file"),
    (b"ID3", "an audio file"),
)
_FEED_MARK = re.compile(r"<(?:\w{1,20}:)?(?:rss|feed|rdf|channel|item|entry)[\s>]", re.IGNORECASE)
_WEB_MARK = re.compile(r"<!doctype\s+html|<(?:html|head|body|title|meta|script)[\s>]", re.IGNORECASE)
_ROOT = re.compile(
    r"\s*+(?:<\?[^>]*+>\s*+|<!--[^-]*+(?:-(?!->)[^-]*+)*-->\s*+|<![^>]*+>\s*+)*<([A-Za-z_][\w:.-]{0,60})"
)
_DECLARATION = re.compile(r"\s{0,50}<\?xml[^<>]{0,200}\?>\s{0,50}")
_ONLY_DECLARED = "there is an XML declaration and nothing after it"
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{0,300})", re.IGNORECASE)
_FEED_LINK = re.compile(r"<link\s[^<>]{0,1000}application/(?:rss|atom|feed)\+(?:xml|json)[^<>]{0,1000}>", re.IGNORECASE)
_HREF = re.compile(r"""href\s{0,9}=\s{0,9}(?:"([^"<>]{1,300})"|'([^'<>]{1,300})'|([^"'\s<>]{1,300}))""", re.IGNORECASE)
_PASSWORD = re.compile(r"""type\s{0,9}=\s{0,9}["']?password""", re.IGNORECASE)
#: Who else stands in the way, by words that only their pages hold.
_OTHERS: WallMarks = (
    (
        ("sedoparking", "parkingcrew", "hugedomains.com", "parklogic.com", "data-adblockkey"),
        "the page of a parked domain",
    ),
    (("consent.google.com/", "consent.youtube.com/", "guce.advertising.com", "consent.yahoo.com"), "a consent page"),
)
_SHORT = 16 * 1024
#: What pages of a kind are called, in the languages that they are met in.
_TITLES = (
    (
        re.compile(
            r"before you continue|\bconsent\b|cookie (?:settings|notice)|privacy settings|einwilligung|同意", re.I
        ),
        "a consent page",
    ),
    (
        re.compile(
            r"domain (?:name )?(?:is|may be|might be) for sale|buy this domain|parked (?:domain|free)|domain parking",
            re.I,
        ),
        "the page of a parked domain",
    ),
    (
        re.compile(
            r"\bmaintenance\b|be (?:right )?back soon|be right back|temporarily unavailable|coming soon|wartung"
            r"|メンテナンス|维护|維護|점검",
            re.I,
        ),
        "a maintenance page",
    ),
    (
        re.compile(r"are you (?:a )?(?:human|robot)|robot check|human verification|captcha|bot verification", re.I),
        "a captcha page",
    ),
    (re.compile(r"access denied|\bforbidden\b|request blocked|\b403\b", re.I), "a refusal"),
    (re.compile(r"not found|\b404\b", re.I), "an error page"),
)
_LOGIN = re.compile(r"\b(?:log|sign)[ -]?in\b|anmeld|connexion|iniciar sesi|ログイン|登录|登入|로그인", re.IGNORECASE)
_NEEDS_SCRIPTS = re.compile(
    r"(?:enable|requires?|needs?) javascript|javascript (?:is|to be) (?:required|disabled|enabled)", re.IGNORECASE
)
_ROOTS = {
    "opml": "a list of feeds (OPML); name it under `opml:`",
    "urlset": "a sitemap",
    "sitemapindex": "a sitemap index",
    "svg": "an SVG picture",
    "error": "an error message in XML",
}
_HEAD = 64 * 1024
_SHOWN_FEEDS = 3


def find_other_file(body: bytes) -> None:
    """Raise `ParseError` for an empty body and for pictures, archives and the like."""
    if not body.strip():
        raise ParseError("not_a_feed", "the body is empty")
    for magic, what in _MAGIC:
        if body.startswith(magic):
            raise ParseError("not_a_feed", f"this is {what}")


def find_impostor(body: bytes, text: str) -> None:
    """Raise `ParseError` for what is certainly no feed, before any work is spent on it."""
    find_other_file(body)
    if _DECLARATION.fullmatch(text):
        raise ParseError("not_a_feed", _ONLY_DECLARED)
    head = text[:_HEAD].lstrip()
    if _WEB_MARK.search(head, 0, 4096) and not _FEED_MARK.search(text):
        raise ParseError("web_page", describe_page(text))


def describe_page(text: str) -> str:
    """One sentence about a web page: what kind it is, its title, and the feeds that it names."""
    blocker = name_blocker(text)
    head = text[:_HEAD]
    found = _TITLE.search(head)
    title = clean_line(found[1], 80) if found else ""
    feeds = _find_feeds(head)
    what = blocker or _name_kind(text, title, has_feeds=bool(feeds))
    sentence = f'this is {what} ("{title}"), not a feed' if title else f"this is {what}, not a feed"
    if blocker or not feeds:
        return sentence
    if len(feeds) == 1:
        return f"{sentence}; it names a feed at {feeds[0]}"
    return f"{sentence}; it names {len(feeds)} feeds: {', '.join(feeds[:_SHOWN_FEEDS])}"


def name_blocker(text: str) -> str:
    """Who stands before the page that was asked for ("a Cloudflare challenge page"); empty when nobody is known to."""
    short = WALLS_OF_SHORT_PAGES if len(text) < _SHORT else ()
    return find_mark(text[:_HEAD].lower(), WALLS + _OTHERS + short)


def _name_kind(text: str, title: str, *, has_feeds: bool) -> str:
    """A page that names feeds of its own is the site's, whatever it is called."""
    if not has_feeds:
        for pattern, what in _TITLES:
            if pattern.search(title):
                return what
        if _PASSWORD.search(text, 0, _HEAD) and (_LOGIN.search(title) or len(text) < _SHORT):
            return "a login page"
        if len(text) < _SHORT and _NEEDS_SCRIPTS.search(text):
            return "a page that is nothing without its scripts"
    return "a web page"


def _find_feeds(head: str) -> list[str]:
    """The addresses of the feeds that a page names in ``<link rel=alternate>``, as written, each once."""
    found: dict[str, None] = {}
    for link in _FEED_LINK.finditer(head):
        href = _HREF.search(link[0])
        if href:
            found.setdefault(clean_line(href[1] or href[2] or href[3], 200))
    return [address for address in found if address]


def explain_failure(text: str, trouble: object) -> ParseError:
    """Why feedparser found neither a feed nor an entry; ``trouble`` is its own complaint."""
    head = text[:_HEAD]
    if _WEB_MARK.search(head, 0, 4096):
        return ParseError("web_page", describe_page(text))
    root = _ROOT.match(head)
    if root is None and head.lstrip().startswith("<?xml"):
        return ParseError("not_a_feed", _ONLY_DECLARED)
    if root is None:
        return ParseError("not_a_feed", "this is neither XML nor a feed")
    name = clean_line(root[1], 60)
    if isinstance(trouble, Exception):
        complaint = clean_line(str(trouble).replace("<unknown>:", ""), 150)
        return ParseError("not_xml", f"broken XML that begins with <{name}>: {complaint}")
    what = _ROOTS.get(name.rpartition(":")[2].lower(), f"XML that begins with <{name}>")
    return ParseError("not_a_feed", f"this is {what}, not a feed")
