"""What the content of entries links to, looked at once, before they are grouped. Never opens an address."""

from __future__ import annotations

import re
from datetime import datetime
from html import unescape

from aggregator.app import App
from aggregator.pipeline.group import MANY_LINKS
from aggregator.pipeline.urls import canonicalize_url
from aggregator.storage import entry_links

#: Of one entry: with one more than grouping makes use of, it is known to be a list of links.
MAX_LINKS = MANY_LINKS + 1
#: Entries of one transaction.
CHUNK = 300
#: In cleaned HTML, where attributes stand in double quotes and ``<`` in none of them.
_HREF = re.compile(r'<a\s(?:[^<>]*\s)?href="([^"<>]*)"')


def note_links(app: App, *, since: datetime | None = None) -> None:
    """Look at all entries that were not looked at: those that are in no story yet, or with ``since`` all from then."""
    above = 0
    while last := _note_some(app, above, since):
        above = last


def _note_some(app: App, above: int, since: datetime | None) -> int:
    """The number of the last one that was looked at; 0: there was none."""
    with app.db.read() as conn:
        unread = entry_links.list_unread(conn, CHUNK, above=above, since=since)
    if not unread:
        return 0
    found = {entry.id: find_links(entry.content_html, entry.canonical_url) for entry in unread}
    with app.db.write() as conn:
        entry_links.save_links(conn, found)
    return unread[-1].id


def find_links(content_html: str, own: str) -> tuple[str, ...]:
    """The canonical addresses that cleaned HTML links to, each once, in order, without the entry's own."""
    found: dict[str, None] = {}
    for match in _HREF.finditer(content_html):
        address = canonicalize_url(unescape(match[1]))
        if address and address != own:
            found[address] = None
            if len(found) == MAX_LINKS:
                break
    return tuple(found)
