"""What a document is when it is no feed, said so that an editor knows what to do. Never reads a feed."""

from __future__ import annotations

import re

from aggregator.errors import ParseError
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
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{0,300})", re.IGNORECASE)
_FEED_LINK = re.compile(r"<link\s[^<>]{0,1000}application/(?:rss|atom|feed)\+(?:xml|json)[^<>]{0,1000}>", re.IGNORECASE)
_HREF = re.compile(r"""href\s{0,9}=\s{0,9}["']?([^"'\s<>]{1,300})""", re.IGNORECASE)
_PASSWORD = re.compile(r"""type\s{0,9}=\s{0,9}["']?password""", re.IGNORECASE)
#: Who stands in the way, by words that only their pages hold.
_BLOCKERS = (
    (("cf-chl-", "challenge-platform", "cf_chl_opt", "<title>Just a moment..."), "a Cloudflare challenge page"),
    (("Attention Required! | Cloudflare", "cf-error-details"), "a Cloudflare error page"),
    (("captcha-delivery.com", "datadome"), "a DataDome challenge page"),
    (("_Incapsula_Resource",), "an Imperva challenge page"),
    (("px-captcha",), "a HUMAN (PerimeterX) challenge page"),
    (("AwsWafIntegration", "awswaf.com"), "an AWS WAF challenge page"),
    (("ddos-guard",), "a DDoS-Guard challenge page"),
    (("/.within.website/x/cmd/anubis",), "an Anubis challenge page"),
)
_ROOTS = {
    "opml": "a list of feeds (OPML); name it under `opml:`",
    "urlset": "a sitemap",
    "sitemapindex": "a sitemap index",
    "svg": "an SVG picture",
    "error": "an error message in XML",
}
_HEAD = 64 * 1024


def find_impostor(body: bytes, text: str) -> None:
    """Raise `ParseError` for what is certainly no XML feed, before any work is spent on it."""
    if not body.strip():
        raise ParseError("not_a_feed", "the body is empty")
    for magic, what in _MAGIC:
        if body.startswith(magic):
            raise ParseError("not_a_feed", f"this is {what}")
    head = text[:_HEAD].lstrip()
    if _WEB_MARK.search(head, 0, 4096) and not _FEED_MARK.search(text):
        raise ParseError("web_page", describe_page(head))


def describe_page(head: str) -> str:
    """One sentence about a web page: who is in the way, its title, and the feed it names, if any."""
    for words, what in _BLOCKERS:
        if any(word in head for word in words):
            return f"this is {what}, not a feed"
    found = _TITLE.search(head)
    title = clean_line(found[1], 80) if found else ""
    what = "a login page" if _PASSWORD.search(head) else "a web page"
    sentence = f'this is {what} ("{title}"), not a feed' if title else f"this is {what}, not a feed"
    link = _FEED_LINK.search(head)
    href = _HREF.search(link[0]) if link else None
    return f"{sentence}; it names a feed at {clean_line(href[1], 200)}" if href else sentence


def explain_failure(text: str, trouble: object) -> ParseError:
    """Why feedparser found neither a feed nor an entry; ``trouble`` is its own complaint."""
    head = text[:_HEAD]
    if _WEB_MARK.search(head, 0, 4096):
        return ParseError("web_page", describe_page(head))
    root = _ROOT.match(head)
    if root is None and head.lstrip().startswith("<?xml"):
        return ParseError("not_a_feed", "there is an XML declaration and nothing after it")
    if root is None:
        return ParseError("not_a_feed", "this is neither XML nor a feed")
    name = clean_line(root[1], 60)
    if isinstance(trouble, Exception):
        complaint = clean_line(str(trouble).replace("<unknown>:", ""), 150)
        return ParseError("not_xml", f"broken XML that begins with <{name}>: {complaint}")
    what = _ROOTS.get(name.rpartition(":")[2].lower(), f"XML that begins with <{name}>")
    return ParseError("not_a_feed", f"this is {what}, not a feed")
