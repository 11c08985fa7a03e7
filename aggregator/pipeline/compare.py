"""What is new or changed against what is stored. Never looks at the database: it is given what is stored.

A key tells which entry is which (`identify`). Where keys fail, other signs do, carefully: an address that only changed
from http to https is the same id; when most of a document is new to a feed that we know, or an entry is new under a key
that several share, links, titles and dates tell what is really new (`settle_new`). Two entries are never made one
because their ids differ in a fragment only: many pages hold several posts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urldefrag

from aggregator.model.entry import IdentifiedEntry, StoredLink, share_key, split_key
from aggregator.model.ids import EntryId
from aggregator.pipeline.dates import EARLIEST, MAX_AGE, to_utc
from aggregator.pipeline.urls import canonicalize_url
from aggregator.pipeline.words import clean_line, title_key

#: In smaller documents it is nothing special that most is new.
MIN_BURST = 5
#: Of fewer stored entries nobody can say what is usual; so many times as much as usual is not.
_MIN_STORED = 10
_UNUSUAL = 3
#: A site that moves forgets the zone of its dates at most.
_SAME_DATE = timedelta(hours=14)
#: What `clean` cuts them to.
_TITLE_LENGTH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Entries of one document, sorted by what must be done with them."""

    new: tuple[IdentifiedEntry, ...] = ()
    changed: tuple[tuple[EntryId, IdentifiedEntry], ...] = ()
    unchanged: int = 0
    #: The stored entries that the document holds.
    present: frozenset[EntryId] = field(default=frozenset(), compare=False)
    #: Keys of new ones that may not enter the combined feed and mails, and of those of them that an editor should see.
    backlog: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    #: Of the unchanged, how much the feed says they are discussed: that is no change.
    discussed: Mapping[EntryId, int] = field(default_factory=dict, compare=False)


def compare_entries(entries: Sequence[IdentifiedEntry], known: Mapping[str, tuple[EntryId, str]]) -> Comparison:
    """Sort ``entries`` against ``known``: the stored entries of the same feed, key -> (id, content hash).

    A stored entry that is missing from the document is no change: feeds show only their newest. A key that several
    entries share in one document may stand alone in the next, and the other way round (`identify`): the content then
    says which stored one it is. What has a key that was shared before, and new content, is new: an edit of one must
    not overwrite another. An id that is stored with http instead of https, or the other way round, is the same one.
    """
    shared = {split_key(key, content_hash) for key, (_, content_hash) in known.items()} - {None}
    keys = {split_key(entry.key, entry.content_hash) or entry.key for entry in entries}
    new: list[IdentifiedEntry] = []
    changed: list[tuple[EntryId, IdentifiedEntry]] = []
    unchanged: list[EntryId] = []
    discussed: dict[EntryId, int] = {}
    for entry in entries:
        base = split_key(entry.key, entry.content_hash)
        plain = entry.key if base is None else base
        alone, own = known.get(plain), known.get(share_key(plain, entry.content_hash))
        same = own or (alone if alone is not None and alone[1] == entry.content_hash else None)
        if same is not None:
            unchanged.append(same[0])
            if entry.parsed.discussion is not None:
                discussed[same[0]] = entry.parsed.discussion
        elif base is None and plain in shared:
            new.append(replace(entry, key=share_key(plain, entry.content_hash)))
        elif base is None and (alone := alone or _find_twin(entry.key, keys, known)) is not None:
            changed.append((alone[0], entry))
        else:
            new.append(entry)
    present = frozenset(unchanged) | {entry_id for entry_id, _ in changed}
    return Comparison(
        new=tuple(new), changed=tuple(changed), unchanged=len(unchanged), present=present, discussed=discussed
    )


def list_twins(new: Iterable[IdentifiedEntry]) -> tuple[str, ...]:
    """The keys that ``known`` must hold, too, if they are stored: those of ``new`` with http for https and back."""
    return tuple(twin for entry in new if (twin := _flip_scheme(entry.key)))


def _find_twin(key: str, keys: Collection[str], known: Mapping[str, tuple[EntryId, str]]) -> tuple[EntryId, str] | None:
    """What is stored under the other scheme, unless this document holds both."""
    twin = _flip_scheme(key)
    return known.get(twin) if twin and twin not in keys else None


def _flip_scheme(key: str) -> str:
    if key.startswith("http://"):
        return "https://" + key[7:]
    return "http://" + key[8:] if key.startswith("https://") else ""


def is_burst(new: int, total: int) -> bool:
    """Tell whether more than half of a document of a known feed is new: so much is rarely published at once."""
    return total >= MIN_BURST and 2 * new > total


def needs_links(comparison: Comparison, *, total: int) -> bool:
    """Tell whether `settle_new` could find something; ``total``: the entries of the document."""
    return is_burst(len(comparison.new), total) or any(
        split_key(entry.key, entry.content_hash) is not None for entry in comparison.new
    )


def settle_new(comparison: Comparison, links: Sequence[StoredLink], *, total: int, skipped: int = 0) -> Comparison:
    """Move what is not really new from ``new`` to ``changed``; for feeds that are known, not for first imports.

    After a burst, what matches ``links`` (of the feed, newest first) by link, title and date is the stored entry under
    a new key. Otherwise the same is done for edits of entries that share a key, among those that share it: there a
    link that is an entry's own is enough. ``skipped`` entries of the document were not read: they may be any of the
    stored, so only a burst is settled then.
    """
    found: dict[str, EntryId] = {}
    if is_burst(len(comparison.new), total):
        pairs, _ = find_rekeyed(comparison.new, links, present=comparison.present)
        found = {entry.key: entry_id for entry_id, entry in pairs}
    elif not skipped:
        for new, stored in _get_shared_groups(comparison.new, links):
            pairs, _ = _pair(new, stored, comparison.present, lambda new, stored: True)
            found |= {entry.key: entry_id for entry_id, entry in pairs}
    rekeyed = tuple((found[entry.key], entry) for entry in comparison.new if entry.key in found)
    return replace(
        comparison,
        new=tuple(entry for entry in comparison.new if entry.key not in found),
        changed=(*comparison.changed, *rekeyed),
        present=comparison.present | frozenset(found.values()),
    )


def _get_shared_groups(
    new: Sequence[IdentifiedEntry], links: Sequence[StoredLink]
) -> list[tuple[tuple[IdentifiedEntry, ...], tuple[StoredLink, ...]]]:
    by_base: defaultdict[str, list[IdentifiedEntry]] = defaultdict(list)
    for entry in new:
        if (base := split_key(entry.key, entry.content_hash)) is not None:
            by_base[base].append(entry)
    stored: defaultdict[str, list[StoredLink]] = defaultdict(list)
    for link in links:
        base = split_key(link.key, link.content_hash)
        stored[link.key if base is None else base].append(link)
    return [(tuple(group), tuple(stored[base])) for base, group in by_base.items() if base in stored]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signs:
    """What an entry can be recognised by; empty and None: nothing."""

    #: The canonical link with its fragment.
    link: str
    title: str
    at: datetime | None


#: What two must have in common, as a tuple of which nothing may be empty.
_GetKey = Callable[[_Signs], tuple[object, ...]]
_Accepts = Callable[[_Signs, _Signs], bool]


def find_rekeyed(
    new: Sequence[IdentifiedEntry], links: Sequence[StoredLink], *, present: Collection[EntryId] = ()
) -> tuple[tuple[tuple[EntryId, IdentifiedEntry], ...], tuple[IdentifiedEntry, ...]]:
    """Return (stored entry, its new self) for those of ``new`` that are stored under other keys, and the really new.

    The strongest signs first: link, title and date; link and date or title; title and date; a title that stands alone,
    when neither date nor path speaks against it. A link alone is enough only for what has nothing else: some sites
    give new posts to old addresses. Each stored entry is taken at most once, those in ``present`` never.
    """
    return _pair(new, links, present, _agree)


def _pair(
    new: Sequence[IdentifiedEntry], links: Sequence[StoredLink], present: Collection[EntryId], accepts_link: _Accepts
) -> tuple[tuple[tuple[EntryId, IdentifiedEntry], ...], tuple[IdentifiedEntry, ...]]:
    match = _Match(new, links, present)
    match.pair_all(lambda signs: (signs.link, signs.title, signs.at))
    match.pair_lone(lambda signs: (signs.link,), accepts_link)
    match.pair_oldest(lambda signs: (signs.link, signs.title))
    match.pair_all(lambda signs: (signs.title, signs.at))
    match.pair_lone(lambda signs: (signs.title,), _may_be_one)
    pairs = tuple((match.found[entry.key], entry) for entry in new if entry.key in match.found)
    return pairs, tuple(entry for entry in new if entry.key not in match.found)


class _Match:
    """Pairs of new and stored entries, found rule by rule."""

    def __init__(
        self, new: Sequence[IdentifiedEntry], links: Sequence[StoredLink], present: Collection[EntryId]
    ) -> None:
        self._new = {entry.key: _read_entry(entry) for entry in new}
        self._stored = {link.id: _read_link(link) for link in links}
        self._present = frozenset(present)
        self.found: dict[str, EntryId] = {}

    def pair_all(self, get_key: _GetKey) -> None:
        """Those that agree in everything, one by one."""
        for keys, ids in self._iter_groups(get_key):
            for key, entry_id in zip(keys, (i for i in ids if i not in self._present), strict=False):
                self._take(key, entry_id)

    def pair_lone(self, get_key: _GetKey, accepts: _Accepts) -> None:
        """Those that have a sign alone on either side."""
        for keys, ids in self._iter_groups(get_key):
            lone = len(keys) == len(ids) == 1 and ids[0] not in self._present
            if lone and accepts(self._new[keys[0]], self._stored[ids[0]]):
                self._take(keys[0], ids[0])

    def pair_oldest(self, get_key: _GetKey) -> None:
        """One that is stored more than once already is the first of them."""
        for keys, ids in self._iter_groups(get_key):
            if len(keys) == 1 and self._present.isdisjoint(ids):
                self._take(keys[0], min(ids))

    def _iter_groups(self, get_key: _GetKey) -> list[tuple[list[str], list[EntryId]]]:
        """Keys and ids, in their order, of what agrees in this; only where both sides have some."""
        news: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
        stored: defaultdict[tuple[object, ...], list[EntryId]] = defaultdict(list)
        for key, signs in self._new.items():
            news[get_key(signs)].append(key)
        for entry_id, signs in self._stored.items():
            stored[get_key(signs)].append(entry_id)
        return [(keys, stored[sign]) for sign, keys in news.items() if sign in stored and all(sign)]

    def _take(self, key: str, entry_id: EntryId) -> None:
        self.found[key] = entry_id
        del self._new[key]
        del self._stored[entry_id]


def _read_entry(entry: IdentifiedEntry) -> _Signs:
    parsed = entry.parsed
    return _Signs(
        link=_join_link(canonicalize_url(parsed.url), parsed.url) if parsed.url else "",
        title=title_key(clean_line(parsed.title, _TITLE_LENGTH)),
        at=find_claim(entry),
    )


def _read_link(link: StoredLink) -> _Signs:
    return _Signs(link=_join_link(link.canonical_url, link.url), title=title_key(link.title), at=link.effective_at)


def _join_link(canonical_url: str, url: str) -> str:
    return f"{canonical_url}#{urldefrag(url).fragment}" if canonical_url else ""


def find_claim(entry: IdentifiedEntry) -> datetime | None:
    """When the publisher says that it appeared, else when it was last changed; in UTC."""
    claimed = entry.parsed.published_at or entry.parsed.updated_at
    return to_utc(claimed) if claimed else None


def _agree(new: _Signs, stored: _Signs) -> bool:
    """Of two with one link: whether title or date is the same, or the new one has neither."""
    if not new.title and new.at is None:
        return True
    return new.title == stored.title or (new.at is not None and _is_same_date(new.at, stored.at))


def _may_be_one(new: _Signs, stored: _Signs) -> bool:
    """Of two with one title: whether no other place and no other date speak against it.

    A claim that is missing, or so old that it was not believed when it was stored, does not.
    """
    if new.link and stored.link and _get_path(new.link) != _get_path(stored.link):
        return False
    return new.at is None or _is_same_date(new.at, stored.at) or _is_older(new.at, stored.at)


def _get_path(link: str) -> str:
    """All but the site: that may move."""
    return link.partition("://")[2].partition("/")[2]


def _is_same_date(one: datetime, other: datetime | None) -> bool:
    return other is not None and abs(one - other) <= _SAME_DATE


def _is_older(one: datetime, other: datetime | None) -> bool:
    return other is not None and other - one > MAX_AGE


def hold_back(
    comparison: Comparison,
    links: Sequence[StoredLink],
    *,
    total: int,
    arrivals: Sequence[datetime],
    now: datetime,
) -> Comparison:
    """Find what of a known feed's burst goes to the backlog, after `settle_new`: an old flood, and what is held."""
    flood = find_flood(comparison.new, total=total, now=now)
    held = find_unexplained(comparison.new, links, total=total, arrivals=arrivals, now=now) - flood
    return replace(comparison, backlog=flood | held, held=held)


def find_unexplained(
    new: Sequence[IdentifiedEntry],
    links: Sequence[StoredLink],
    *,
    total: int,
    arrivals: Sequence[datetime],
    now: datetime,
) -> frozenset[str]:
    """Return the keys of new entries to be held for review: they match nothing, and nothing explains that they come.

    News is younger than the newest of ``links`` (newest first); what claims to be older was there, unseen, or is the
    old under new ids. Held are more than half of a document, more than three times what a visit usually brought
    (``arrivals``: one instant for each entry), of a feed of which ten entries or more are stored.
    """
    if len(links) < _MIN_STORED:
        return frozenset()
    newest = next((link.effective_at for link in links if link.effective_at <= now), now)
    late = frozenset(entry.key for entry in new if (claim := find_claim(entry)) and EARLIEST <= claim < newest)
    usual = len(arrivals) / len(set(arrivals)) if arrivals else 1
    return late if is_burst(len(late), total) and len(late) > _UNUSUAL * usual else frozenset()


def find_flood(new: Sequence[IdentifiedEntry], *, total: int, now: datetime) -> frozenset[str]:
    """Return the keys of new entries of a known feed that may not enter the combined feed and mails (backlog).

    When more than half of a document is new and claims to be older than 30 days, an archive was republished. Dates
    before the web's beginning are default values, no claims.
    """
    old = frozenset(entry.key for entry in new if (claim := find_claim(entry)) and EARLIEST <= claim < now - MAX_AGE)
    return old if is_burst(len(old), total) else frozenset()
