"""JSON Feed: what the specification says, what publishers write instead, and what is meant to hurt."""

import contextlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import ParseError
from aggregator.model.feed import FAILURE_CLASSES
from aggregator.model.parsed import Enclosure, ParsedEntry, ParsedFeed, RejectedEntry
from aggregator.pipeline.identify import identify_entries
from aggregator.pipeline.parse import parse_feed
from aggregator.pipeline.parse.jsonfeed import read_json_feed
from aggregator.pipeline.parse.moments import read_moment, read_written_date

DATA = Path(__file__).parent / "data"
URL = "https://news.example.org/feed.json"
MOMENTS: dict[str, dict[str, str | None]] = json.loads((DATA / "moments.json").read_text(encoding="utf-8"))


def feed(*items: object, **facts: object) -> str:
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "News", **facts, "items": items})


def read(*items: object, **facts: object) -> ParsedFeed:
    return read_json_feed(feed(*items, **facts), url=URL)


def read_one(**item: object) -> ParsedEntry:
    (entry,) = read(item).entries
    return entry


def test_every_field_of_the_specification_finds_its_place() -> None:
    found = read_json_feed((DATA / "full.json").read_bytes(), url=URL)

    assert (found.title, found.site_url, found.language) == ("Wetter & Technik", "https://news.example.org/", "de")
    assert (found.id, found.self_url) == (URL, URL)
    assert found.hub_url == "https://hub.example.org/"
    assert found.author == "Ada, Brian"
    assert found.warnings == ("its publisher says that it is finished and brings nothing new",)
    first, second = found.entries
    assert first == ParsedEntry(
        id="https://news.example.org/1",
        url="https://news.example.org/posts/1",
        title="Vec&lt;b> explained",
        author="Grace",
        summary_html="1 &lt; 2",
        content_html='<p>Text with a <a href="/x">link</a></p>',
        published_at=datetime(2026, 11, 24, 8, 30, tzinfo=UTC),
        updated_at=datetime(2026, 11, 25, 9, 0, tzinfo=UTC),
        categories=("rust", "types"),
        enclosures=(
            Enclosure(url="https://news.example.org/a.mp3", type="audio/mpeg", length=1234),
            Enclosure(url="https://news.example.org/p.png", type="image/png"),
        ),
        language="en-GB",
        base_url="https://news.example.org/posts/1",
    )
    assert second.content_html == "<p>a &lt; b</p><p>next<br>line</p>"
    assert (second.id, second.url) == ("2", "https://elsewhere.example.com/story")


@pytest.mark.parametrize(("value", "text"), [(123, "123"), (10**25, str(10**25)), (1.5, "1.5"), (True, ""), ([], "")])
def test_a_number_as_an_id_is_its_digits_and_other_types_are_none(value: object, text: str) -> None:
    assert read_one(id=value, title="x").id == text


def test_an_item_that_is_no_object_costs_itself_only() -> None:
    found = read("text", {"id": "1"}, None, [1], {"id": "2"}, 7)

    assert [entry.id for entry in found.entries] == ["1", "2"]
    assert found.rejected == tuple(RejectedEntry(index=index, reason="no object of JSON") for index in (0, 2, 3, 5))
    assert len(identify_entries(found).entries) == 2


def test_wrong_types_everywhere_leave_a_bare_entry() -> None:
    wrong: tuple[Any, ...] = (None, True, [], {}, [[]], [{}], {"name": []}, [None, 1, {"url": 2}])
    names = ("id", "url", "title", "content_html", "summary", "image", "date_published", "authors", "author", "tags")
    for value in wrong:
        item = dict.fromkeys((*names, "attachments", "language"), value)
        found = read(item, {"id": "good"}, hubs=value, language=value, authors=value, feed_url=value)

        assert [entry.id for entry in found.entries] == ["", "good"]


def test_an_author_may_be_a_plain_name_and_the_newer_field_wins() -> None:
    assert read_one(id="1", author="Ada").author == "Ada"
    assert (
        read_one(id="1", author={"name": "Old"}, authors=[{"name": "New"}, {"name": "New"}, {"url": "x"}]).author
        == "New"
    )
    assert read_one(id="1", author={"name": "Old"}, authors=[]).author == "Old"


def test_an_id_that_is_an_address_stands_for_a_missing_link() -> None:
    assert read_one(id="https://news.example.org/7").url == "https://news.example.org/7"
    assert read_one(id="javascript:alert(1)").url == ""
    assert read_one(id="1", url="javascript:alert(1)").url == ""
    assert read_one(id="1", url="/relative").url == "https://news.example.org/relative"


def test_lone_surrogates_and_controls_go() -> None:
    body = b'{"version":"https://jsonfeed.org/version/1","title":"a\\ud800b","items":[{"id":"1\\u0000","title":"x\\udfff\ny"}]}'
    found = read_json_feed(body, url=URL)

    assert (found.title, found.entries[0].id, found.entries[0].title) == ("ab", "1", "x\ny")


def test_a_feed_without_version_is_read_with_a_warning() -> None:
    found = read_json_feed(
        json.dumps({"title": "News", "items": [{"id": 1, "url": "https://a.example.org/"}]}), url=URL
    )

    assert found.warnings == ("it names no version of JSON Feed",)
    assert len(found.entries) == 1


def test_an_empty_feed_is_no_failure() -> None:
    assert read().entries == ()
    assert read_json_feed('{"version":"https://jsonfeed.org/version/1","items":null}', url=URL).entries == ()


def test_a_document_that_breaks_off_keeps_the_items_before() -> None:
    """Cut after every character: no error of another kind, and an item is there once it is whole."""
    body = feed(*({"id": f"n{number}", "title": "{[,"} for number in range(5)))
    counts = []
    for end in range(len(body)):
        try:
            counts.append(len(read_json_feed(body[:end], url=URL).entries))
        except ParseError as error:
            counts.append(0)
            assert error.failure_class == "not_a_feed"

    assert counts == sorted(counts)
    assert counts[-1] == 5
    assert set(counts) == {0, 1, 2, 3, 4, 5}


DEEP = 100_000
HOSTILE = {
    "nested lists": b'{"version":"https://jsonfeed.org/version/1","items":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "nested objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "nested in an item": feed().encode()[:-2] + b'{"id":"1","x":' + b"[" * DEEP + b"]" * DEEP + b"}]}",
    "never closed": b"[" * DEEP,
    "a million items": feed().encode()[:-2] + b"{}," * 1_000_000 + b"{}]}",
    "a million numbers": feed().encode()[:-2] + b"0," * 1_000_000 + b"0]}",
    "a long number": feed().encode()[:-2] + b'{"id":' + b"9" * 1_000_000 + b"}]}",
    "many keys": feed().encode()[:-2] + b"{" + b'"id":1,' * 500_000 + b'"id":2}]}',
    "many tags": feed({"id": 1, "tags": ["<" * 50] * 100_000, "authors": [{"name": "x" * 9}] * 100_000}).encode(),
    "a long text": feed({"id": 1, "content_html": "<" * 3_000_000, "title": "&" * 1_000_000}).encode(),
    "quotes": b'{"items":[' + b'"' * 1_000_000,
    "many item lists": b'"items":[' * 300_000,
    "spaces": b'{"items"' + b" " * 2_000_000 + b":[",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_json_ends_soon_and_with_our_own_error_at_worst(name: str) -> None:
    started = time.process_time()
    try:
        parse_feed(HOSTILE[name], url=URL)
    except ParseError as error:
        assert error.failure_class in FAILURE_CLASSES

    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "name", ["nested lists", "nested objects", "nested in an item", "a million items", "a million numbers"]
)
def test_what_is_over_a_limit_is_too_hostile(name: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_feed(HOSTILE[name], url=URL)

    assert caught.value.failure_class == "too_hostile"


def test_nesting_just_below_the_limit_breaks_nothing_that_comes_after() -> None:
    for depth in range(700, 1_000, 3):
        lists = b"[" * depth + b"]" * depth
        for body in (b'{"@context":' + lists + b"}", b'{"error":' + lists + b"}", feed().encode()[:-2] + lists + b"]}"):
            with contextlib.suppress(ParseError):
                assert parse_feed(body, url=URL).rejected[0].index == 0


def test_numbers_that_no_float_holds_cost_nothing() -> None:
    body = feed().encode()[:-2] + (
        b'{"id":1e400,"title":NaN,"date_published":1e400,"attachments":[{"url":"/a","size_in_bytes":1e400},'
        b'{"url":"/b","size_in_bytes":-5},{"url":"/c","size_in_bytes":Infinity},{"url":"/d","size_in_bytes":12.0}]}]}'
    )
    (entry,) = read_json_feed(body, url=URL).entries

    assert (entry.id, entry.title, entry.published_at) == ("1e400", "", None)
    assert [enclosure.length for enclosure in entry.enclosures] == [None, None, None, 12]


def test_of_a_repeated_key_the_last_counts() -> None:
    body = '{"version":"https://jsonfeed.org/version/1","items":[],"items":[{"id":"a","id":"b"}]}'

    assert [entry.id for entry in read_json_feed(body, url=URL).entries] == ["b"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "JSON (a list)"),
        (b'{"error": {"message": "API key missing"}}', 'an error message ("API key missing")'),
        (b'{"message": "Not Found", "status": 404}', 'an error message ("Not Found")'),
        (b'{"@context": "https://www.w3.org/ns/activitystreams", "type": "Person"}', "an ActivityPub document"),
        (b'{"@context": "https://schema.org"}', "JSON-LD"),
        (b'{"items": [{"id": 1}], "total": 7}', "this is JSON, and no feed"),
        (b'{"title": "x", "items": [1, 2]}', "this is JSON, and no feed"),
        (b'{"version": "https://jsonfeed.org/version/1.1", "title": "x"}', "a JSON Feed without its list of items"),
        (b"{oops", "broken JSON"),
        (b"[1, 2", "broken JSON"),
    ],
)
def test_json_that_is_no_feed_is_named(body: bytes, words: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_feed(body, url=URL)

    assert caught.value.failure_class == "not_a_feed"
    assert words in caught.value.reason


def test_json_is_known_by_its_content_whatever_the_header_says() -> None:
    for content_type in ("", "text/html", "application/rss+xml; charset=latin-1", "application/feed+json"):
        found = parse_feed(b"\xef\xbb\xbf\n" + feed({"id": "ü"}).encode(), content_type=content_type, url=URL)
        assert [entry.id for entry in found.entries] == ["ü"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(("id", "url", "name", "type")), inner),
    max_leaves=8,
)
KEYS = ("id", "url", "external_url", "title", "content_html", "content_text", "summary", "image", "date_published")


@given(
    st.lists(
        st.dictionaries(st.sampled_from((*KEYS, "author", "authors", "tags", "attachments")), JSON) | JSON, max_size=5
    )
)
def test_every_item_is_an_entry_or_rejected(items: list[object]) -> None:
    found = read(*items)
    kept = identify_entries(found)

    assert len(found.entries) + len(found.rejected) == len(items)
    assert len(kept.entries) + len(kept.rejected) + kept.folded == len(items)


@given(st.binary(max_size=60))
def test_bytes_in_the_place_of_items_raise_nothing_but_our_own_error(middle: bytes) -> None:
    try:
        read_json_feed(b'{"version":"https://jsonfeed.org/version/1","items":[' + middle + b"]}", url=URL)
    except ParseError as error:
        assert error.failure_class in FAILURE_CLASSES


@pytest.mark.parametrize("text", sorted(MOMENTS["machine"]))
def test_dates_of_machines_are_read(text: str) -> None:
    expected = MOMENTS["machine"][text]

    assert read_moment(text) == (datetime.fromisoformat(expected) if expected else None)


@pytest.mark.parametrize("text", sorted(MOMENTS["written"]))
def test_dates_of_people_are_read_when_they_can_mean_one_day_only(text: str) -> None:
    expected = MOMENTS["written"][text]

    assert read_written_date(text) == (datetime.fromisoformat(expected) if expected else None)


def test_unix_seconds_and_milliseconds_are_dates_and_small_numbers_are_not() -> None:
    moment = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

    assert read_moment(int(moment.timestamp())) == read_moment(int(moment.timestamp()) * 1000) == moment
    assert [read_moment(value) for value in (0, 7, -1, True, 10**30, float("nan"), float("inf"))] == [None] * 7


@given(st.text(max_size=120) | st.integers() | st.floats() | st.none())
def test_no_value_breaks_the_reading_of_dates(value: object) -> None:
    for moment in (read_moment(value), read_written_date(str(value))):
        assert moment is None or moment.tzinfo is UTC


def test_a_number_that_no_clock_reaches_is_no_date() -> None:
    assert [read_moment(value) for value in (10**400, -(10**400), 1e308, float("inf"), float("nan"))] == [None] * 5
