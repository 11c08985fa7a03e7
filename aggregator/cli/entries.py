"""``aggregator entries``: what is stored. Never changes it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

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
)
from aggregator.errors import NotFound
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.storage import entries, feeds
from aggregator.storage.entries import EntryQuery

commands = new_group("Stored entries.")


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
    as_json: JsonOption = False,
) -> None:
    """List entries, newest first."""
    with opened(config) as app:
        begin, end = read_instant(since, app), read_instant(until, app, end=True)
        with app.db.read() as conn:
            feed_id = None
            if feed is not None:
                found = feeds.get_by_url(conn, feed)
                if found is None:
                    raise NotFound(f"no feed {feed} (see `aggregator feeds list`)")
                feed_id = found.id
            query = EntryQuery(since=begin, until=end, limit=limit, feed_id=feed_id, tag=tag, language=language)
            documents = [describe_entry(entry) for entry in entries.list_entries(conn, query)]
    print_list(as_json, documents, ("id", "effective_at", "language", "title", "feed_url"), empty="No entries.")


@commands.command("show")
def show_entry(
    entry: Annotated[
        int, typer.Argument(metavar="ENTRY", min=1, max=MAX_NUMBER, help="Its number, as `entries list` shows it.")
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one entry with its cleaned content."""
    with opened(config) as app, app.db.read() as conn:
        found = entries.get(conn, EntryId(entry))
        if found is None:
            raise NotFound(f"no entry {entry}")
        document = describe_entry(found)
        document["content_html"] = entries.get_content_html(conn, [found.id]).get(found.id, "")
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        shown = ", ".join(tag["slug"] for tag in value) if name == "tags" else "" if value is None else value
        print_line(f"{name}: {shown}")


def describe_entry(entry: Entry) -> dict[str, Any]:
    """The JSON document of one entry."""
    return {
        "id": entry.id,
        "feed_url": entry.feed_url,
        "guid": entry.guid,
        "title": entry.title,
        "url": entry.url,
        "author": entry.author,
        "language": entry.language,
        "published_at": entry.published_at,
        "effective_at": entry.effective_at,
        "tags": [{"slug": tag.slug, "kind": tag.kind} for tag in entry.tags],
        "excerpt": entry.excerpt,
        "reading_minutes": entry.reading_minutes,
        "story_id": entry.story_id,
    }
