"""``aggregator feeds import`` and ``export``: lists of feeds as OPML. Never fetches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aggregator.cli.console import ConfigOption, opened, print_line, print_note, read_upload
from aggregator.errors import UsageError
from aggregator.model.said import say_count
from aggregator.tasks.desk.accounts import COMMAND
from aggregator.tasks.desk.feed_lists import import_list, iter_list, read_list


def import_feeds(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An OPML file.")],
    config: ConfigOption = None,
) -> None:
    """Add every feed of an OPML file that is not read yet.

    Settings that an export of this program wrote (tags, weight, interval, rules) come along.
    """
    data = read_upload(file)
    with opened(config) as app:
        found = read_list(app, data)
        for problem in found.problems:
            print_note(f"{file}: {problem}")
        if not found.new and not found.known:
            raise UsageError(f"{file}: no feed in it")
        if found.new:
            import_list(app, found.new, who=COMMAND)
    print_line(f"{say_count(len(found.new), 'feed')} added, {len(found.known)} known already.")


def export_feeds(config: ConfigOption = None) -> None:
    """Print all web feeds as OPML."""
    with opened(config) as app:
        typer.echo(b"".join(iter_list(app)).decode())
