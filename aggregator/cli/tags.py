"""``aggregator tags``: what entries are about, and why; stored entries tagged again. Never decides what a tag means."""

from __future__ import annotations

from typing import Annotated

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
    print_table,
    read_instant,
)
from aggregator.errors import NotFound
from aggregator.model.ids import EntryId
from aggregator.pipeline.tag import get_tags
from aggregator.storage import entries, tags
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.tag import Tagged, is_retagging, plan_retagging, retag_some

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
        found = entries.get(conn, EntryId(entry), hidden="too")
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


@commands.command("refresh")
def refresh_tags(
    config: ConfigOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Although the taxonomy has not changed since the last time.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Tag stored entries again after a change of the taxonomy.

    The newest come first. It can be broken off and goes on with the next call; the daemon does it when it starts.
    A daemon that runs keeps its own taxonomy until it is started again.
    """
    with opened(config) as app:
        total = plan_retagging(app, anew=everything)
        done = _retag_with_progress(app, total, show=not as_json)
        regroup_stories(app)
    if as_json:
        print_json({"entries": done.read, "changed": done.changed})
    elif total:
        print_line(f"{done.read} entries read again, {done.changed} bear other tags now.")
    else:
        print_line("All entries are tagged with this taxonomy.")


def _retag_with_progress(app: App, total: int, *, show: bool) -> Tagged:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    read = changed = 0
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as progress:
        bar = progress.add_task("Tagging", total=total)
        while is_retagging(app):
            some = retag_some(app)
            read, changed = read + some.read, changed + some.changed
            progress.update(bar, completed=min(read, total))
    return Tagged(read=read, changed=changed)
