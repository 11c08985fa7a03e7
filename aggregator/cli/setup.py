"""``aggregator init``: a configuration to begin with. Never writes over one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aggregator.app import shipped_config
from aggregator.errors import UsageError
from aggregator.publish import write_file


def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to put config.yaml.")] = Path(),
) -> None:
    """Write the shipped configuration into a folder, to edit."""
    target = folder / "config.yaml"
    if target.exists():
        raise UsageError(f"{target} exists already")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_file(target, shipped_config().read_bytes())
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}") from error
    typer.echo(f"{target} written. Edit it, then: aggregator check && aggregator run")
