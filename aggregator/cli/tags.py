"""``aggregator tags``: what entries are about, and why. Never tags anything."""

from __future__ import annotations

from typing import Annotated

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
    print_table,
    read_instant,
)
from aggregator.errors import NotFound
from aggregator.model.ids import EntryId
from aggregator.pipeline.tag import get_tags
from aggregator.storage import entries, tags

commands = new_group("Tags and the evidence behind them.")


@commands.command("list")
def list_tags(
    config: ConfigOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List the taxonomy's tags with their numbers of entries.

    With --since or --until only the entries of that time are counted.
    """
    with opened(config) as app:
        known = get_tags(app.settings.tag_rules)
        begin, end = read_instant(since, app), read_instant(until, app, end=True)
        with app.db.read() as conn:
            counts = {slug: count for slug, _, count in tags.list_tags(conn, since=begin, until=end)}
    documents = [
        {"slug": tag.slug, "kind": tag.kind, "name": tag.name, "entries": counts.get(tag.slug, 0)}
        for tag in sorted(known.values(), key=lambda tag: (-counts.get(tag.slug, 0), tag.slug))
    ]
    print_list(as_json, documents[: limit or None], ("slug", "kind", "name", "entries"), empty="No tags.")


@commands.command("explain")
def explain_tags(
    entry: Annotated[
        int,
        typer.Argument(metavar="ENTRY", min=1, max=MAX_NUMBER, help="An entry's number, as `entries list` shows it."),
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which words and which rule put each tag on an entry."""
    with opened(config) as app, app.db.read() as conn:
        found = entries.get(conn, EntryId(entry))
        if found is None:
            raise NotFound(f"no entry {entry}")
    rows = [
        {"slug": e.slug, "kind": e.kind, "field": e.field, "found": e.found, "rule": e.rule, "count": e.count}
        for e in found.tags
    ]
    if as_json:
        print_json({"id": found.id, "title": found.title, "tags": rows})
        return
    print_line(found.title)
    print_table(
        ("tag", "kind", "field", "found", "rule", "times"), [list(row.values()) for row in rows], empty="No tags."
    )
