"""What there is to ask at the desk: every page by its route, with real numbers in it, and what its links lead to.

A page's own links and forms say how it can be filtered and turned: of each set of query parameters one is asked, each
choice of a form once, and of links that turn pages the twentieth page.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg
from sqlalchemy.engine import make_url

from aggregator.web.desk.rooms import ROOMS

ROOT, API = "/admin", "/api/v1"
#: Routes that ask other servers before they answer.
NOT_OURS = frozenset({f"{API}/discover"})
#: How many pages are turned to reach a deep one.
DEEP = 20
#: Of what turns pages.
TURNS = ("before", "after")
#: Choices of one field that are asked.
CHOICES = 3
#: What is typed into fields, by words in their names; else the first.
TYPED = {
    "q": "openai",
    "entry": "900000",
    "date": "2026-02-25",
    "day": "2026-02-25",
    "domain": "mail0.example",
    "address": "reader77",
}
#: What is typed where an action shows what it would do, by its path. Not here: what takes a file, what makes a token.
PREVIEWS: Mapping[str, Mapping[str, str]] = {
    "/issues/{issue:int}/introduction/preview": {"introduction": "Hello **you**. " * 100},
    "/issues/{issue:int}/subject/preview": {"subject": "What came to pass"},
    "/rules/try": {"name": "new", "title": "agent*\nロボット\n/GPT-[5-9]/", "tag": "robotics", "weight": "0.5"},
    "/rules/write": {"name": "new", "title": "agent*", "drop": "true"},
    "/tags/try": {"name": "Agents at work", "kind": "topic", "aliases": "agent\nagents\nエージェント"},
    "/tags/alias/try": {"slug": "openai", "alias": "agents"},
}
_PARAM = re.compile(r"\{(\w+)(?::(\w+))?\}")

#: By name of the parameter: statements whose first column are values; from the most to the least usual.
SAMPLES: Mapping[str, Sequence[str]] = {
    "feed": (
        "SELECT max(id) FROM feeds WHERE state = 'active' AND failures = 0",
        "SELECT 1",
        "SELECT max(id) FROM feeds WHERE failures > 3",
    ),
    "story": (
        "SELECT max(story_id) FROM entries",
        "SELECT max(story_id) FROM (SELECT story_id FROM entries WHERE id > 900 GROUP BY story_id HAVING count(*) > 2 "
        "LIMIT 1) AS large",
    ),
    "entry": ("SELECT max(entry_id) FROM rule_decisions", "SELECT max(id) - 3 FROM entries"),
    "issue": tuple(f"SELECT max(id) FROM issues WHERE state = '{state}'" for state in ("draft", "sending", "sent")),
    "subscriber": (
        "SELECT max(id) FROM subscribers",
        "SELECT max(subscriber_id) FROM deliveries WHERE state = 'bounced'",
    ),
    "slug": (
        "SELECT slug FROM entry_tags WHERE entry_id < 9000 GROUP BY slug ORDER BY count(*) DESC LIMIT 1",
        "SELECT slug FROM entry_tags WHERE entry_id < 9000 GROUP BY slug ORDER BY count(*) LIMIT 1",
    ),
    "rule": ("SELECT 1", "SELECT 3"),
}


def read_samples(url: str) -> Mapping[str, Sequence[str]]:
    """Real values of each parameter, from the database at ``url``."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(place.database))) as conn:
            return {name: _draw(conn, asked) for name, asked in SAMPLES.items()}
    with psycopg.connect(url) as server:
        return {name: _draw(server, asked) for name, asked in SAMPLES.items()}


def _draw(conn: Any, asked: Sequence[str]) -> Sequence[str]:
    found = [row[0] for query in asked if (row := conn.execute(query).fetchone()) is not None]
    return list(dict.fromkeys(str(value) for value in found if value is not None))


def list_pages(samples: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """(route, path) of every page of every room, then of every listing of the API."""
    pages = [f"{ROOT}{page.path}" for room in ROOMS for page in room.pages]
    for route in [*pages, *(f"{API}{listing.path}" for room in ROOMS for listing in room.listings)]:
        if route in NOT_OURS:
            continue
        for path in _fill_route(route, samples):
            yield route, path


def list_previews(samples: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """(route, path, form) of what shows something while one types: each with what a person may have typed."""
    for action in (action for room in ROOMS for action in room.actions if action.shows):
        route = f"{ROOT}{action.path}"
        if (form := PREVIEWS.get(action.path)) is not None:
            for path in _fill_route(route, samples):
                yield route, path, form


def _fill_route(route: str, samples: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Parameters that nobody knows end the run: a page would go unmeasured."""
    names = [name for name, _ in _PARAM.findall(route)]
    values = {}
    for name in names:
        values[name] = samples.get(name, ())
        if not values[name]:
            raise SystemExit(f"{route}: bench/desk_pages.py has no sample of {name}")
    for turn in range(max((len(some) for some in values.values()), default=1)):
        yield _PARAM.sub(lambda found, turn=turn: _pick(values[found[1]], turn), route)  # type: ignore[misc]


def _pick(values: Sequence[str], turn: int) -> str:
    return values[min(turn, len(values) - 1)]


class Links(HTMLParser):
    """Where a page leads to by GET: addresses of links, and of forms with one choice made."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._form: str | None = None
        self._fields: dict[str, list[str]] = {}
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.found.append(given["href"])
        elif tag == "form" and given.get("method", "get").lower() == "get":
            self._form, self._fields = given.get("action", ""), {}
        elif self._form is not None and (name := given.get("name")):
            self._take(tag, name, given)
        elif tag == "option" and self._select and given.get("value"):
            self._fields[self._select].append(given["value"])

    def _take(self, tag: str, name: str, given: Mapping[str, str]) -> None:
        if tag == "select":
            self._select = name
            self._fields.setdefault(name, [])
        elif tag == "input":
            value = given.get("value", "") or ("on" if given.get("type") == "checkbox" else "")
            is_typed = given.get("type", "text") in ("text", "search", "date", "number", "email", "url")
            typed = next((text for word, text in TYPED.items() if word == name or word in name), TYPED["q"])
            self._fields.setdefault(name, []).append(typed if is_typed and not value else value)

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "form" and self._form is not None:
            for name, values in self._fields.items():
                self.found += [f"{self._form}?{urlencode({name: value})}" for value in values[:CHOICES] if value]
            last = {name: values[0] for name, values in self._fields.items() if values and values[0]}
            if len(last) > 1:
                self.found.append(f"{self._form}?{urlencode(last)}")
            self._form = None


def list_links(path: str, body: str) -> list[str]:
    """Of a page at ``path``: the addresses below it that differ in their query; absolute, each once."""
    links = Links()
    links.feed(body)
    here = urlsplit(path).path
    found = []
    for link in links.found:
        parts = urlsplit(link)
        if parts.netloc not in ("", "bench.example") or (parts.path or here) != here or not parts.query:
            continue
        found.append(f"{here}?{parts.query}")
    return list(dict.fromkeys(found))


def get_keys(link: str) -> tuple[str, ...]:
    """Names of its query parameters."""
    return tuple(sorted(name for name, _ in parse_qsl(urlsplit(link).query)))


def get_turn(link: str) -> str:
    """What of it turns pages; empty: nothing."""
    return next((name for name in get_keys(link) if name in TURNS), "")
