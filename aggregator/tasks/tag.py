"""Tags for entries that wait for them in the change table. Never writes an entry, never decides what a tag means.

Tags follow the entries: a round of fetching need not wait for them, and a kill in between leaves entries that wait.
"""

from __future__ import annotations

from collections.abc import Mapping

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.model.entry import Entry
from aggregator.model.feed import Feed
from aggregator.model.ids import EntryId, FeedId
from aggregator.model.tag import TagEvidence
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.tag import find_tags
from aggregator.storage import changes, entries, feeds, meta, rules
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.rules import judge_entries

log = get_logger(__name__)

#: Entries tagged in one transaction.
CHUNK = 500


def tag_waiting(app: App) -> int:
    """Give tags to all that wait; how many that were."""
    count = 0
    while tagged := _tag_some(app):
        count += tagged
    if count:
        log.info("entries.tagged", entries=count)
    return count


def _tag_some(app: App) -> int:
    with app.db.read() as conn:
        claimed = changes.claim_changes(conn, CHUNK)
        if not claimed:
            return 0
        found = entries.list_entries(conn, EntryQuery(ids=tuple(claimed), hidden="too"))
        texts = entries.get_content_html(conn, tuple(claimed))
        by_id = feeds.get_feeds(conn, [entry.feed_id for entry in found])
    tags = {entry.id: _find_tags(app, entry, texts, by_id) for entry in found}
    verdicts = judge_entries(app, found, texts, by_id, tags)
    tags |= {number: (*tags[number], *verdict.tags) for number, verdict in verdicts.items()}
    with app.db.write() as conn:
        rules.save_verdicts(conn, verdicts)
        changes.save_tags(conn, tags, claimed)
        meta.renew_revision(conn)
    return len(claimed)


def _find_tags(
    app: App, entry: Entry, texts: Mapping[EntryId, str], by_id: Mapping[FeedId, Feed]
) -> tuple[TagEvidence, ...]:
    """Of one entry; none when a stage cannot digest it: it costs itself only."""
    try:
        return find_tags(
            title=entry.title,
            text=html_to_text(texts.get(entry.id, "")),
            categories=entry.categories,
            url=entry.url,
            language=entry.language,
            feed_tags=by_id[entry.feed_id].spec.tags,
            rules=app.settings.tag_rules,
        )
    except Exception:
        log.exception("entry.not_tagged", entry=entry.id)
        return ()
