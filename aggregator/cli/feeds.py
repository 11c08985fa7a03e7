"""``aggregator feeds``: whom we read. Never fetches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aggregator.app import App
from aggregator.cli.console import (
    ConfigOption,
    JsonOption,
    LimitOption,
    SinceOption,
    UntilOption,
    find_config,
    is_within,
    new_group,
    open_program,
    opened,
    print_line,
    print_list,
    print_note,
    read_instant,
    read_upload,
    say_count,
)
from aggregator.config import Config
from aggregator.config.feeds import find_feed_place
from aggregator.config.schema import OpmlFeeds
from aggregator.errors import NotFound, UsageError
from aggregator.log import redact_url
from aggregator.model.feed import Feed, FeedSpec
from aggregator.pipeline.opml import parse_opml, render_opml
from aggregator.pipeline.urls import is_web_url
from aggregator.storage import feeds

commands = new_group("The feeds that are read.")


@commands.command("list")
def list_feeds(
    config: ConfigOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List feeds with their state and what they answered last.

    With --since or --until only those that were last fetched in that time.
    """
    with opened(config) as app:
        begin, end = read_instant(since, app), read_instant(until, app, end=True)
        with app.db.read() as conn:
            found = [feed for feed in feeds.list_feeds(conn) if is_within(feed.last_fetched_at, begin, end)]
    documents = [describe_feed(feed) for feed in found[: limit or None]]
    if not as_json:
        for document in documents:
            document |= _describe_for_people(document)
    columns = ("id", "state", "entries", "next due", "feed")
    empty = "No feeds in that time." if since or until else "No feeds. Add one: aggregator feeds add URL"
    print_list(as_json, documents, columns, empty=empty)


def describe_feed(feed: Feed) -> dict[str, Any]:
    """The JSON document of one feed."""
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


def _describe_for_people(document: dict[str, Any]) -> dict[str, Any]:
    """The cells of a table that says the most in 80 columns."""
    state, lines = document["state"], [document["title"], redact_url(document["url"])]
    if document["failures"]:
        state = f"failed {document['failures']}x"
        lines.append(f"{document['failure_class']}: {document['failure_reason']}")
    elif state == "active" and document["last_fetched_at"] is None:
        state = "not read yet"
    return {"state": state, "next due": document["next_due_at"], "feed": "\n".join(dict.fromkeys(lines))}


@commands.command("add")
def add_feed(
    url: Annotated[str, typer.Argument(metavar="URL", help="The feed's address.")],
    config: ConfigOption = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="What pages call it; default: its own title.")] = "",
    language: Annotated[
        str, typer.Option(metavar="CODE", help="Its language (en, ja, zh...); default: what it claims.")
    ] = "",
) -> None:
    """Add a feed beside those of the configuration.

    It is kept in the database only.
    """
    if not is_web_url(url):
        raise UsageError(f"{url!r} is no http:// or https:// address")
    with opened(config) as app:
        _add(app, [FeedSpec(url=url, origin="added", title=title, language=language)])
    print_line(f"Added {url}. It is fetched at the next tick, or now: aggregator fetch --feed {url}")


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
    url: Annotated[str, typer.Argument(metavar="URL", help="The feed's address.")],
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove an added feed from the list; its entries stay.

    A feed of the configuration is to be removed there: this command says in which line it stands.
    """
    settings = find_config(config)
    with open_program(settings) as app:
        with app.db.read() as conn:
            found = next((feed for feed in feeds.list_feeds(conn) if feed.spec.url == url), None)
        if found is None:
            raise NotFound(f"no feed {url} (see `aggregator feeds list`)")
        if found.spec.origin != "added" and found.state == "active":
            raise UsageError(f"{url} is read because of {_find_place(settings, url)}: remove it there")
        if not yes:
            typer.confirm(f"Remove {redact_url(url)}? Its {found.entry_count} entries stay.", abort=True)
        with app.db.write() as conn:
            feeds.remove(conn, found.id, now=app.now())
    print_line(f"Removed {url}.")


def _find_place(config: Config, url: str) -> str:
    """``config.yaml:12``, or the list that holds the feed."""
    if place := find_feed_place(config, url):
        return place
    for feed in config.feeds:
        if isinstance(feed, OpmlFeeds):
            path = config.folder / feed.opml
            if path.is_file() and any(spec.url == url for spec in parse_opml(path.read_bytes()).feeds):
                return str(path)
    return str(config.path)


@commands.command("import")
def import_feeds(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An OPML file.")],
    config: ConfigOption = None,
) -> None:
    """Add every feed of an OPML file that is not read yet."""
    result = parse_opml(read_upload(file))
    for problem in result.problems:
        print_note(f"{file}: {problem}")
    if not result.feeds:
        raise UsageError(f"{file}: no feed in it")
    with opened(config) as app:
        added = _add(app, [FeedSpec(url=s.url, origin="added", title=s.title, tags=s.tags) for s in result.feeds])
    print_line(f"{say_count(added, 'feed')} added, {len(result.feeds) - added} known already.")


@commands.command("export")
def export_feeds(config: ConfigOption = None) -> None:
    """Print all web feeds as OPML."""
    with opened(config) as app:
        with app.db.read() as conn:
            stored = feeds.list_feeds(conn)
        specs = [feed.spec for feed in stored if is_web_url(feed.spec.url)]
        typer.echo(render_opml(specs, app.settings.site.title, app.now()).decode())
