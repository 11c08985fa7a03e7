"""The editor's word about stories: kept, and obeyed at once. Never decides anything itself.

Each of these takes ``then`` along: it is called in the transaction of what has changed, after it, and not at all when
nothing has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import product, takewhile

from aggregator.app import App
from aggregator.errors import NotFound, UsageError
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.story import Ruling, RulingKind
from aggregator.pipeline.group import group_entries
from aggregator.pipeline.group.parts import find_tied, group_parts
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What the editor says about some entries, in its order, and the entries, those of one story together."""

    rulings: tuple[Ruling, ...]
    stories: tuple[tuple[EntryId, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How it was, and how it is now."""

    before: Word
    after: Word


Then = Callable[[Connection, Said], object]


def _pass(conn: Connection, said: Said) -> None:
    pass


def merge_stories(app: App, story_ids: Sequence[StoryId], *, then: Then = _pass) -> Ruled:
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
        before = _look(conn, together)
        changed = rulings.withdraw_between(conn, "never", together, together) > 0
        pairs = [(together[0], other) for other in together[1:]]
        changed |= rulings.add_pairs(conn, "merge", pairs, now=app.now()) > 0
        found = _obey(app, conn, together)
        _tell(conn, before, then)
    score_stories(app)
    return Ruled(changed=changed, story_ids=found)


def split_story(app: App, story_id: StoryId, entry_ids: Sequence[EntryId], *, then: Then = _pass) -> Ruled:
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
        before = _look(conn, members)
        changed = rulings.withdraw_between(conn, "merge", leaving, staying) > 0
        changed |= rulings.add_pairs(conn, "never", list(product(leaving, staying)), now=app.now()) > 0
        pairs = [(leaving[0], other) for other in leaving[1:]]
        changed |= rulings.add_pairs(conn, "merge", pairs, now=app.now()) > 0
        found = _obey(app, conn, [*staying, *leaving])
        _tell(conn, before, then)
    score_stories(app)
    return Ruled(changed=changed, story_ids=found)


def keep_apart(app: App, one: EntryId, other: EntryId, *, then: Then = _pass) -> Ruled:
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
        before = _look(conn, _list_around(conn, (one, other)))
        changed = _add(app, conn, "never", one, other)
        found = _obey(app, conn, (one, other))
        _tell(conn, before, then)
    score_stories(app)
    return Ruled(changed=changed, story_ids=found)


def choose_lead(app: App, story_id: StoryId, entry_id: EntryId, *, then: Then = _pass) -> Ruled:
    """This entry leads the story it is in, whatever comes. Raises `NotFound`, `UsageError`."""
    tag_waiting(app)
    with app.db.write() as conn:
        lock_stories(conn)
        members = _get_members(conn, story_id)
        _check_inside(story_id, [entry_id], members)
        before = _look(conn, members)
        changed = _add(app, conn, "lead", entry_id, None)
        found = _obey(app, conn, members)
        _tell(conn, before, then)
    score_stories(app)
    return Ruled(changed=changed, story_ids=found)


def place_story(app: App, story_id: StoryId, kind: RulingKind | None, *, then: Then = _pass) -> Ruled:
    """``pin``: the story stands above all others; ``bury``: below; None: where its score says. Raises `NotFound`."""
    with app.db.write() as conn:
        lock_stories(conn)
        members = _get_members(conn, story_id)
        before = _look(conn, members)
        said = rulings.list_placings(conn, members)
        changed = kind not in {ruling.kind for ruling in said} if kind else bool(said)
        for ruling in said:
            if ruling.kind != kind:
                changed |= rulings.withdraw(conn, ruling)
        if kind and changed:
            _add(app, conn, kind, members[0], None)
        found = _list_stories(conn, members)
        if changed:
            _forget_scores(conn, found)
        _tell(conn, before, then)
    score_stories(app)
    return Ruled(changed=changed, story_ids=found)


def take_back(app: App, ruling: Ruling, *, then: Then = _pass) -> Ruled:
    """What the editor once said holds no longer; what only his word joined comes apart.

    Raises `NotFound` when he never said it.
    """
    tag_waiting(app)
    with app.db.write() as conn:
        lock_stories(conn)
        around = _list_around(conn, list_named(ruling))
        before = _look(conn, around)
        if not rulings.withdraw(conn, ruling):
            raise NotFound(f"nothing like that was said about entry {ruling.entry_id}")
        links = story_groups.get_links(conn, around)
        found = _obey(app, conn, around, find_tied(around, links) if ruling.kind == "merge" else None)
        _forget_scores(conn, found)
        _tell(conn, before, then)
    score_stories(app)
    return Ruled(changed=True, story_ids=found)


def restore(app: App, said: Said, *, then: Then = _pass) -> Ruled:
    """All is as it was before. Raises `UsageError` when other things were said about these entries since."""
    tag_waiting(app)
    with app.db.write() as conn:
        lock_stories(conn)
        around = [number for story in said.after.stories for number in story]
        if rulings.list_rulings(conn, around) != said.after.rulings:
            raise UsageError("something else was said about these entries since; look at their stories")
        now = _look(conn, around)
        _say_instead(app, conn, said)
        parts = said.before.stories if said.before.stories != said.after.stories else None
        found = _obey(app, conn, around, parts)
        _forget_scores(conn, found)
        _tell(conn, now, then)
    score_stories(app)
    return Ruled(changed=True, story_ids=found)


def _say_instead(app: App, conn: Connection, said: Said) -> None:
    """The rulings of before in place of those of after; what both begin with stays."""
    before, after = said.before.rulings, said.after.rulings
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))))
    for ruling in after[same:]:
        rulings.withdraw(conn, ruling)
    stored = story_groups.get_standings(conn, {number for ruling in before for number in list_named(ruling)})
    for ruling in before[same:]:
        if stored.keys() >= set(list_named(ruling)):
            rulings.add(conn, ruling, now=app.now())


def list_named(ruling: Ruling) -> tuple[EntryId, ...]:
    """The one or two entries that it is about."""
    return (ruling.entry_id,) if ruling.other_id is None else (ruling.entry_id, ruling.other_id)


def _forget_scores(conn: Connection, story_ids: Collection[StoryId]) -> None:
    stories.forget_scores(conn, story_ids)
    meta.renew_revision(conn)


def _list_around(conn: Connection, entry_ids: Sequence[EntryId]) -> list[EntryId]:
    """These first, and all that is in a story with them."""
    told = [story_id for s in story_groups.get_standings(conn, entry_ids).values() if (story_id := s.story_id)]
    return list(dict.fromkeys([*entry_ids, *story_groups.list_member_ids(conn, told)]))


def _look(conn: Connection, entry_ids: Sequence[EntryId]) -> Word:
    standings = story_groups.get_standings(conn, entry_ids)
    told: dict[StoryId, list[EntryId]] = {}
    for number in entry_ids:
        if number in standings and (story_id := standings[number].story_id) is not None:
            told.setdefault(story_id, []).append(number)
    return Word(rulings=rulings.list_rulings(conn, entry_ids), stories=tuple(map(tuple, told.values())))


def _tell(conn: Connection, before: Word, then: Then) -> None:
    after = _look(conn, [number for story in before.stories for number in story])
    if after != before:
        then(conn, Said(before=before, after=after))


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


def _obey(
    app: App,
    conn: Connection,
    entry_ids: Collection[EntryId],
    parts: Sequence[Collection[EntryId]] | None = None,
) -> tuple[StoryId, ...]:
    """Group the stories concerned anew; what nothing parts or joins stays as it is, or as ``parts`` say.

    An entry without a story waits for the next round: that looks at its neighbours, too.
    """
    told = [story_id for s in story_groups.get_standings(conn, entry_ids).values() if (story_id := s.story_id)]
    candidates = story_groups.get_candidates(conn, story_groups.list_member_ids(conn, told))
    said, lexicon = rulings.list_rulings(conn), app.settings.lexicon
    if parts is None:
        groups = group_entries(candidates, said, lexicon)
    else:
        links = story_groups.get_links(conn, [candidate.id for candidate in candidates])
        groups = group_parts(candidates, parts, links, said, lexicon)
    if stories.save_groups(conn, groups, now=app.now(), identity=meta.get_identity(conn)):
        meta.renew_revision(conn)
    return _list_stories(conn, entry_ids)


def _list_stories(conn: Connection, entry_ids: Collection[EntryId]) -> tuple[StoryId, ...]:
    standings = story_groups.get_standings(conn, entry_ids)
    found = (standings[number].story_id for number in entry_ids if number in standings)
    return tuple(dict.fromkeys(number for number in found if number is not None))
