"""``aggregator fetch``: one round now. Never waits for a due time, never runs as a daemon."""

from __future__ import annotations

from typing import Annotated

import typer

from aggregator.app import App
from aggregator.cli.console import ConfigOption, JsonOption, opened, print_json, print_note, print_table
from aggregator.errors import NotFound
from aggregator.model.ids import FeedId
from aggregator.model.round import FeedResult, Round
from aggregator.storage import feeds
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.refresh import refresh_feeds

COUNTS = ("new", "changed", "unchanged", "rejected", "folded")


def fetch(
    config: ConfigOption = None,
    feed: Annotated[
        list[str] | None, typer.Option("--feed", help="Only this feed (its address); may be repeated.")
    ] = None,
    all_feeds: Annotated[bool, typer.Option("--all", help="Every active feed, due or not.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch once: the feeds that are due, one feed, or all. Failing feeds are listed; the rest goes on.

    Exit code 1 when every feed failed.
    """
    with opened(config) as app:
        chosen = _choose(app, feed or [], all_feeds=all_feeds)
        done = _fetch_with_progress(app, chosen, show=not as_json)
        regroup_stories(app)
        if as_json:
            print_json(describe_round(done))
        else:
            _print_round(done)
    if done.results and len(done.failures) == len(done.results):
        raise typer.Exit(1)


def _choose(app: App, urls: list[str], *, all_feeds: bool) -> list[FeedId]:
    now = app.now()
    with app.db.read() as conn:
        stored = feeds.list_feeds(conn)
    if urls:
        by_url = {item.spec.url: item for item in stored}
        missing = [url for url in urls if url not in by_url]
        if missing:
            raise NotFound(f"no feed {missing[0]} (see `aggregator feeds list`)")
        return [by_url[url].id for url in urls]
    return [item.id for item in stored if item.state == "active" and (all_feeds or item.next_due_at <= now)]


def _fetch_with_progress(app: App, chosen: list[FeedId], *, show: bool) -> Round:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as progress:
        bar = progress.add_task("Fetching", total=len(chosen))
        return refresh_feeds(app, chosen, on_result=lambda _: progress.advance(bar))


def describe_round(done: Round) -> dict[str, object]:
    """The contract's JSON document of one round."""
    return {
        "feeds": len(done.results),
        "ok": done.ok,
        "not_modified": done.not_modified,
        "failed": len(done.failures),
        **{name: done.total(name) for name in COUNTS},
        "failures": [_describe_failure(result) for result in done.failures],
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


def _print_round(done: Round) -> None:
    if not done.results:
        print_note("no feed is due; `--all` fetches them all the same")
        return
    if done.failures:
        rows = [(result.failure_class, result.url, result.reason) for result in done.failures]
        print_table(("failure", "feed", "reason"), rows, empty="")
    counts = ", ".join(f"{done.total(name)} {name}" for name in COUNTS)
    typer.echo(
        f"{len(done.results)} feeds: {done.ok} read, {done.not_modified} not modified, {len(done.failures)} failed. "
        f"Entries: {counts}."
    )
