"""Reading and cleaning recorded feeds: feedparser as it comes, and this program's roads, in turn in one run.

    python bench/parse.py [FOLDER] [--rounds 3]

Prints CPU milliseconds a feed (the best of the rounds) and how many times less than feedparser's default that is. What
is known ("again") are the entries of the same document, read once before. Exit code 1: a goal was missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import feedparser

from aggregator.errors import ParseError
from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.clean import clean_html, clean_parts
from aggregator.pipeline.parse import parse_feed
from aggregator.pipeline.parse.fast import parse_quickly
from aggregator.pipeline.parse.wire import decode_answer, encode_answer

PROJECT = Path(__file__).resolve().parent.parent
URL = "https://news.example.org/feed.xml"
HEADERS = {"content-type": "application/xml", "content-location": URL}


def read_default(body: bytes) -> None:
    """feedparser with its own cleaning."""
    try:
        feedparser.parse(BytesIO(body), response_headers=HEADERS)
    except Exception as error:  # noqa: BLE001  (it raises whatever it stumbles over)
        print(f"feedparser: {type(error).__name__}", file=sys.stderr)


def read_slowly(body: bytes) -> ParsedFeed | None:
    """Guard and feedparser without its cleaning: what runs in a child process."""
    try:
        return parse_feed(body, url=URL)
    except ParseError:
        return None


def read_through_pipe(body: bytes) -> None:
    """The same with the way out of the child."""
    if feed := read_slowly(body):
        decode_answer(encode_answer(feed))


def read(body: bytes, slices: bytes | None = None) -> ParsedFeed | None:
    """As the daemon does: the fast road, and the slow one for what it leaves."""
    try:
        return parse_quickly(body, url=URL, slices=slices) or parse_feed(body, url=URL)
    except ParseError:
        return None


def read_and_sanitise(body: bytes) -> None:
    for entry in feed.entries if (feed := read(body)) else ():
        clean_html(entry.content_html or entry.summary_html, URL)


def read_and_clean(body: bytes) -> None:
    for entry in feed.entries if (feed := read(body)) else ():
        clean_parts(entry, URL)


def measure(bodies: list[bytes], ways: dict[str, Callable[[bytes], object]], rounds: int) -> dict[str, float]:
    """CPU milliseconds a feed of each way, the best round."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.process_time()
            for body in bodies:
                way(body)
            best[name] = min(best[name], (time.process_time() - started) * 1000 / len(bodies))
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=PROJECT.parent / "shared" / "corpus" / "feeds")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    bodies = [path.read_bytes() for path in sorted(given.folder.rglob("*")) if path.is_file()]
    known = {body: feed.slices for body in bodies if (feed := read(body, b""))}
    ways: dict[str, Callable[[bytes], object]] = {
        "feedparser, default": read_default,
        "guard + feedparser without cleaning": read_slowly,
        "the same, and out of the child": read_through_pipe,
        "fast road, feedparser for the rest": read,
        "again, entries known by their bytes": lambda body: read(body, known.get(body, b"")),
        "read + guard + sanitise": read_and_sanitise,
        "read + guard + all that is shown, and its text": read_and_clean,
    }
    goals = {"fast road, feedparser for the rest": 20.0, "read + guard + sanitise": 13.0}
    taken = sum(parse_quickly(body, url=URL) is not None for body in bodies if read(body))
    print(f"{len(bodies)} feeds, {sum(map(len, bodies)) / 1e6:.1f} MB; {taken} by the fast road")
    found = measure(bodies, ways, given.rounds)
    base = found["feedparser, default"]
    print("| way | CPU ms a feed | times |\n|---|---|---|")
    for name, milliseconds in found.items():
        goal = f" (goal {goals[name]:g})" if name in goals else ""
        print(f"| {name} | {milliseconds:.2f} | {base / milliseconds:.1f}{goal} |")
    return int(any(base / found[name] < goal for name, goal in goals.items()))


if __name__ == "__main__":
    sys.exit(main())
