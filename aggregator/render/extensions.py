"""What feedgen cannot write by itself, said in its extension interface: elements as values, put into its own tree.

Never writes XML as text. feedgen builds Atom's elements without a namespace and writes ``xmlns`` as if it were an
attribute: so must whoever adds to them. RSS has elements of Atom in their namespace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

#: RFC 5005 4.
HISTORY = "{http://purl.org/syndication/history/1.0}"
#: Media RSS.
MEDIA = "{http://search.yahoo.com/mrss/}"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_BCP_47 = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element to be written: its name as lxml has it, attributes, and text or children."""

    name: str
    text: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Element, ...] = ()


class FeedExtension:
    """Adds ``elements`` to the feed, or to the channel."""

    #: Prefix -> namespace, declared once at the top.
    namespaces: Mapping[str, str] = {"fh": HISTORY[1:-1], "media": MEDIA[1:-1]}

    def __init__(self) -> None:
        self.elements: tuple[Element, ...] = ()

    def extend_ns(self) -> dict[str, str]:
        return dict(self.namespaces)

    def extend_atom(self, feed: Any) -> Any:
        _append(feed, self.elements)
        return feed

    def extend_rss(self, rss: Any) -> Any:
        _append(rss[0], self.elements)
        return rss


class EntryExtension:
    """Adds ``elements`` to an entry or item, and ``xml:lang`` to an entry."""

    def __init__(self) -> None:
        self.language = ""
        self.elements: tuple[Element, ...] = ()

    def extend_ns(self) -> dict[str, str]:
        return {}

    def extend_atom(self, entry: Any) -> Any:
        entry.set(LANGUAGE, self.language)
        _append(entry, self.elements)
        return entry

    def extend_rss(self, item: Any) -> Any:
        _append(item, self.elements)
        return item


def get_language(language: str) -> str:
    """``language`` when it is formed like BCP 47, else ``und``."""
    return language if _BCP_47.fullmatch(language) else "und"


def to_utc(at: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError for one without a zone, OverflowError at the ends of the calendar."""
    if at.tzinfo is None:
        raise ValueError("a moment without a zone")
    return at.astimezone(UTC)


def write_moment(at: datetime) -> str:
    """RFC 3339, in UTC; raises what `to_utc` does."""
    return to_utc(at).isoformat()


def _append(parent: Any, elements: tuple[Element, ...]) -> None:
    from lxml import etree

    for element in elements:
        child = etree.SubElement(parent, element.name, dict(element.attributes))
        child.text = element.text
        _append(child, element.children)
