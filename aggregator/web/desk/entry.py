"""Everything about one entry: its text, why it bears its tags, which rules decided, its dates, its edits. Never changes
one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from aggregator.errors import NotFound
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.parsed import ParsedEntry
from aggregator.pipeline.dates import MAX_AGE, MAX_AHEAD
from aggregator.pipeline.edits import describe_history
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.tag import get_tags
from aggregator.render.page import describe_images
from aggregator.render.story_documents import describe_whole_entry
from aggregator.storage import entries, entry_facts, rules, story_pages
from aggregator.web.desk import story_words
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Listing, Page, Section, Visit

#: Of a text that the publisher sent so many characters are shown, of a history so many lines of each edit.
_MOST_RAW, _MOST_LINES = 20_000, 60
#: A longer content is shown as text, as far as that.
_MOST_HTML = 200_000


def _find(conn: Any, visit: Visit) -> Entry:
    number = EntryId(visit.params["entry"])
    found = entries.get(conn, number, hidden="too")
    if found is None:
        raise NotFound(f"no entry {number}")
    return found


def _show_entry(visit: Visit) -> Response:
    with visit.app.db.read() as conn:
        entry = _find(conn, visit)
        facts = entry_facts.get_facts(conn, entry.id)
        decisions = rules.get_ruled(conn, [entry.id])[entry.id].decisions
        content = entries.get_content_html(conn, [entry.id]).get(entry.id, "")
        parsed, versions = entries.get_parsed(conn, entry.id), entries.list_versions(conn, entry.id)
        issues = story_pages.list_issues(conn, [entry.id])
    return show_page(
        visit,
        "entry.html",
        entry=entry,
        facts=facts,
        decisions=decisions,
        hidden_by=[said.rule for said in decisions if said.action == "drop"],
        content=describe_images(content) if len(content) <= _MOST_HTML else html_to_text(content[:_MOST_HTML]),
        raw=list(_iter_raw(parsed)) if parsed else [],
        history=list(reversed(describe_history(versions, parsed))),
        most_lines=_MOST_LINES,
        dated=_find_reason(entry, parsed),
        issues=issues,
        tags=get_tags(visit.app.settings.tag_rules),
        words=story_words,
    )


def _find_reason(entry: Entry, parsed: ParsedEntry | None) -> str:
    """Why it stands where it does: a key of `story_words.DATED`."""
    claimed = entry.published_at or entry.updated_at
    if entry.effective_at != entry.first_seen_at:
        return "claimed" if entry.effective_at in (entry.published_at, entry.updated_at) else "edited"
    if claimed is None:
        return "none"
    if claimed > entry.first_seen_at + MAX_AHEAD:
        return "ahead"
    return "old" if claimed < entry.first_seen_at - MAX_AGE else "edited"


def _iter_raw(parsed: ParsedEntry) -> Iterator[tuple[str, str, bool]]:
    """Name, text, whether it was cut; what is empty is left out."""
    for name in ParsedEntry.__dataclass_fields__:
        value = getattr(parsed, name)
        if name == "enclosures":
            value = "\n".join(" ".join(filter(None, (one.url, one.type, str(one.length or "")))) for one in value)
        elif isinstance(value, tuple):
            value = "\n".join(value)
        elif hasattr(value, "isoformat"):
            value = value.isoformat()
        if value is not None and value != "":
            text = str(value)
            yield name, text[:_MOST_RAW], len(text) > _MOST_RAW


def _tell_entry(visit: Visit) -> Any:
    with visit.app.db.read() as conn:
        entry = _find(conn, visit)
        decisions = rules.get_ruled(conn, [entry.id])[entry.id].decisions
        content = entries.get_content_html(conn, [entry.id]).get(entry.id, "")
        history = describe_history(entries.list_versions(conn, entry.id), entries.get_parsed(conn, entry.id))
    evidence = [
        {"slug": e.slug, "kind": e.kind, "field": e.field, "found": e.found, "rule": e.rule, "count": e.count}
        for e in entry.tags
    ]
    return describe_whole_entry(entry, decisions, content) | {"evidence": evidence, "history": history}


ROOM = Section(
    key="stories",
    pages=(Page(path="/entries/{entry:int}", show=_show_entry),),
    listings=(
        Listing(
            path="/entries/{entry:int}",
            read=_tell_entry,
            summary="One entry: its text, the evidence of its tags, what rules decided, its edits.",
        ),
    ),
)
