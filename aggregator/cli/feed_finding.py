"""``aggregator feeds add`` and ``discover``: from an address to the feed behind it. Never decides what a feed is."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer

from aggregator.app import App
from aggregator.cli.console import (
    ConfigOption,
    JsonOption,
    opened,
    print_json,
    print_line,
    print_note,
    print_table,
)
from aggregator.config.kinds import Kind, Unfit
from aggregator.config.schema import WEIGHT
from aggregator.config.words import DURATION, LANGUAGE, TAG
from aggregator.errors import UsageError
from aggregator.log import configure_logging, redact_url
from aggregator.model.feed import FeedSpec
from aggregator.model.said import say_count
from aggregator.pipeline.urls import is_web_url
from aggregator.storage import feeds
from aggregator.tasks.desk import feeds as tasks
from aggregator.tasks.desk.accounts import COMMAND
from aggregator.tasks.discover import Discovery, FoundFeed, describe_discovery, discover_feed
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.refresh import save_found

PageUrl = Annotated[str, typer.Argument(metavar="URL", help="A feed's address, or a page's that has a feed.")]


def add_feed(
    url: PageUrl,
    config: ConfigOption = None,
    pick: Annotated[
        int, typer.Option(metavar="N", min=1, help="Which one, when several are found (see `feeds discover`).")
    ] = 1,
    exact: Annotated[bool, typer.Option("--exact", help="Take the address as it is, ask nobody.")] = False,
    title: Annotated[str, typer.Option(metavar="TEXT", help="What pages call it; default: its own title.")] = "",
    language: Annotated[
        str, typer.Option(metavar="CODE", help="Its language (en, ja, zh...); default: what it claims.")
    ] = "",
    tag: Annotated[
        list[str] | None, typer.Option(metavar="SLUG", help="A tag for all its entries; may be repeated.")
    ] = None,
    weight: Annotated[float, typer.Option(metavar="NUMBER", help="How much it counts in a story's score.")] = 1.0,
    interval: Annotated[str, typer.Option(metavar="TIME", help="At least so long between two checks: 6h.")] = "",
) -> None:
    """Add the feed at an address, or the one that its page leads to.

    It is kept in the database only, beside the feeds of the configuration. When none is found, every address that was
    looked at is listed, with what was there.
    """
    if not is_web_url(url):
        raise UsageError(f"{url!r} is no http:// or https:// address")
    spec = FeedSpec(
        url=url,
        origin="added",
        title=title,
        language=_read("--language", LANGUAGE, language) if language else "",
        tags=tuple(dict.fromkeys(_read("--tag", TAG, slug) for slug in tag or ())),
        weight=_read("--weight", WEIGHT, weight),
        interval=_read("--interval", DURATION, interval) if interval else None,
    )
    with opened(config) as app:
        _refuse_known(app, url)
        found = None if exact else _choose(app, url, pick)
        if found is not None:
            spec = replace(spec, url=found.url)
            _refuse_known(app, found.url)
        feed_id, _ = tasks.add_feed(app, spec, who=COMMAND)
        stored = save_found(app, feed_id, found.reply, found.document) if found else None
        if stored is not None and not stored.failed:
            regroup_stories(app)
            print_line(f"Added {spec.url} with {say_count(stored.new, 'entry', 'entries')}.")
            return
    print_line(f"Added {spec.url}. It is fetched at the next tick, or now: aggregator fetch --feed {spec.url}")


def _read(name: str, kind: Kind, value: object) -> Any:
    """An option as the same key of the configuration is read."""
    try:
        return kind.read(value)
    except Unfit as error:
        raise UsageError(f"{name}: found {kind.show(value)}, expected {str(error) or kind.expected}") from None


def _refuse_known(app: App, url: str) -> None:
    with app.db.read() as conn:
        known = feeds.get_by_url(conn, url)
    if known is None:
        return
    if known.state == "paused":
        reason = f" ({known.paused_reason})" if known.paused_reason else ""
        raise UsageError(f"{url} is known and paused{reason}: aggregator feeds resume {known.id}")
    raise UsageError(f"{url} is read already")


def _choose(app: App, url: str, pick: int) -> FoundFeed:
    done = _discover(app, url)
    if not done.found:
        _print_failure(done, url)
        raise typer.Exit(1)
    if pick > len(done.found):
        raise UsageError(f"--pick {pick}: {len(done.found)} found (see `aggregator feeds discover {url}`)")
    found = done.found[pick - 1]
    if len(done.found) > 1:
        _print_found(done)
    print_line(f'{_say_kind(found)}: "{found.title}", {_say_size(found)}, because {found.why}.')
    for entry in found.latest:
        print_line(f"  {_say_day(entry.at):10}  {entry.title or entry.url or '(no title)'}")
    return found


def discover(url: PageUrl, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Look for the feeds of a page and store nothing.

    The address itself, what its service is known for, what the page names, the usual names, in this order. Exit code 1
    when there is none.
    """
    if not is_web_url(url):
        raise UsageError(f"{url!r} is no http:// or https:// address")
    with opened(config) as app:
        done = _discover(app, url)
    if as_json:
        print_json(describe_discovery(done, url))
    elif done.found:
        _print_found(done)
        rows = [(redact_url(look.url), look.outcome) for look in done.looked_at]
        print_table(("looked at", "what was there"), rows, empty="")
    else:
        _print_failure(done, url)
    if not done.found:
        raise typer.Exit(1)


def _discover(app: App, url: str) -> Discovery:
    from rich.console import Console

    configure_logging(level="error")  # what fails is told look by look
    console = Console(stderr=True)
    with console.status("Looking for a feed...") if console.is_terminal else nullcontext():
        return discover_feed(app, url)


def _print_found(done: Discovery) -> None:
    rows = [
        (number, _say_kind(found), found.entry_count, _say_day(found.newest_at), f"{found.title}\n{found.url}")
        for number, found in enumerate(done.found, 1)
    ]
    print_table(("pick", "kind", "entries", "newest", "feed"), rows, empty="")


def _print_failure(done: Discovery, url: str) -> None:
    print_note(f"no feed found for {url}; this was looked at:")
    for look in done.looked_at:
        print_line(f"  {look.url} ({look.why}): {look.outcome}", err=True)
    print_note(
        "`aggregator feeds add --exact URL` takes an address as it is; a page without a feed can be read by rules"
    )


def _say_kind(found: FoundFeed) -> str:
    return {"atom": "Atom", "rss": "RSS", "json": "JSON Feed"}.get(found.kind, "feed")


def _say_size(found: FoundFeed) -> str:
    newest = f", the newest of {_say_day(found.newest_at)}" if found.newest_at else ""
    return f"{say_count(found.entry_count, 'entry', 'entries')}{newest}"


def _say_day(at: datetime | None) -> str:
    return at.date().isoformat() if at else ""
