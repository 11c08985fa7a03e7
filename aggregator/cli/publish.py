"""``aggregator publish``: the site as static files. Never serves them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aggregator.app import App
from aggregator.cli.console import ConfigOption, opened, print_note
from aggregator.model.said import say_count
from aggregator.publish import Published, publish_tree
from aggregator.tasks.archive import close_weeks
from aggregator.tasks.site.export import count_told, iter_site

#: Pages that could not be made, each named up to so many.
NAMED = 20


def publish(
    config: ConfigOption = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder to write to; made when it is missing.")
    ] = Path("site"),
    anew: Annotated[
        bool, typer.Option("--anew", help="Make every page, also those of which nothing is known to have changed.")
    ] = False,
) -> None:
    """Write feeds, archives and pages into a folder, as files.

    With their compressed forms beside them, for any web server to serve; each file appears whole or not at all, and
    what has not changed is not touched. Exit code 1 when a page could not be made (its old file stays) or a file could
    not be written.
    """
    with opened(config) as app:
        close_weeks(app)  # where no daemon does it
        done = _publish_with_progress(app, out, anew=anew)
    counts = f"{say_count(done.written, 'file')} written, {done.unchanged} unchanged, {done.removed} removed"
    typer.echo(f"{out}: {counts}.")
    for name, reason in done.failed[:NAMED]:
        print_note(f"{name}: not made: {reason}")
    if done.failed:
        print_note(f"{say_count(len(done.failed), 'page')} could not be made; what was published of them stays")
        raise typer.Exit(1)


def _publish_with_progress(app: App, out: Path, *, anew: bool) -> Published:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Publishing", total=count_told(app))

        def show(done: Published) -> None:
            progress.update(bar, completed=done.seen, total=max(done.seen, progress.tasks[0].total or 0))

        return publish_tree(out, iter_site(app), on_file=show, anew=anew)
