"""``aggregator feeds import`` and ``export``: lists of feeds as OPML. Never fetches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from aggregator.cli.console import ConfigOption, opened, print_line, print_note, read_upload
from aggregator.errors import UsageError
from aggregator.model.said import say_count
from aggregator.pipeline.opml import parse_opml
from aggregator.storage import feeds
from aggregator.tasks.desk.feed_lists import iter_list


def import_feeds(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An OPML file.")],
    config: ConfigOption = None,
) -> None:
    """Add every feed of an OPML file that is not read yet.

    Settings that an export of this program wrote (tags, weight, interval, rules) come along.
    """
    result = parse_opml(read_upload(file))
    for problem in result.problems:
        print_note(f"{file}: {problem}")
    if not result.feeds:
        raise UsageError(f"{file}: no feed in it")
    with opened(config) as app, app.db.write() as conn:
        # One that has moved is known by the address in an older list, too.
        known = feeds.find_ids(conn, [spec.url for spec in result.feeds])
        fresh = [replace(spec, origin="added") for spec in result.feeds if spec.url not in known]
        feeds.add_all(conn, fresh, app.now())
    print_line(f"{say_count(len(fresh), 'feed')} added, {len(result.feeds) - len(fresh)} known already.")


def export_feeds(config: ConfigOption = None) -> None:
    """Print all web feeds as OPML."""
    with opened(config) as app:
        typer.echo(b"".join(iter_list(app)).decode())
