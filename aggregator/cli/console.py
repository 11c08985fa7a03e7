"""What all commands share: finding the configuration, opening the program, printing lists. Never decides anything."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from aggregator.app import App, open_app, shipped_config
from aggregator.config import Config, load_config
from aggregator.errors import UsageError
from aggregator.log import configure_logging
from aggregator.model.newsletter import Newsletter
from aggregator.tasks.issues import find_newsletter
from aggregator.tasks.startup import prepare_database

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="AGGREGATOR_CONFIG",
        help="The configuration file. Default: config.yaml in this folder; when that is missing, the shipped one.",
        show_default=False,
        show_envvar=True,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
SinceOption = Annotated[
    str | None, typer.Option(help="From this date (in the site's zone) or ISO instant on.", show_default=False)
]
UntilOption = Annotated[
    str | None,
    typer.Option(help="Up to this date (in the site's zone, its whole day) or ISO instant.", show_default=False),
]
LimitOption = Annotated[int, typer.Option(help="At most so many; 0: all.", min=0)]


def find_config(path: Path | None) -> Config:
    """The configuration that ``path``, the environment or the current folder names, else the shipped one."""
    wanted = path or Path("config.yaml")
    from_command_line = path is not None and os.environ.get("AGGREGATOR_CONFIG") != str(path)
    if wanted.exists() or from_command_line:
        config = load_config(wanted, os.environ)
    else:
        print_note(f"no {wanted} here: using the shipped configuration (`aggregator init` writes a copy to edit)")
        config = load_config(shipped_config(), os.environ, folder=wanted.parent.resolve())
    return config


@contextmanager
def opened(path: Path | None, *, quiet: bool = True) -> Iterator[App]:
    """The program, its database ready, for one command. ``quiet``: only warnings are logged."""
    config = find_config(path)
    configure_logging(level="warning" if quiet else config.log.level, style=config.log.style)
    with open_app(config) as app:
        prepare_database(app)
        yield app


def print_json(document: Any) -> None:
    """One JSON document on standard output; instants as ISO 8601 in UTC."""
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2, default=_plain)
    sys.stdout.write("\n")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table for people; ``empty`` is the sentence for no rows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not rows:
        console.print(Text(empty))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(cell)) for cell in row))
    console.print(table)


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    return str(cell)


def print_list(as_json: bool, documents: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    """The same list as JSON or as a table of ``columns``."""
    if as_json:
        print_json(list(documents))
    else:
        print_table(columns, [[document[name] for name in columns] for document in documents], empty=empty)


def print_note(text: str) -> None:
    """A remark on standard error, so that it never mixes with output that is piped on."""
    print(f"aggregator: {text}", file=sys.stderr)


def read_instant(text: str | None, app: App, *, end: bool = False) -> datetime | None:
    """A date in the site's zone (``end``: when its day is over) or an ISO instant, as UTC. Raises `UsageError`."""
    if text is None:
        return None
    zone = ZoneInfo(app.settings.site.timezone)
    try:
        if len(text) == len("2025-12-04"):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            return datetime.combine(day, time(), zone).astimezone(UTC)
        instant = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is neither a date like 2025-12-04 nor an instant like 2025-12-04T20:39Z") from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)


def choose_newsletter(app: App, slug: str | None) -> Newsletter:
    """The newsletter that ``slug`` names; the only one there is when it is left out."""
    if slug is not None:
        return find_newsletter(app, slug)
    if len(app.settings.newsletters) != 1:
        names = ", ".join(newsletter.slug for newsletter in app.settings.newsletters)
        raise UsageError(f"name one newsletter: {names or 'none is configured'}")
    return app.settings.newsletters[0]
