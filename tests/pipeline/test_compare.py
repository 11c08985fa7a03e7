"""What is new or changed against what is stored."""

from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.entry import IdentifiedEntry
from aggregator.model.ids import EntryId
from aggregator.model.parsed import ParsedEntry, ParsedFeed
from aggregator.pipeline.compare import Comparison, compare_entries
from aggregator.pipeline.identify import hash_entry, identify_entries


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
