"""What can stand at an address of the site, and how a route is written down. Never makes a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from aggregator.app import App
from aggregator.model.tag import Tag
from aggregator.pipeline.tag import get_tags

HTML = "text/html; charset=utf-8"
#: What a reader asks for beside the path: the keys that a route knows, sorted by name.
Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The bytes behind one address."""

    body: bytes
    content_type: str = HTML
    #: A file whose name holds its hash never changes.
    immutable: bool = False
    #: Search engines are asked to leave it out: its content is others'.
    noindex: bool = False
    #: Of a feed: the path of the page that people see in its place; empty for all else.
    view_path: str = ""

    @property
    def etag(self) -> str:
        """Strong validator, made from the bytes alone (RFC 9110 8.8.3)."""
        return f'"{blake2b(self.body, digest_size=16).hexdigest()}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The page lives at another path for good."""

    path: str


Found = Page | Moved | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Paths of one shape. ``make`` gets the app and the groups of ``pattern``, and when it has ``keys``, a mapping of
    those that the reader gave, as ``query``."""

    pattern: re.Pattern[str]
    make: Callable[..., Found]
    keys: frozenset[str] = frozenset()


#: Parts of patterns, each one group. Numbers are short enough for any database, and written in one way only.
SLUG = r"([a-z0-9][a-z0-9.-]{0,100}?)"
NUMBER = r"([1-9][0-9]{0,17})"
#: A primary language (BCP 47).
LANGUAGE = r"([a-z]{2,3})"


def route(pattern: str, make: Callable[..., Found], *keys: str) -> Route:
    """A `Route` for a pattern as text."""
    return Route(pattern=re.compile(pattern), make=make, keys=frozenset(keys))


def list_tags(app: App) -> dict[str, Tag]:
    """The tags of the taxonomy by slug."""
    return get_tags(app.settings.tag_rules)


def make_html(text: str, *, noindex: bool = False) -> Page:
    """A page of HTML."""
    return Page(body=text.encode(), noindex=noindex)
