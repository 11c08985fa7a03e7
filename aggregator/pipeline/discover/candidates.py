"""What a guess is, the usual names of feeds, and whose an address is. Never reads a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urljoin, urlsplit

from aggregator.pipeline.htmltext import iter_tokens
from aggregator.pipeline.urls import FindDomain, resolve_url

#: Empty: not known before it is read.
Kind = Literal["atom", "rss", "json", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An address where a feed may be."""

    #: Absolute http(s), without a fragment.
    url: str
    #: As the page calls it; one line of plain text, may be empty.
    title: str = ""
    kind: Kind = ""
    #: It looks like the comments on the posts, not the posts.
    is_comments: bool = False
    #: What speaks for it, as the rest of a sentence that begins with "it is looked at because".
    why: str


#: The usual names, the likelier first (RSS of WordPress, Hugo, Jekyll, Ghost, Eleventy and those who do as they do).
_AT_FOLDER = ("feed", "feed.xml", "rss.xml", "index.xml", "atom.xml")
_AT_ROOT = ("feed", "feed.xml", "rss.xml", "index.xml", "atom.xml", "rss", "?feed=rss2", "feed.json")
MAX_WELL_KNOWN = 12
_ROOTS: dict[str, Kind] = {"rss": "rss", "feed": "atom", "rdf": "rss", "channel": "rss"}


def guess_well_known(url: str) -> tuple[Candidate, ...]:
    """The usual addresses of feeds in the page's folder, then at its site's root: at most 12."""
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}/"
    places = [urljoin(root, name) for name in _AT_ROOT]
    if folder := _find_folder(parts.path):
        places = [urljoin(urljoin(root, folder), name) for name in _AT_FOLDER] + places
    safe = dict.fromkeys(place for place in places if resolve_url(root, place) == place)
    return tuple(Candidate(url=place, why="feeds are often there") for place in list(safe)[:MAX_WELL_KNOWN])


def _find_folder(path: str) -> str:
    """``/blog/`` of ``/blog``, ``/blog/`` and ``/blog/a-post``; empty for the root itself."""
    if path.endswith("/") or (path.count("/") == 1 and "." not in path):
        folder = path.rstrip("/") + "/"
    else:
        folder = path.rpartition("/")[0] + "/"
    return "" if folder == "/" else folder


def find_kind(body: bytes) -> Kind:
    """Which format a document that was read as a feed is in, told from its beginning."""
    head = body[:4096].replace(b"\0", b"").decode("latin-1").lstrip("\xef\xbb\xbf\xff\xfe \t\r\n")
    if head.startswith("{"):
        return "json"
    first = next(iter_tokens(head)).name.rpartition(":")[2]
    return _ROOTS.get(first, "")


def find_site(url: str, find_domain: FindDomain) -> str:
    """Whose an address is: the domain that somebody registered, the whole host where none is told, or the number.

    ``https://blog.example.co.uk/x`` -> ``example.co.uk``; ``https://ada.github.io/`` -> ``ada.github.io``. Empty when
    ``url`` is no address.
    """
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
    if not host or ":" in host or host.replace(".", "").isdigit():
        return host  # the list takes numbers for names
    return find_domain(host) or host
