"""``aggregator entries``: what is stored, and stored entries cleaned anew. Never changes what a publisher said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Annotated, Any

import typer

from aggregator.app import App
from aggregator.cli.console import (
    MAX_NUMBER,
    ConfigOption,
    JsonOption,
    LimitOption,
    SinceOption,
    UntilOption,
    new_group,
    opened,
    print_json,
    print_line,
    print_list,
    read_instant,
    show_progress,
)
from aggregator.errors import NotFound, UsageError
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.search import SearchProblem, SearchQuery
from aggregator.pipeline.edits import describe_history
from aggregator.pipeline.query import MAX_QUERY, MAX_WORDS, read_query
from aggregator.render.story_documents import describe_entry, describe_whole_entry
from aggregator.storage import entries, feeds, rules
from aggregator.storage.entries import EntryQuery
from aggregator.storage.search import search
from aggregator.tasks.clean import Cleaned, clean_some, is_cleaning, plan_cleaning

commands = new_group("Stored entries.")

_FOUND_AT_ONCE = 500
_PROBLEMS: Mapping[SearchProblem, str] = {
    "empty": "--search: no word was given",
    "no_words": "--search: there is no letter or digit to search for",
    "too_long": f"--search: more than {MAX_QUERY} characters",
    "too_many": f"--search: more than {MAX_WORDS} words (of Chinese and Japanese, characters)",
    "only_excluded": "--search: name something that is wanted, not only what is not",
}


@commands.command("list")
def list_entries(
    config: ConfigOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 50,
    feed: Annotated[
        str | None, typer.Option(metavar="URL", help="Only entries of this feed.", show_default=False)
    ] = None,
    tag: Annotated[str, typer.Option(metavar="SLUG", help="Only entries that bear this tag.")] = "",
    language: Annotated[str, typer.Option(metavar="CODE", help="Only entries in this language (en, ja, zh...).")] = "",
    words: Annotated[
        str | None,
        typer.Option("--search", metavar="WORDS", help="Only those that readers find by these.", show_default=False),
    ] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Only those that your rules keep from readers.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List entries, newest first."""
    asked = None if words is None else _read_words(words, hidden=hidden)
    with opened(config) as app:
        begin, end = read_instant(since, app), read_instant(until, app, end=True)
        with app.db.read() as conn:
            feed_id = None
            if feed is not None:
                found = feeds.get_by_url(conn, feed)
                if found is None:
                    raise NotFound(f"no feed {feed} (see `aggregator feeds list`)")
                feed_id = found.id
            query = EntryQuery(
                since=begin,
                until=end,
                limit=limit,
                feed_id=feed_id,
                tag=tag,
                language=language,
                hidden="only" if hidden else "out",
            )
            listed = entries.list_entries(conn, query) if asked is None else _search(conn, asked, query)
            documents = [describe_entry(entry) for entry in listed]
    print_list(as_json, documents, ("id", "effective_at", "language", "title", "feed_url"), empty="No entries.")


def _read_words(words: str, *, hidden: bool) -> SearchQuery:
    if hidden:
        raise UsageError("--search finds what readers find: hidden entries are not among it")
    asked = read_query(words)
    if asked.problem is not None:
        raise UsageError(_PROBLEMS[asked.problem])
    return asked


def _search(conn: Any, asked: SearchQuery, query: EntryQuery) -> list[Entry]:
    """Those that are found and meet every other condition."""
    found: list[Entry] = []
    before: int | None = None
    while not query.limit or len(found) < query.limit:
        page = search(conn, asked, limit=_FOUND_AT_ONCE, before=before)
        found += entries.list_entries(conn, replace(query, ids=page.ids, limit=0))
        if page.next_before is None:
            break
        before = page.next_before
    return found[: query.limit or None]


@commands.command("show")
def show_entry(
    entry: Annotated[
        int, typer.Argument(metavar="ENTRY", min=1, max=MAX_NUMBER, help="Its number, as `entries list` shows it.")
    ],
    config: ConfigOption = None,
    history: Annotated[
        bool, typer.Option("--history", help="Show what each edit took away and brought, the oldest first.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one entry with its cleaned content, or with its history."""
    with opened(config) as app, app.db.read() as conn:
        found = entries.get(conn, EntryId(entry), hidden="too")
        if found is None:
            raise NotFound(f"no entry {entry}")
        decided = rules.get_ruled(conn, [found.id])[found.id].decisions
        content_html = entries.get_content_html(conn, [found.id]).get(found.id, "")
        document = describe_whole_entry(found, decided, content_html)
        versions = entries.list_versions(conn, found.id) if history else ()
        edits = describe_history(versions, entries.get_parsed(conn, found.id))
    if as_json:
        print_json(document | {"history": edits} if history else document)
    elif history:
        _print_history(document, edits)
    else:
        _print_fields(document)


def _print_fields(document: Mapping[str, Any]) -> None:
    for name, value in document.items():
        if name == "tags":
            shown = ", ".join(tag["slug"] for tag in value)
        elif name == "rules":
            shown = "; ".join(f"{said['rule']}: {said['action']} {said['value']}".strip() for said in value)
        else:
            shown = "" if value is None else value
        print_line(f"{name}: {shown}")


def _print_history(document: Mapping[str, Any], edits: Sequence[Mapping[str, Any]]) -> None:
    print_line(f"{document['title']}  {document['url']}")
    if not edits:
        print_line("It was never edited.")
    for edit in edits:
        print_line("")
        print_line(f"edited {edit['edited_at'].astimezone(UTC):%Y-%m-%d %H:%MZ}")
        for line in edit["changes"] or ["  nothing of title, address, author, dates or text"]:
            print_line(line)


@commands.command("refresh")
def refresh_entries(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Clean stored entries anew, as this version does it.

    Texts, excerpts, titles and languages of entries that an older version stored, newest first. Can be broken off at
    any time and goes on with the next call; the daemon does the same by itself when it starts.
    """
    with opened(config) as app:
        total = plan_cleaning(app)
        done = _clean_with_progress(app, total, show=not as_json)
    if as_json:
        print_json({"entries": done.read, "changed": done.changed})
    elif total:
        print_line(f"{done.read} entries cleaned anew, {done.changed} are shown otherwise now.")
    else:
        print_line("All entries are cleaned as this version cleans.")


def _clean_with_progress(app: App, total: int, *, show: bool) -> Cleaned:
    read = changed = 0
    with show_progress("Cleaning", total, show=show) as update:
        while is_cleaning(app):
            some = clean_some(app)
            read, changed = read + some.read, changed + some.changed
            update(completed=read)
    return Cleaned(read=read, changed=changed)
