"""The editor's word about stories, said at the desk: each with its line in the log, and taken back by it. Never decides
what follows from it: `tasks.rulings` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.account import Change
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.story import Ruling, RulingKind
from aggregator.storage import audit, entries
from aggregator.storage.story_groups import Connection
from aggregator.tasks import rulings
from aggregator.tasks.desk.undone import record_undo
from aggregator.tasks.rulings import Ruled, Said, Then, Word, list_named

#: What is said of a story's place, and what the log calls it.
PLACES: dict[RulingKind | None, str] = {"pin": "story.pin", "bury": "story.bury", None: "story.unplace"}

#: What came of it, and its line in the log; None: it was said already.
Noted = tuple[Ruled, int | None]


def merge(app: App, story_ids: Sequence[StoryId], *, who: str) -> Noted:
    """As `rulings.merge_stories`."""
    return _note(app, who, "story.merge", None, lambda then: rulings.merge_stories(app, story_ids, then=then))


def split(app: App, story_id: StoryId, entry_ids: Sequence[EntryId], *, who: str) -> Noted:
    """As `rulings.split_story`."""

    def say(then: Then) -> Ruled:
        return rulings.split_story(app, story_id, entry_ids, then=then)

    return _note(app, who, "story.split", story_id, say)


def lead(app: App, story_id: StoryId, entry_id: EntryId, *, who: str) -> Noted:
    """As `rulings.choose_lead`."""
    return _note(app, who, "story.lead", story_id, lambda then: rulings.choose_lead(app, story_id, entry_id, then=then))


def keep_apart(app: App, one: EntryId, other: EntryId, *, who: str) -> Noted:
    """As `rulings.keep_apart`."""
    return _note(app, who, "story.never", None, lambda then: rulings.keep_apart(app, one, other, then=then))


def place(app: App, story_id: StoryId, kind: RulingKind | None, *, who: str) -> Noted:
    """As `rulings.place_story`."""
    return _note(app, who, PLACES[kind], story_id, lambda then: rulings.place_story(app, story_id, kind, then=then))


def take_back(app: App, ruling: Ruling, *, who: str) -> Noted:
    """As `rulings.take_back`."""
    return _note(app, who, "ruling.remove", None, lambda then: rulings.take_back(app, ruling, then=then))


def undo(app: App, change: Change, *, who: str) -> int:
    """What was said before the change holds again; the line that says so. Raises `UsageError`."""
    said = Said(before=_read(change.before), after=_read(change.after))
    lines: list[int] = []

    def note(conn: Connection, undone: Said) -> None:
        lines.append(record_undo(app, conn, change, who=who, before=_write(undone.before)))

    rulings.restore(app, said, then=note)
    if not lines:
        raise UsageError("there is nothing to take back any more")
    return lines[0]


def _note(app: App, who: str, action: str, story_id: StoryId | None, say: Callable[[Then], Ruled]) -> Noted:
    """``story_id``: what the line is about; None: the story that the first of the entries is in then."""
    lines: list[int] = []

    def note(conn: Connection, said: Said) -> None:
        told = _find_entry(conn, said)
        about = story_id or (told.story_id if told else None) or 0
        line = audit.record(
            conn, who=who, action=action, subject=f"story:{about}", title=told.title if told else "",
            before=_write(said.before), after=_write(said.after), now=app.now(),
        )  # fmt: skip
        lines.append(line)

    ruled = say(note)
    return ruled, lines[0] if lines else None


def _find_entry(conn: Connection, said: Said) -> Entry | None:
    """The first that it was about, for the title of the line."""
    first = next((number for story in said.before.stories for number in story), None)
    return None if first is None else entries.get(conn, first, hidden="too")


def _write(word: Word) -> dict[str, Any]:
    """As the log keeps it."""
    return {
        "stories": [" ".join(map(str, story)) for story in word.stories],
        "rulings": [" ".join(map(str, (one.kind, *list_named(one)))) for one in word.rulings],
    }


def _read(stored: Any) -> Word:
    return Word(
        rulings=tuple(_read_ruling(*line.split()) for line in stored["rulings"]),
        stories=tuple(tuple(EntryId(int(number)) for number in line.split()) for line in stored["stories"]),
    )


def _read_ruling(kind: str, number: str, other: str = "") -> Ruling:
    other_id = EntryId(int(other)) if other else None
    return Ruling(kind=cast(RulingKind, kind), entry_id=EntryId(int(number)), other_id=other_id)
