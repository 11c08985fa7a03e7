"""``aggregator publish``: the site as static files. Never serves them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aggregator.cli.console import ConfigOption, opened
from aggregator.publish import publish_tree
from aggregator.tasks.site.export import iter_site


def publish(
    config: ConfigOption = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder to write to; made when it is missing.")
    ] = Path("site"),
) -> None:
    """Write the feed and all pages into a folder as files.

    Any web server can serve it; each file appears whole or not at all.
    """
    with opened(config) as app:
        done = publish_tree(out, iter_site(app))
    typer.echo(f"{out}: {done.written} files written, {done.unchanged} unchanged, {done.removed} removed.")
