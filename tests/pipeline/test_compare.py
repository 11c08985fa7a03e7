"""What is new or changed against what is stored."""

from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.entry import IdentifiedEntry
from aggregator.model.ids import EntryId
from aggregator.model.parsed import ParsedEntry
from aggregator.pipeline.compare import Comparison, compare_entries


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
