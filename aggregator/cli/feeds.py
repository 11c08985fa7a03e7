"""``aggregator feeds``: whom we read. Never fetches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aggregator.app import App
from aggregator.cli.console import ConfigOption, JsonOption, opened, print_list, print_note
from aggregator.errors import NotFound, UsageError
from aggregator.log import redact_url
from aggregator.model.feed import Feed, FeedSpec
from aggregator.pipeline.opml import parse_opml, render_opml
from aggregator.pipeline.urls import is_web_url
from aggregator.storage import feeds

commands = typer.Typer(help="The feeds that are read.", no_args_is_help=True)


@commands.command("list")
def list_feeds(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List all feeds with their state, last answer and next due time."""
    with opened(config) as app, app.db.read() as conn:
        documents = [describe_feed(feed) for feed in feeds.list_feeds(conn)]
    columns = ("id", "state", "last_status", "failures", "entries", "next_due_at", "title", "url")
    print_list(as_json, documents, columns, empty="No feeds. Add one: aggregator feeds add URL")


def describe_feed(feed: Feed) -> dict[str, Any]:
    """The contract's JSON document of one feed."""
    return {
        "id": feed.id,
        "url": feed.spec.url,
        "title": feed.name,
        "origin": feed.spec.origin,
        "state": feed.state,
        "last_status": feed.last_status,
        "last_fetched_at": feed.last_fetched_at,
        "next_due_at": feed.next_due_at,
        "next_due_reason": feed.next_due_reason,
        "failures": feed.failures,
        "failure_class": feed.failure_class,
        "failure_reason": feed.failure_reason,
        "entries": feed.entry_count,
    }


@commands.command("add")
def add_feed(
    url: Annotated[str, typer.Argument(help="The feed's address.")],
    config: ConfigOption = None,
    title: Annotated[str, typer.Option(help="What pages call it; default: its own title.")] = "",
    language: Annotated[str, typer.Option(help="Its language (en, ja, zh...); default: what it claims.")] = "",
) -> None:
    """Add a feed, kept in the database beside those of the configuration."""
    if not is_web_url(url):
        raise UsageError(f"{url!r} is no http:// or https:// address")
    with opened(config) as app:
        _add(app, [FeedSpec(url=url, origin="added", title=title, language=language)])
    typer.echo(f"Added {url}. It is fetched at the next tick, or now: aggregator fetch --feed {url}")


def _add(app: App, specs: list[FeedSpec]) -> int:
    with app.db.write() as conn:
        known = {feed.spec.url for feed in feeds.list_feeds(conn)}
        fresh = [spec for spec in specs if spec.url not in known]
        if len(specs) == 1 and not fresh:
            raise UsageError(f"{specs[0].url} is read already")
        for spec in fresh:
            feeds.add(conn, spec, app.now())
    return len(fresh)


@commands.command("remove")
def remove_feed(
    url: Annotated[str, typer.Argument(help="The feed's address.")],
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove an added feed and its entries. A feed of the configuration is removed there."""
    with opened(config) as app:
        with app.db.read() as conn:
            found = next((feed for feed in feeds.list_feeds(conn) if feed.spec.url == url), None)
        if found is None:
            raise NotFound(f"no feed {url} (see `aggregator feeds list`)")
        if found.spec.origin != "added" and found.state == "active":
            raise UsageError(f"{url} comes from the configuration ({found.spec.origin}): remove it there")
        if not yes:
            typer.confirm(f"Remove {redact_url(url)} and its {found.entry_count} entries?", abort=True)
        with app.db.write() as conn:
            feeds.remove(conn, found.id)
    typer.echo(f"Removed {url}.")


@commands.command("import")
def import_feeds(
    file: Annotated[Path, typer.Argument(help="An OPML file.", exists=True, dir_okay=False)],
    config: ConfigOption = None,
) -> None:
    """Add every feed of an OPML file that is not read yet."""
    result = parse_opml(file.read_bytes())
    for problem in result.problems:
        print_note(f"{file}: {problem}")
    if not result.feeds:
        raise UsageError(f"{file}: no feed in it")
    with opened(config) as app:
        added = _add(app, [FeedSpec(url=s.url, origin="added", title=s.title, tags=s.tags) for s in result.feeds])
    typer.echo(f"{added} feeds added, {len(result.feeds) - added} known already.")


@commands.command("export")
def export_feeds(config: ConfigOption = None) -> None:
    """Print all web feeds as OPML."""
    with opened(config) as app:
        with app.db.read() as conn:
            stored = feeds.list_feeds(conn)
        specs = [feed.spec for feed in stored if is_web_url(feed.spec.url)]
        typer.echo(render_opml(specs, app.settings.site.title, app.now()).decode())
