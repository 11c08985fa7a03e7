"""The editor's word about stories: kept, and obeyed at once. Never decides anything itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product

from aggregator.app import App
from aggregator.errors import NotFound, UsageError
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.story import Ruling, RulingKind
from aggregator.pipeline.group import group_entries
from aggregator.storage import meta, rulings, stories, story_groups
from aggregator.storage.locks import lock_stories
from aggregator.storage.story_groups import Connection
from aggregator.tasks.group import score_stories
from aggregator.tasks.tag import tag_waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """What came of the editor's word."""

    #: Whether it was new, or said already.
    changed: bool
    #: The stories that the entries named are in now, in their order, each once.
    story_ids: tuple[StoryId, ...]


def merge_stories(app: App, story_ids: Sequence[StoryId]) -> Ruled:
    """These stories are one, for ever; what kept entries of theirs apart is taken back.

    Raises `NotFound`, and `UsageError` when they are one story already.
    """
    tag_waiting(app)
    with app.db.write() as conn:
        lock_stories(conn)
        members = [_get_members(conn, number) for number in story_ids]
        if len({some[0] for some in members}) < 2:
            raise UsageError("name two stories or more; these are one already")
        together = list(dict.fromkeys(entry_id for some in members for entry_id in some))
        changed = rulings.withdraw_between(conn, "never", together, together) > 0
        pairs = [(together[0], other) for other in together[1:]]
        changed |= rulings.add_pairs(conn, "merge", pairs, now=app.now()) > 0
        found = _obey(app, conn, together)
    score_stories(app)
    return Ruled(changed=changed, story_ids=found)


def split_story(app: App, story_id: StoryId, entry_ids: Sequence[EntryId]) -> Ruled:
    """These entries leave their story and are one of their own, for ever. Raises `NotFound`, `UsageError`."""
    tag_waiting(app)
    with app.db.write() as conn:
        lock_stories(conn)
        members = _get_members(conn, story_id)
        leaving = list(dict.fromkeys(entry_ids))
        _check_inside(story_id, leaving, members)
        staying = [number for number in members if number not in leaving]
        if not staying:
            raise UsageError(f"all entries of story {story_id} would leave; name some of them")
        changed = rulings.withdraw_between(conn, "merge", leaving, staying) > 0
        changed |= rulings.add_pairs(conn, "never", list(product(leaving, staying)), now=app.now()) > 0
        pairs = [(leaving[0], other) for other in leaving[1:]]
        changed |= rulings.add_pairs(conn, "merge", pairs, now=app.now()) > 0
        found = _obey(app, conn, [*staying, *leaving])
    score_stories(app)
    return Ruled(changed=changed, story_ids=found)


def keep_apart(app: App, one: EntryId, other: EntryId) -> Ruled:
    """These two are never in one story. Raises `NotFound`, and `UsageError` for an entry and itself."""
    if one == other:
        raise UsageError(f"entry {one} cannot be kept apart from itself")
    tag_waiting(app)
    with app.db.write() as conn:
        lock_stories(conn)
        standings = story_groups.get_standings(conn, (one, other))
        for number in (one, other):
            if number not in standings:
                raise NotFound(f"no entry {number}")
        changed = _add(app, conn, "never", one, other)
        found = _obey(app, conn, (one, other))
    score_stories(app)
    return Ruled(changed=changed, story_ids=found)


def choose_lead(app: App, story_id: StoryId, entry_id: EntryId) -> Ruled:
    """This entry leads the story it is in, whatever comes. Raises `NotFound`, `UsageError`."""
    tag_waiting(app)
    with app.db.write() as conn:
        lock_stories(conn)
        members = _get_members(conn, story_id)
        _check_inside(story_id, [entry_id], members)
        changed = _add(app, conn, "lead", entry_id, None)
        found = _obey(app, conn, members)
    score_stories(app)
    return Ruled(changed=changed, story_ids=found)


def place_story(app: App, story_id: StoryId, kind: RulingKind | None) -> Ruled:
    """``pin``: the story stands above all others; ``bury``: below; None: where its score says. Raises `NotFound`."""
    with app.db.write() as conn:
        lock_stories(conn)
        members = _get_members(conn, story_id)
        said = rulings.list_placings(conn, members)
        changed = kind not in {ruling.kind for ruling in said} if kind else bool(said)
        for ruling in said:
            if ruling.kind != kind:
                changed |= rulings.withdraw(conn, ruling)
        if kind and changed:
            _add(app, conn, kind, members[0], None)
        found = _list_stories(conn, members)
        if changed:
            stories.forget_scores(conn, found)
            meta.renew_revision(conn)
    score_stories(app)
    return Ruled(changed=changed, story_ids=found)


def _add(app: App, conn: Connection, kind: RulingKind, one: EntryId, other: EntryId | None) -> bool:
    return rulings.add(conn, Ruling(kind=kind, entry_id=one, other_id=other), now=app.now())


def _get_members(conn: Connection, story_id: StoryId) -> tuple[EntryId, ...]:
    """The entries of a story, or of the one that swallowed it, the one that leads it first."""
    found = stories.get(conn, story_id)
    if isinstance(found, int):
        found = stories.get(conn, StoryId(found))
    if found is None or isinstance(found, int):
        raise NotFound(f"no story {story_id}")
    return tuple(dict.fromkeys([found.lead.id, *story_groups.list_member_ids(conn, (found.id,))]))


def _check_inside(story_id: StoryId, entry_ids: Sequence[EntryId], members: Collection[EntryId]) -> None:
    for number in entry_ids:
        if number not in members:
            raise NotFound(f"no entry {number} in story {story_id}")


def _obey(app: App, conn: Connection, entry_ids: Collection[EntryId]) -> tuple[StoryId, ...]:
    """Group the stories concerned anew; what nothing parts or joins stays as it is.

    An entry without a story waits for the next round: that looks at its neighbours, too.
    """
    told = [story_id for s in story_groups.get_standings(conn, entry_ids).values() if (story_id := s.story_id)]
    candidates = story_groups.get_candidates(conn, story_groups.list_member_ids(conn, told))
    groups = group_entries(candidates, rulings.list_rulings(conn), app.settings.lexicon)
    if stories.save_groups(conn, groups, now=app.now(), identity=meta.get_identity(conn)):
        meta.renew_revision(conn)
    return _list_stories(conn, entry_ids)


def _list_stories(conn: Connection, entry_ids: Collection[EntryId]) -> tuple[StoryId, ...]:
    standings = story_groups.get_standings(conn, entry_ids)
    found = (standings[number].story_id for number in entry_ids if number in standings)
    return tuple(dict.fromkeys(number for number in found if number is not None))
