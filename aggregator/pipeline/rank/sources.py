"""How many publishers tell a story independently of each other. Never counts a copy twice.

A publisher is a registrable domain (``bbc.co.uk``, whatever stands before it); on sites where many publish, one account
there. A text is told by its title and how it begins: an agency's report that ten papers print is one text. The number
is that of the largest set of entries that differ in both, publisher and text: it cannot fall when an entry is added.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from aggregator.model.entry import Entry
from aggregator.pipeline.urls import FindDomain
from aggregator.pipeline.words import title_key

#: Where the first part of the path says whose page it is.
SHARED_SITES = frozenset(
    "bsky.app facebook.com github.com huggingface.co instagram.com linkedin.com medium.com note.com qiita.com "
    "reddit.com twitter.com weibo.com x.com youtube.com zenn.dev zhihu.com".split()
)
#: ``TOKYO (AP) — `` before a report: not every paper prints it.
_DATELINE = re.compile(
    r".{0,60}?\((?:AP|AFP|ANSA|Bloomberg|DPA|dpa|EFE|Kyodo|PTI|Reuters|TASS|Xinhua)\)[\s:\u2013\u2014-]*"
)
#: So many letters and digits of an excerpt say whether two are the same text: editors cut agencies' reports anywhere.
BEGINNING = 40


def count_sources(entries: Sequence[Entry], find_domain: FindDomain) -> int:
    """At least 1 for a story with an entry."""
    told: dict[str, set[str]] = {}
    for entry in entries:
        told.setdefault(find_publisher(entry, find_domain), set()).add(_find_text(entry))
    if len(told) == 1 or all(len(texts) == 1 for texts in told.values()):
        return min(len(told), len(set().union(*told.values())))
    return _match(told)


def find_publisher(entry: Entry, find_domain: FindDomain) -> str:
    """Who says it: a registrable domain, an account on a shared site, or, without an address, the feed."""
    try:
        parts = urlsplit(entry.canonical_url or entry.url)
        host = (parts.hostname or "").lower().rstrip(".")
    except ValueError:
        host = ""
    if not host:
        return f"feed {entry.feed_id}"
    # The list of public suffixes takes numbers for names.
    is_number = ":" in host or host.replace(".", "").isdigit()
    domain = host if is_number else find_domain(host) or host
    if domain in SHARED_SITES:
        return f"{domain}/{parts.path.strip('/').partition('/')[0].lower()}"
    return domain


def _find_text(entry: Entry) -> str:
    """Equal for copies of one text; an entry's own when it has no title or no beginning to tell it by."""
    title, beginning = title_key(entry.title), _fold(entry.excerpt)[:BEGINNING]
    return f"{title}|{beginning}" if title and beginning else f"entry {entry.id}"


def _fold(text: str) -> str:
    text = text[: 8 * BEGINNING]
    dateline = _DATELINE.match(text)
    folded = unicodedata.normalize("NFKC", text[dateline.end() :] if dateline else text).casefold()
    return "".join(character for character in folded if character.isalnum())


def _match(told: dict[str, set[str]]) -> int:
    """The most publishers that can each be given a text of theirs which no other has (Kuhn's augmenting paths)."""
    taken: dict[str, str] = {}

    def place(publisher: str, seen: set[str]) -> bool:
        for text in _order(told[publisher], taken):
            if text not in seen:
                seen.add(text)
                if text not in taken or place(taken[text], seen):
                    taken[text] = publisher
                    return True
        return False

    return sum(place(publisher, set()) for publisher in sorted(told))


def _order(texts: Collection[str], taken: Collection[str]) -> list[str]:
    """Free ones first: then most need no rearranging, and paths stay short."""
    return sorted(texts, key=lambda text: (text in taken, text))
