"""Addresses as pages, feeds and mails may show them. Never lets through anything but http and https."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from aggregator.model.feed import FeedSpec
from aggregator.model.settings import Site
from aggregator.render.words import keep_legal

#: ASCII that RFC 3987 forbids in an IRI: escaped by every template anyway, but feed readers refuse it.
_FORBIDDEN = {ord(character): quote(character) for character in '<>"{}|\\^`'}
#: A per cent sign that escapes nothing.
_BARE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def get_web_url(url: str) -> str:
    """``url`` when it is an absolute http(s) address, without user name and password; empty otherwise.

    What an IRI may not have, or not there (RFC 3987 2.2), is escaped.
    """
    text = keep_legal("".join(url.split()))
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    path, query, fragment = (_BARE.sub("%25", part.replace("[", "%5B").replace("]", "%5D")) for part in parts[2:])
    found = (parts.scheme, parts.netloc.rpartition("@")[2], path, query, fragment.replace("#", "%23"))
    return urlunsplit(found).translate(_FORBIDDEN)


def get_public_url(spec: FeedSpec) -> str:
    """A feed's address as strangers may see it: without its query, which may hold the editor's own token; empty when
    it takes the editor's own headers to read it."""
    address = "" if spec.headers else get_web_url(spec.url)
    return urlunsplit(urlsplit(address)._replace(query="", fragment="")) if address else ""


def get_host(url: str) -> str:
    """The host name to show beside a link, without ``www.``; empty when there is none."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")


def get_root(site: Site) -> str:
    """What root-relative links begin with: empty, or the path below which the site lives (``/news``)."""
    return urlsplit(site.url).path.rstrip("/")
