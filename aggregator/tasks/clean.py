"""Stored entries cleaned anew after a change of the policy: newest first, a chunk at a time. Never fetches.

What a publisher said is kept, so that a better policy reaches what is stored (`pipeline.clean.POLICY_VERSION`). How far
that went is kept beside the entries; a kill costs a chunk, and an entry cleaned twice is the same as one cleaned once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.model.entry import CleanEntry
from aggregator.model.ids import EntryId
from aggregator.pipeline.clean import POLICY_VERSION
from aggregator.storage import changes, cleaning, entries, feeds, meta
from aggregator.storage.cleaning import CleanedBy
from aggregator.tasks.enrich import enrich_entry

log = get_logger(__name__)

#: Entries cleaned in one transaction.
CHUNK = 200
#: Between two chunks the daemon rests so long, in seconds.
REST = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """Entries that were cleaned, and how many of them are shown otherwise than before."""

    read: int = 0
    changed: int = 0


def plan_cleaning(app: App) -> int:
    """How many stored entries are cleaned by an older policy than ours; they are to be cleaned anew.

    For a start: what an earlier start began with the same policy goes on where it stood.
    """
    with app.db.read() as conn:
        cleaned = cleaning.get_cleaned_by(conn)
        if cleaned.policy == POLICY_VERSION:
            return cleaning.count_stale(conn, cleaned)
    with app.db.write() as conn:
        cleaned = CleanedBy(policy=POLICY_VERSION, below=changes.get_last(conn) + 1)
        count = cleaning.count_stale(conn, cleaned)
        cleaning.set_cleaned_by(conn, cleaned if count else CleanedBy(policy=POLICY_VERSION))
    if count:
        log.info("entries.recleaning", entries=count, policy=POLICY_VERSION)
    return count


def is_cleaning(app: App) -> bool:
    """Whether stored entries are left to be cleaned by our policy."""
    with app.db.read() as conn:
        cleaned = cleaning.get_cleaned_by(conn)
    return cleaned.below > 0 and cleaned.policy == POLICY_VERSION


def clean_some(app: App) -> Cleaned:
    """Clean the next chunk of what `plan_cleaning` left."""
    with app.db.read() as conn:
        begun = cleaning.get_cleaned_by(conn)
        if not begun.below or begun.policy != POLICY_VERSION:
            return Cleaned()
        stale = cleaning.list_stale(conn, begun, CHUNK)
        by_id = feeds.get_feeds(conn, [one.feed_id for one in stale])
    made: dict[EntryId, CleanEntry] = {}
    for one in stale:
        try:
            entry = enrich_entry(one.item, feed=by_id[one.feed_id], document=None)
        except Exception:
            log.exception("entry.not_cleaned", entry=one.id)  # it stays as it is: it costs itself only
            continue
        if not entries.find_unstorable(entry):
            made[one.id] = entry
    with app.db.write() as conn:
        changed = cleaning.save_cleaned(conn, made, now=app.now())
        if cleaning.get_cleaned_by(conn) == begun:  # nobody else was quicker
            below = stale[-1].id if len(stale) == CHUNK else 0
            cleaning.set_cleaned_by(conn, CleanedBy(policy=POLICY_VERSION, below=below))
        if changed:
            meta.renew_revision(conn)
    return Cleaned(read=len(stale), changed=changed)


def clean_stored(app: App, *, pause: Callable[[float], bool]) -> None:
    """All that `plan_cleaning` left, without haste. ``pause`` waits so many seconds and says whether to stop."""
    read = changed = 0
    while is_cleaning(app) and not pause(REST):
        done = clean_some(app)
        read, changed = read + done.read, changed + done.changed
    log.info("entries.recleaned", entries=read, changed=changed)
