"""``aggregator fetch``: one round now. Never waits for a due time, never runs as a daemon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from aggregator.app import App
from aggregator.cli.console import ConfigOption, JsonOption, opened, print_json, print_note, print_table, show_progress
from aggregator.log import configure_logging, redact_url
from aggregator.model.feed import Feed
from aggregator.model.ids import FeedId
from aggregator.model.round import FeedResult, Round
from aggregator.model.said import say_count
from aggregator.storage import feeds
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.refresh import refresh_feeds

COUNTS = ("new", "changed", "unchanged", "rejected", "folded")


def fetch(
    config: ConfigOption = None,
    feed: Annotated[
        list[str] | None, typer.Option("--feed", metavar="URL", help="Only this feed; may be repeated.")
    ] = None,
    all_feeds: Annotated[bool, typer.Option("--all", help="Every active feed, due or not.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch once: the feeds that are due, those named, or all.

    Failing feeds are listed; the rest goes on. Exit code 1 when every feed failed, or one that was named is not known.
    """
    with opened(config) as app:
        configure_logging(level="error")  # what fails is in the table or in the document
        stored = _list_feeds(app)
        unknown = [url for url in feed or () if url not in stored]
        for url in unknown:
            print_note(f"no feed {url} (see `aggregator feeds list`)")
        chosen = _choose(app, stored, feed or [], all_feeds=all_feeds)
        if unknown and not chosen:
            raise typer.Exit(1)
        done = _fetch_with_progress(app, chosen, only_due=not feed and not all_feeds, show=not as_json)
        regroup_stories(app)
        if as_json:
            print_json(describe_round(done))
        else:
            _print_round(done, len(chosen))
    if unknown or (done.results and len(done.failures) == len(done.results)):
        raise typer.Exit(1)


def _list_feeds(app: App) -> dict[str, Feed]:
    with app.db.read() as conn:
        return {feed.spec.url: feed for feed in feeds.list_feeds(conn)}


def _choose(app: App, stored: Mapping[str, Feed], urls: Sequence[str], *, all_feeds: bool) -> list[FeedId]:
    if urls:
        return [stored[url].id for url in dict.fromkeys(urls) if url in stored]
    now = app.now()
    return [item.id for item in stored.values() if item.state == "active" and (all_feeds or item.next_due_at <= now)]


def _fetch_with_progress(app: App, chosen: list[FeedId], *, only_due: bool, show: bool) -> Round:
    with show_progress("Fetching", len(chosen), show=show) as update:
        return refresh_feeds(app, chosen, only_due=only_due, on_result=lambda _: update(advance=1))


def describe_round(done: Round) -> dict[str, object]:
    """The JSON document of one round."""
    return {
        "feeds": len(done.results),
        "ok": done.ok,
        "not_modified": done.not_modified,
        "failed": len(done.failures),
        **{name: done.total(name) for name in COUNTS},
        "failures": [_describe_failure(result) for result in done.failures],
        "postponed": done.postponed,
        "results": [_describe_result(result) for result in done.results],
    }


def _describe_failure(result: FeedResult) -> dict[str, object]:
    return {"url": result.url, "class": result.failure_class, "reason": result.reason}


def _describe_result(result: FeedResult) -> dict[str, object]:
    return {
        "url": result.url,
        "status": result.status,
        "not_modified": result.not_modified,
        "new": result.new,
        "changed": result.changed,
        "unchanged": result.unchanged,
        "rejected": [{"index": entry.index, "reason": entry.reason} for entry in result.rejected],
        "folded": result.folded,
    }


def _print_round(done: Round, chosen: int) -> None:
    if not done.results:
        busy = "another process fetches them, or has just done so; try again later"
        print_note(busy if chosen else "no feed is due; `--all` fetches them all the same")
        return
    if done.failures:
        rows = [(result.failure_class, redact_url(result.url), result.reason) for result in done.failures]
        print_table(("failure", "feed", "reason"), rows, empty="")
    counts = ", ".join(f"{done.total(name)} {name}" for name in COUNTS)
    feeds_read = f"{say_count(len(done.results), 'feed')}: {done.ok} read, {done.not_modified} not modified"
    if done.postponed:
        feeds_read += f", {done.postponed} left alone as their hosts ask"
    typer.echo(f"{feeds_read}, {len(done.failures)} failed.\nEntries: {counts}.")
