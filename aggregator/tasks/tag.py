"""Tags for entries that wait for them in the change table, and the words that search finds them by.

Never writes an entry, never decides what a tag means. Tags follow the entries: a round of fetching need not wait for
them, and a kill in between leaves entries that wait.

When the taxonomy is another than the one that stored tags were made with, all stored entries are put into the change
table, newest first and a chunk at a time, whenever nothing else waits. How far that went is kept beside the entries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.model.ids import EntryId, FeedId
from aggregator.model.rule import Verdict
from aggregator.model.tag import TagEvidence
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.query import VERSION as WORDS_VERSION
from aggregator.pipeline.query import make_words
from aggregator.pipeline.rules import get_fingerprint as fingerprint_rules
from aggregator.pipeline.tag import find_tags, get_fingerprint
from aggregator.storage import audit, changes, entries, feeds, meta, rules
from aggregator.storage.changes import MadeWith
from aggregator.storage.entries import EntryQuery
from aggregator.storage.search_index import save_words
from aggregator.tasks.desk.settings import adopt_settings, get_mark, is_outdated
from aggregator.tasks.rules import judge_entries

log = get_logger(__name__)

#: Entries tagged in one transaction.
CHUNK = 500
#: Between two chunks of stored entries the daemon rests so long, in seconds.
REST = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """Entries that were read, and how many of them bear other tags than before."""

    read: int = 0
    changed: int = 0


def tag_waiting(app: App) -> int:
    """Give tags to all that wait; how many that were."""
    count = _tag_all(app).read
    if count:
        log.info("entries.tagged", entries=count)
    return count


def plan_retagging(app: App, *, anew: bool = False) -> int:
    """How many stored entries are to be tagged again, because the taxonomy is another than theirs, or ``anew``.

    For a start: what an earlier start began with the same taxonomy goes on where it stood.
    """
    fingerprint = _get_basis(app)
    with app.db.read() as conn:
        made = changes.get_made_with(conn)
        if not anew and made.taxonomy == fingerprint:
            return changes.count_older(conn, made.below)
    with app.db.write() as conn:
        below = changes.get_last(conn) + 1 if anew or made.taxonomy or changes.has_tags(conn) else 0
        changes.set_made_with(conn, MadeWith(taxonomy=fingerprint, below=below))
        count = changes.count_older(conn, below)
    if count:
        log.info("entries.retagging", entries=count)
    return count


def is_retagging(app: App) -> bool:
    """Whether stored entries are left to be tagged with our taxonomy."""
    with app.db.read() as conn:
        made = changes.get_made_with(conn)
    return made.below > 0 and made.taxonomy == _get_basis(app)


def retag_some(app: App) -> Tagged:
    """Tag what waits, then the next chunk of what `plan_retagging` left."""
    new = _tag_all(app)
    with app.db.write() as conn:
        made = changes.get_made_with(conn)
        if made.below and made.taxonomy == _get_basis(app):
            below = changes.note_older(conn, made.below, CHUNK, now=app.now())
            changes.set_made_with(conn, replace(made, below=below))
    old = _tag_all(app)
    return Tagged(read=new.read + old.read, changed=new.changed + old.changed)


def retag_stored(app: App, *, pause: Callable[[float], bool]) -> None:
    """All that `plan_retagging` left, without haste. ``pause`` waits so many seconds and says whether to stop."""
    read = changed = 0
    while is_retagging(app) and not pause(REST):
        done = retag_some(app)
        read, changed = read + done.read, changed + done.changed
    log.info("entries.retagged", entries=read, changed=changed)


def _get_basis(app: App) -> str:
    """Another text when the same entry may get other tags or words, or fare otherwise with the editor's rules."""
    settings = app.settings
    return f"{get_fingerprint(settings.tag_rules)}{fingerprint_rules(settings.rules)} words:{WORDS_VERSION}"


def _tag_all(app: App) -> Tagged:
    read = changed = 0
    while (done := _tag_some(app)).read:
        read, changed = read + done.read, changed + done.changed
    return Tagged(read=read, changed=changed)


def _tag_some(app: App) -> Tagged:
    mark = get_mark(app)
    with app.db.read() as conn:
        claimed = changes.claim_changes(conn, CHUNK)
        if not claimed:
            return Tagged()
        found = entries.list_entries(conn, EntryQuery(ids=tuple(claimed), hidden="too"))
        contents = entries.get_content_html(conn, tuple(claimed))
        by_id = feeds.get_feeds(conn, [entry.feed_id for entry in found])
    texts = {entry.id: _make_text(entry.id, contents) for entry in found}
    tags = {entry.id: _find_tags(app, entry, texts[entry.id], by_id) for entry in found}
    verdicts = judge_entries(app, found, contents, by_id, tags)
    tags |= {number: (*tags[number], *verdict.tags) for number, verdict in verdicts.items()}
    words = {entry.id: _make_words(entry, texts[entry.id], verdicts.get(entry.id)) for entry in found}
    with app.db.write() as conn:
        outdated = is_outdated(app, conn, mark)
        changed = 0 if outdated else _save(app, conn, tags, claimed, verdicts, words)
    if outdated:  # the desk has set other rules meanwhile, maybe at another machine: these entries once more
        adopt_settings(app)
    return Tagged(read=len(claimed), changed=changed)


def _save(
    app: App,
    conn: audit.Connection,
    tags: Mapping[EntryId, tuple[TagEvidence, ...]],
    claimed: Mapping[EntryId, datetime],
    verdicts: Mapping[EntryId, Verdict],
    words: Mapping[EntryId, str],
) -> int:
    changes.note_taxonomy(conn, _get_basis(app))
    judged = rules.save_verdicts(conn, verdicts)
    changed = changes.save_tags(conn, tags, claimed)
    reworded = save_words(conn, words)
    if changed or judged or reworded:
        meta.renew_revision(conn)
    return max(changed, judged)


def _make_text(entry_id: EntryId, contents: Mapping[EntryId, str]) -> str:
    try:
        return html_to_text(contents.get(entry_id, ""))
    except Exception:
        log.exception("entry.not_read", entry=entry_id)
        return ""


def _find_tags(app: App, entry: Entry, text: str, by_id: Mapping[FeedId, Feed]) -> tuple[TagEvidence, ...]:
    """Of one entry; none when a stage cannot digest it: it costs itself only."""
    try:
        return find_tags(
            title=entry.title,
            text=text,
            categories=entry.categories,
            url=entry.url,
            language=entry.language,
            feed_tags=by_id[entry.feed_id].spec.tags,
            rules=app.settings.tag_rules,
        )
    except Exception:
        log.exception("entry.not_tagged", entry=entry.id)
        return ()


def _make_words(entry: Entry, text: str, verdict: Verdict | None) -> str:
    """What readers find the entry by; none when it is kept from them. ``verdict`` None: as it is stored."""
    if entry.hidden if verdict is None else verdict.hidden:
        return ""
    try:
        return make_words(
            title=entry.title, author=entry.author, excerpt=entry.excerpt, text=text, language=entry.language
        )
    except Exception:
        log.exception("entry.not_indexed", entry=entry.id)
        return ""
