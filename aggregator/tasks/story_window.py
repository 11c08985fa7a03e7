"""The entries of a stretch of time, kept in memory between rounds, so that a new one costs what it touches.

The database stays the truth: before each use the window looks at what is stored there now (one short row an entry) and
takes in what is new or changed, whichever process did it. Never writes.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary

from aggregator.log import get_logger
from aggregator.model.ids import EntryId
from aggregator.model.lexicon import Lexicon
from aggregator.model.story import GroupedStory, Ruling
from aggregator.pipeline.group import StoryIndex
from aggregator.storage import rulings, story_groups
from aggregator.storage.engine import Database
from aggregator.storage.story_groups import Connection, Standing

log = get_logger(__name__)

#: A story takes entries up to three days after its last one; older neighbours cannot change.
REACH = timedelta(days=3)
#: Entries that are looked at in one go, beside those that may be their neighbours.
SLICE = 1_500
#: Entries are taken in and compared so many at a time.
PART = 250
#: Beyond what a slice needs, so many entries stay in memory for the next.
SPARE = 4_000
#: When stored stories are made anew, so much before and behind a slice is looked at: what hangs together by a chain of
#: entries is then seen whole, whichever slice comes first.
MARGIN = 3 * REACH
#: However many come in three days, so many before a slice and from its first on are looked at. Not where stored stories
#: are made anew: they would come out otherwise each time.
MOST = 8_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Entries of [first, last], all that came before them within reach, and those after them that have a story."""

    first: datetime
    last: datetime
    #: Whether its stored stories are to be made anew, too.
    anew: bool = False
    #: Nothing before and after these is looked at: there is too much.
    not_before: datetime = _EPOCH
    not_after: datetime = _NEVER

    @property
    def since(self) -> datetime:
        """Where a cell of the index begins (`StoryIndex.forget` drops whole ones), or where there is too much."""
        before = MARGIN if self.anew else REACH
        return max(_find_cell(self.first - before), self.not_before)

    @property
    def until(self) -> datetime:
        return min(self.last + (MARGIN if self.anew else REACH), max(self.last, self.not_after))


def find_slice(conn: Connection, first: datetime, *, anew: bool = False) -> Slice:
    """The next entries from ``first`` on, as many as are looked at in one go."""
    part = Slice(first=first, last=story_groups.find_end(conn, first, SLICE), anew=anew)
    if anew:
        return part
    before, after = story_groups.find_start(conn, first, MOST), story_groups.find_end(conn, first, MOST)
    return replace(part, not_before=before or _EPOCH, not_after=after)


def _find_cell(moment: datetime) -> datetime:
    """Where its cell of the index begins."""
    return _EPOCH + (moment - _EPOCH) // REACH * REACH


@dataclass(slots=True)
class StoryWindow:
    """An index of entries with what they were when they were read. To be used by one thread at a time: ``lock``."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    known: dict[EntryId, Standing] = field(default_factory=dict)
    #: Entries that the index cannot digest: it sees them without their words.
    spoilt: set[EntryId] = field(default_factory=set)
    #: Entries to be grouped, until it is saved that they are: whatever is forgotten or read anew meanwhile.
    _pending: set[EntryId] = field(default_factory=set)
    _times: dict[EntryId, datetime] = field(default_factory=dict)
    _index: StoryIndex | None = None
    _since: datetime | None = None
    _rulings: tuple[Ruling, ...] = ()

    def look(self, conn: Connection, part: Slice, lexicon: Lexicon) -> tuple[GroupedStory, ...]:
        """The stories around what is new or changed in ``part``; around all of it when that is asked for."""
        wanted = story_groups.list_standings(conn, since=part.since, until=part.last, grouped_until=part.until)
        said = rulings.list_rulings(conn)
        self._pending |= {number for number, standing in wanted.items() if self._is_fresh(number, standing)}
        if self._index is None or said != self._rulings or self._is_stale(wanted, part):
            self.clear()
            self._index, self._rulings = StoryIndex(said, lexicon, keep_stories=False), said
        index = self._index
        if self._since is None or part.since > self._since:
            # Older members of stories that still live come back below, and stay until the next step.
            index.forget(part.since)
            self._drop(_find_cell(part.since))
        self._since = part.since
        news = [n for n, standing in wanted.items() if standing[0] is None or self.known.get(n) != standing]
        fresh = self._pending.intersection(wanted)
        context = set(news).difference(fresh)
        self._take(conn, context, wanted)
        touched = self._take(conn, fresh, wanted)
        if part.anew:
            touched |= {n for n in wanted if part.first <= self._times[n] <= part.last}
        return index.regroup(touched)

    def still_holds(self, conn: Connection, members: Collection[EntryId]) -> bool:
        """Whether what `look` made of these rests on what is stored now: entries, and the editor's word."""
        read = {number: self.known[number] for number in members}
        return rulings.list_rulings(conn) == self._rulings and story_groups.get_standings(conn, members) == read

    def settle(self, members: Collection[EntryId]) -> None:
        """What `look` made of these is stored."""
        self._pending.difference_update(members)

    def find_spoilt(self, conn: Connection, part: Slice, lexicon: Lexicon) -> bool:
        """After an error: look for entries that raise one by themselves; whether there are any not known before."""
        before = len(self.spoilt)
        wanted = story_groups.list_standings(conn, since=part.since, until=part.last, grouped_until=part.until)
        for candidate in story_groups.get_candidates(conn, sorted(wanted.keys() - self.spoilt)):
            try:
                StoryIndex((), lexicon).add([candidate])
            except Exception:
                log.exception("entry.not_grouped", entry=candidate.id)
                self.spoilt.add(candidate.id)
        return len(self.spoilt) > before

    def clear(self) -> None:
        """Forget all. One entry after the other: a large structure that goes at once holds up every thread."""
        while self.known:
            self.known.popitem()
        if self._index is not None:
            self._index.forget(_NEVER)
        self.drop()

    def drop(self) -> None:
        """Forget all at once: nothing that an error left half done may stay."""
        self.known.clear()
        self._times.clear()
        self._index = self._since = None

    def _is_fresh(self, number: EntryId, standing: Standing) -> bool:
        """Whether its story may be another than the stored one: a new entry, or another text than it had."""
        if standing.story_id is None:
            return True
        before = self.known.get(number)
        return before is not None and (before.changed_at, before.hidden) != (standing.changed_at, standing.hidden)

    def _is_stale(self, wanted: Mapping[EntryId, Standing], part: Slice) -> bool:
        """Whether an entry of this time has gone, or memory holds much more than is needed."""
        if len(self.known) > 2 * len(wanted) + SPARE:
            return True
        since, last = part.since, part.last
        return any(n not in wanted and since <= at <= last for n, at in self._times.items())

    def _drop(self, before: datetime) -> None:
        for number in [number for number, at in self._times.items() if at < before]:
            del self.known[number], self._times[number]

    def _take(self, conn: Connection, ids: Collection[EntryId], wanted: Mapping[EntryId, Standing]) -> set[EntryId]:
        """Read them and take them in; those whose story is to be made anew."""
        assert self._index is not None
        touched: set[EntryId] = set()
        ordered = sorted(ids)
        for start in range(0, len(ordered), PART):
            candidates = [
                replace(candidate, title="", summary="", tags=(), links=())
                if candidate.id in self.spoilt
                else candidate
                for candidate in story_groups.get_candidates(conn, ordered[start : start + PART])
            ]
            touched |= self._index.add(candidates)
            for candidate in candidates:
                self.known[candidate.id] = wanted[candidate.id]
                self._times[candidate.id] = candidate.effective_at
        return touched


_windows: WeakKeyDictionary[Database, StoryWindow] = WeakKeyDictionary()


def get_window(db: Database) -> StoryWindow:
    """The one of this database in this process."""
    return _windows.setdefault(db, StoryWindow())
