"""What is new or changed against what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.entry import IdentifiedEntry, StoredLink, share_key, split_key
from aggregator.model.ids import EntryId
from aggregator.model.parsed import ParsedEntry, ParsedFeed
from aggregator.pipeline.compare import (
    Comparison,
    compare_entries,
    find_flood,
    find_rekeyed,
    find_unexplained,
    hold_back,
    is_burst,
    list_twins,
    needs_links,
    settle_new,
)
from aggregator.pipeline.dates import effective_at
from aggregator.pipeline.identify import hash_entry, identify_entries
from aggregator.pipeline.urls import canonicalize_url

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def entry(key: str, content_hash: str) -> IdentifiedEntry:
    return IdentifiedEntry(key=key, content_hash=content_hash, parsed=ParsedEntry(id=key))


def test_entries_are_new_changed_or_unchanged() -> None:
    entries = (entry("a", "1"), entry("b", "2"), entry("c", "3"))
    known = {"b": (EntryId(7), "2"), "c": (EntryId(8), "other"), "gone": (EntryId(9), "4")}

    found = compare_entries(entries, known)

    assert found == Comparison(new=(entries[0],), changed=((EntryId(8), entries[2]),), unchanged=1)


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=2), max_size=8))
def test_what_was_just_stored_is_unchanged(stored: dict[str, str]) -> None:
    entries = tuple(entry(key, content_hash) for key, content_hash in stored.items())
    known = {key: (EntryId(number), content_hash) for number, (key, content_hash) in enumerate(stored.items())}

    assert compare_entries(entries, known) == Comparison(unchanged=len(stored))


def store(documents: list[list[tuple[str, str]]]) -> dict[str, tuple[EntryId, str]]:
    """What is stored after reading the documents in turn, each a list of (guid, text): key -> (id, content hash)."""
    known: dict[str, tuple[EntryId, str]] = {}
    for document in documents:
        said = tuple(ParsedEntry(id=guid, title=text) for guid, text in document)
        found = compare_entries(identify_entries(ParsedFeed(entries=said)).entries, known)
        by_id = {number: key for key, (number, _) in known.items()}
        for item in found.new:
            assert item.key not in known
            known[item.key] = (EntryId(len(known) + 1), item.content_hash)
        for number, item in found.changed:
            known[by_id[number]] = (number, item.content_hash)
        stored = [content_hash for _, content_hash in known.values()]
        assert all(stored.count(hash_entry(entry)) == 1 for entry in said), "each is stored, and once"
    return known


def test_an_entry_whose_key_is_shared_for_a_while_stays_one() -> None:
    """Documents [A], [B, A], [B], [A] under one guid: two entries, and neither overwrites the other."""
    known = store([[("g", "A")], [("g", "B"), ("g", "A")], [("g", "B")], [("g", "A")]])

    wanted = {hash_entry(ParsedEntry(id="g", title=text)) for text in "AB"}
    assert {content_hash for _, content_hash in known.values()} == wanted


def test_an_edit_under_an_own_key_is_a_change_and_under_a_shared_one_a_new_entry() -> None:
    assert len(store([[("g", "A")], [("g", "A2")]])) == 1
    assert len(store([[("g", "A"), ("g", "B")], [("g", "A2"), ("g", "B")]])) == 3


def test_entries_without_id_or_link_survive_ten_refetches() -> None:
    said = tuple(ParsedEntry(title=f"Post {number}", content_html="text") for number in range(200))
    items = identify_entries(ParsedFeed(entries=said)).entries
    known = {item.key: (EntryId(number), item.content_hash) for number, item in enumerate(items)}

    for _ in range(10):
        assert compare_entries(identify_entries(ParsedFeed(entries=said)).entries, known) == Comparison(unchanged=200)


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["g", "h", ""]), st.sampled_from("abcd")), min_size=1, max_size=4),
        max_size=6,
    )
)
def test_no_order_of_documents_stores_an_entry_twice_or_loses_one(documents: list[list[tuple[str, str]]]) -> None:
    store(documents)


@given(st.text(max_size=5), st.text(alphabet="0123456789abcdef", min_size=4, max_size=4))
def test_a_shared_key_can_be_told_from_an_own_one(key: str, content_hash: str) -> None:
    assert split_key(share_key(key, content_hash), content_hash) == key
    assert split_key(key, content_hash + "x") is None


def identify(*said: ParsedEntry) -> tuple[IdentifiedEntry, ...]:
    return identify_entries(ParsedFeed(entries=said)).entries


def test_http_and_https_of_one_id_are_one_entry_but_fragments_are_not() -> None:
    """Both ways; unless the document holds both, or both are stored."""
    http, https, part = (
        ParsedEntry(id=f"{scheme}://a.example/1{end}") for scheme, end in (("http", ""), ("https", ""), ("https", "#2"))
    )
    known = {"http://a.example/1": (EntryId(1), hash_entry(http))}

    assert compare_entries(identify(https), known) == Comparison(changed=((EntryId(1), identify(https)[0]),))
    assert compare_entries(identify(http, https), known) == Comparison(new=identify(https), unchanged=1)
    assert compare_entries(identify(part), known) == Comparison(new=identify(part))
    assert compare_entries(identify(http, replace(http, title="X"), https), known).changed == ()
    assert list_twins(identify(http, https, part, ParsedEntry(id="urn:1"))) == (
        "https://a.example/1", "http://a.example/1", "http://a.example/1#2",
    )  # fmt: skip
    known["https://a.example/1"] = (EntryId(2), hash_entry(https))
    assert compare_entries(identify(https), known) == Comparison(unchanged=1)


class Shelf:
    """What is stored of one feed, as the database would hold it; reads documents one after another."""

    def __init__(self) -> None:
        self.rows: dict[EntryId, StoredLink] = {}
        self.now = NOW

    def read(self, *said: ParsedEntry) -> Comparison:
        """Compare, settle and store a document, an hour after the last."""
        first_import = not self.rows
        items = identify(*said)
        known = {row.key: (row.id, row.content_hash) for row in self.rows.values()}
        found = compare_entries(items, known)
        if not first_import and needs_links(found, total=len(items)):
            found = settle_new(found, tuple(self.rows.values()), total=len(items))
        for item in found.new:
            claim = item.parsed.published_at or item.parsed.updated_at
            at = effective_at(claim, first_seen_at=self.now, first_import=first_import)
            self.put(EntryId(len(self.rows) + 1), item, at)
        for entry_id, item in found.changed:
            self.put(entry_id, item, self.rows[entry_id].effective_at)
        self.now += HOUR
        return found

    def put(self, entry_id: EntryId, item: IdentifiedEntry, at: datetime) -> None:
        url, title = item.parsed.url, item.parsed.title
        self.rows[entry_id] = StoredLink(
            id=entry_id, key=item.key, url=url, canonical_url=canonicalize_url(url), title=title,
            effective_at=at, content_hash=item.content_hash,
        )  # fmt: skip


def write(number: int, **changes: Any) -> ParsedEntry:
    entry = ParsedEntry(
        id=f"urn:{number}", url=f"http://a.example/posts/{number}", title=f"Post {number} on models",
        published_at=NOW - number * DAY,
    )  # fmt: skip
    return replace(entry, **changes)


OTHER_ID = {"id": "urn:new:{n}"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"url": "https://www.a.example/posts/{n}/?utm_source=feed"},
        {"url": ""},
        {"url": "https://b.example/2026/{n}.html"},
        {"title": "POST {n} on models!"},
        {"title": "Something else {n}"},
        {"published_at": None},
        {"published_at": None, "url": "https://b.example/posts/{n}"},
        {"published_at": None, "url": ""},
        {"published_at": None, "title": ""},
    ],
)
def test_new_ids_for_what_is_stored_are_taken_over(changes: dict[str, Any]) -> None:
    """Link, title and date: two of them, or one where the others are missing; the id may change with each fetch."""
    shelf = Shelf()
    shelf.read(*(write(n) for n in range(20)))
    for turn in range(3):
        said = [
            write(n, id=f"urn:{turn}:{n}", **{
                name: value.format(n=n) if isinstance(value, str) else value for name, value in changes.items()
            })
            for n in range(20)
        ]  # fmt: skip
        found = shelf.read(*said)
        assert found.new == ()
        assert [entry_id for entry_id, _ in found.changed] == list(range(1, 21))
        assert {row.key for row in shelf.rows.values()} == {entry.id for entry in said}


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://a.example/other/{n}", "published_at": None},
        {"url": "http://a.example/other/{n}", "published_at": NOW + 2 * DAY},
        {"url": "http://a.example/other/{n}", "title": "Else {n}"},
        {"title": "Else {n}", "published_at": None},
        {"title": "Else {n}", "published_at": NOW + 2 * DAY},
        {"url": "", "title": "Else {n}"},
    ],
)
def test_a_burst_of_what_only_looks_alike_is_new(changes: dict[str, Any]) -> None:
    """A series with one title for each week, old addresses with new posts, dates alone."""
    shelf = Shelf()
    shelf.read(*(write(n) for n in range(20)))
    said = [
        write(n, id=f"x{n}", **{k: v.format(n=n) if isinstance(v, str) else v for k, v in changes.items()})
        for n in range(20)
    ]

    assert len(shelf.read(*said).new) == 20


def test_what_is_really_new_in_a_burst_is_new() -> None:
    shelf = Shelf()
    shelf.read(*(write(n) for n in range(10)))
    found = shelf.read(*(write(n, id=f"new{n}") for n in range(12)))

    assert [item.key for item in found.new] == ["new10", "new11"]
    assert len(found.changed) == 10


def test_posts_of_one_page_keep_apart_by_their_fragments() -> None:
    """The links differ in nothing else."""
    shelf = Shelf()
    page = [write(n, url=f"http://a.example/log#v{n}", published_at=None) for n in range(8)]
    shelf.read(*page)
    found = shelf.read(*(replace(entry, id=f"x{entry.id}") for entry in page))

    assert [entry_id for entry_id, _ in found.changed] == list(range(1, 9))


def test_one_link_for_all_says_nothing() -> None:
    """A home page; titles and dates must tell."""
    shelf = Shelf()
    home = [write(n, url="http://a.example/") for n in range(8)]
    shelf.read(*home)
    assert len(shelf.read(*(replace(e, id=f"x{e.id}") for e in home)).changed) == 8
    assert len(shelf.read(*(replace(e, id=f"y{e.id}", title=f"Q{e.id}", published_at=None) for e in home)).new) == 8


@pytest.mark.parametrize(("new", "total", "burst"), [(3, 5, True), (4, 4, False), (10, 20, False), (11, 20, True)])
def test_a_burst_is_more_than_half_of_five_or_more(new: int, total: int, burst: bool) -> None:
    assert is_burst(new, total) is burst
    assert needs_links(Comparison(new=tuple(entry(str(n), "h") for n in range(new))), total=total) is burst


def same_id(text: str, **fields: Any) -> ParsedEntry:
    return ParsedEntry(id="same", content_html=text, **fields)


def test_an_edit_under_a_shared_key_finds_its_former_self() -> None:
    """By a link or a title that no other of them has; each time, so that no rows pile up."""
    shelf = Shelf()
    for turn in range(10):
        shelf.read(
            same_id(f"text {turn}", url="http://a.example/1", title=f"Edited {turn}"),
            same_id(f"text {turn}", title="Two"),
            same_id("text", title="Three"),
        )

    assert len(shelf.rows) == 3
    assert sorted(row.title for row in shelf.rows.values()) == ["Edited 9", "Three", "Two"]


@pytest.mark.parametrize("url", ["", "http://a.example/"])
def test_posts_that_slide_through_a_document_under_one_id_are_all_kept(url: str) -> None:
    """One leaves while one comes: that alone is no edit."""
    shelf = Shelf()
    for start in range(11):
        shelf.read(*(same_id("text", url=url, title=f"Post {n}") for n in range(start, start + 10)))

    assert sorted(row.title for row in shelf.rows.values()) == sorted(f"Post {n}" for n in range(20))


def test_what_was_not_read_again_is_not_overwritten() -> None:
    """An entry recognised by its bytes may be the one that looks missing."""
    shelf = Shelf()
    shelf.read(same_id("one", title="A"), same_id("two", title="B"))
    links = tuple(shelf.rows.values())
    item = identify(same_id("three", title="A"))[0]
    found = Comparison(new=(replace(item, key=share_key(item.key, item.content_hash)),))

    assert settle_new(found, links, total=2, skipped=1) == found
    assert settle_new(found, links, total=2).changed == ((EntryId(1), found.new[0]),)


SAID = st.builds(
    ParsedEntry,
    id=st.sampled_from(["", "g", "http://x.example/1", "https://x.example/1", "a", "b"]),
    url=st.sampled_from(["", "http://x.example/1", "https://x.example/1", "http://x.example/1#2", "http://[", "x:y"]),
    title=st.sampled_from(["", "One", "ONE!", "Two", "<b>Two</b>"]),
    published_at=st.sampled_from([None, NOW, NOW + DAY, NOW - 90 * DAY, datetime(1, 1, 1, tzinfo=UTC)]),
)
DOCUMENTS = st.lists(st.lists(SAID, max_size=9), min_size=1, max_size=6)


@given(DOCUMENTS)
def test_whatever_comes_each_entry_is_stored_once_and_read_again_nothing_happens(
    documents: list[list[ParsedEntry]],
) -> None:
    shelf = Shelf()
    for said in documents:
        items = identify(*said)
        found = shelf.read(*said)
        taken = [entry_id for entry_id, _ in found.changed]
        assert len(set(taken)) == len(taken)
        assert len(found.new) + len(found.changed) + found.unchanged == len(items)
        hashes = [row.content_hash for row in shelf.rows.values()]
        assert all(hashes.count(item.content_hash) == 1 for item in items)
        assert shelf.read(*said) == Comparison(unchanged=len(items))


def test_thousands_of_equal_titles_and_links_are_compared_in_an_instant() -> None:
    """No group is compared pair by pair."""
    new = tuple(IdentifiedEntry(key=str(n), content_hash="", parsed=write(1)) for n in range(3_000))
    shelf = Shelf()
    for n in range(1, 2_001):
        shelf.put(EntryId(n), new[0], NOW)

    pairs, rest = find_rekeyed(new, tuple(shelf.rows.values()))

    assert (len(pairs), len(rest)) in {(0, 3_000), (2_000, 1_000)}


def test_an_archive_that_is_republished_enters_as_backlog() -> None:
    """When most of a known feed's document is new and older than thirty days; what is young is not."""
    old = tuple(IdentifiedEntry(key=str(n), content_hash="", parsed=write(n)) for n in range(40, 50))
    young = tuple(IdentifiedEntry(key=str(n), content_hash="", parsed=write(n)) for n in range(5))
    absurd = tuple(replace(e, parsed=replace(e.parsed, published_at=datetime(1970, 1, 1, tzinfo=UTC))) for e in old)

    assert find_flood((*old, *young), total=15, now=NOW) == {item.key for item in old}
    assert find_flood(old, total=20, now=NOW) == frozenset()
    assert find_flood(young, total=5, now=NOW) == find_flood(absurd, total=10, now=NOW) == frozenset()


def test_a_burst_that_nothing_explains_is_held() -> None:
    """Of a feed with ten stored entries, more than half its document and more than three times what is usual."""
    shelf = Shelf()
    for n in range(1, 11):
        shelf.put(EntryId(n), IdentifiedEntry(key=f"stored {n}", content_hash="", parsed=write(n)), NOW)
    links = tuple(sorted(shelf.rows.values(), key=lambda link: link.effective_at, reverse=True))
    older = tuple(IdentifiedEntry(key=str(n), content_hash="", parsed=write(n)) for n in range(11, 19))
    news = tuple(replace(e, parsed=replace(e.parsed, published_at=links[0].effective_at + HOUR)) for e in older)
    undated = tuple(replace(e, parsed=replace(e.parsed, published_at=None)) for e in older)
    keys = {item.key for item in older}

    def find(new: Sequence[IdentifiedEntry] = older, total: int = 10, arrivals: Sequence[datetime] = ()) -> set[str]:
        return set(find_unexplained(new, links, total=total, arrivals=arrivals, now=NOW))

    assert find() == find(arrivals=(NOW, NOW - DAY)) == find(arrivals=(NOW, NOW, NOW - DAY, NOW - DAY)) == keys
    assert find((*older, *news)) == keys
    assert find(arrivals=(NOW, NOW, NOW)) == find(news) == find(undated) == find(total=16) == find(older[:3]) == set()
    assert find_unexplained(older, links[:9], total=10, arrivals=(), now=NOW) == set()


def test_a_flood_is_not_held_but_what_came_with_it_is() -> None:
    """An archive stays out of the combined feed without asking anybody."""
    shelf = Shelf()
    for n in range(10):
        shelf.put(EntryId(n + 1), IdentifiedEntry(key=f"stored {n}", content_hash="", parsed=write(n)), NOW)
    old = tuple(IdentifiedEntry(key=str(n), content_hash="", parsed=write(n)) for n in range(40, 50))
    young = tuple(IdentifiedEntry(key=str(n), content_hash="", parsed=write(n)) for n in range(5, 9))

    found = hold_back(Comparison(new=(*old, *young)), tuple(shelf.rows.values()), total=15, arrivals=(), now=NOW)

    assert found.held == {item.key for item in young}
    assert found.backlog == found.held | {item.key for item in old}
