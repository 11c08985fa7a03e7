"""``aggregator export-config``: the configuration with what was set at the desk in it. Changes nothing else."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from aggregator.cli.console import ConfigOption, find_config, open_program, print_line, print_note
from aggregator.config import Config, load_config
from aggregator.config.export import Exported
from aggregator.config.export import export_config as write_back
from aggregator.errors import UsageError
from aggregator.storage import audit, feeds

#: Who may read what may hold secrets.
_OWNER_ONLY = 0o600


def export_config(
    config: ConfigOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it there instead; never over a file.", show_default=False),
    ] = None,
) -> None:
    """Print config.yaml with what the desk has set in it.

    Feeds that were added, moved or set otherwise, rules and tags. What was not changed stays as it is written, with its
    remarks, and secrets stay where they are.
    """
    found = find_config(config)
    if out is not None and out.exists():
        raise UsageError(f"{out} exists already")
    with open_program(found) as app, app.db.read() as conn:
        stored = [feed for feed in feeds.list_feeds(conn) if feed.paused_reason != feeds.GONE]
        exported = write_back(found, stored, audit.list_settings(conn))
    _check(found, exported)
    for note in exported.notes:
        print_note(note)
    if out is None:
        typer.echo(exported.whole, nl=False)
        return
    _write(out, exported.text)
    if exported.tags_text:
        _write(out.parent / exported.tags_name, exported.tags_text)


def _check(found: Config, exported: Exported) -> None:
    """It can be read again. Raises `ConfigError`."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / found.path.name
        file.write_text(exported.text, encoding="utf-8")
        load_config(file, os.environ, folder=found.folder)


def _write(target: Path, text: str) -> None:
    try:
        with open(target, "x", encoding="utf-8", opener=partial(os.open, mode=_OWNER_ONLY)) as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}") from error
    print_line(f"{target} written.")
