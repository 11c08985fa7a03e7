"""The fast road over recorded and hostile files: it gives what feedparser's road gives, or leaves the file to it."""

from pathlib import Path

import pytest

from aggregator.errors import ParseError
from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.parse import parse_feed
from aggregator.pipeline.parse.fast import parse_quickly

URL = "https://news.example.org/feed.xml"


def read(parse: object, body: bytes) -> ParsedFeed | tuple[str, str] | None:
    """What a road gives, its error as a value."""
    try:
        return parse(body, content_type="application/xml", url=URL)  # type: ignore[operator, no-any-return]
    except ParseError as error:
        return (error.failure_class, error.reason)


def compare_roads(folder: Path) -> tuple[int, int]:
    """How many files there are and how many the fast road takes; fails where the two differ."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    taken = 0
    for file in files:
        body = file.read_bytes()
        found = read(parse_quickly, body)
        if found is not None:
            taken += 1
            assert found == read(parse_feed, body), file.name
    return len(files), taken


@pytest.mark.parametrize("folder", ["ai", "general", "jsonfeed", "samples", "series", "world"])
def test_a_recorded_feed_is_the_same_on_both_roads(corpus: Path, folder: str) -> None:
    files, taken = compare_roads(corpus / "feeds" / folder)

    assert taken >= files * 0.7


def test_a_hostile_file_is_the_same_on_both_roads_or_left_to_the_slow_one(corpus: Path) -> None:
    files, taken = compare_roads(corpus / "hostile")

    assert taken >= files * 0.7
