"""What all commands share: finding the configuration, opening the program, printing lists. Never decides anything."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from aggregator.app import App, open_app, shipped_config
from aggregator.config import Config, load_config
from aggregator.errors import UsageError
from aggregator.log import configure_logging
from aggregator.tasks.startup import prepare_database

CONFIG_VARIABLE = "AGGREGATOR_CONFIG"
#: Databases count no further.
MAX_NUMBER = 2**63 - 1
#: Years that make sense, with room to reckon before and after them.
CALENDAR = range(1900, 9000)
#: Largest file that a command reads, in bytes.
MAX_UPLOAD = 64 * 1024 * 1024


def _inherit_config(ctx: typer.Context, value: Path | None) -> Path | None:
    """``--config`` may stand before a command as well as behind it; the nearest counts."""
    place = ctx.parent
    while value is None and place is not None:
        value, place = place.params.get("config"), place.parent
    return value


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Configuration file. Default: $AGGREGATOR_CONFIG, else ./config.yaml, else the shipped one.",
        show_default=False,
        callback=_inherit_config,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="From this date (site's zone) or ISO instant on.", show_default=False),
]
UntilOption = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="To the end of this date (site's zone), or to an instant.", show_default=False),
]
LimitOption = Annotated[int, typer.Option(metavar="N", help="At most so many; 0: all.", min=0, max=MAX_NUMBER)]

#: A column of a table that is never wider than this is never folded.
SHORT_COLUMN = 17
#: What a terminal would obey instead of showing it.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def new_group(help_text: str) -> typer.Typer:
    """A group of commands; ``--config`` may stand before its command, too."""
    return typer.Typer(help=help_text, no_args_is_help=True, callback=_accept_config)


def _accept_config(config: ConfigOption = None) -> None:
    """Only here to take the option."""


def find_config(path: Path | None) -> Config:
    """The configuration that ``path``, the environment or the current folder names, else the shipped one."""
    wanted = path or Path(os.environ.get(CONFIG_VARIABLE) or "config.yaml")
    if path is not None or os.path.lexists(wanted):
        return load_config(wanted, os.environ)
    print_note(f"no {wanted} here: using the shipped configuration (`aggregator init` writes a copy to edit)")
    return load_config(shipped_config(), os.environ, folder=wanted.parent.resolve())


@contextmanager
def opened(path: Path | None) -> Iterator[App]:
    """The program, its database ready, for one command that logs nothing below a warning."""
    with open_program(find_config(path)) as app:
        yield app


@contextmanager
def open_program(config: Config) -> Iterator[App]:
    """As `opened`, for a command that needs the configuration itself, too."""
    configure_logging(level="warning", style=config.log.style)
    with open_app(config) as app:
        prepare_database(app)
        yield app


def get_config_file(config: Config) -> Path | None:
    """What another process of ours may read to find the same; None for the shipped file, whose paths start here."""
    return config.path.absolute() if config.folder == config.path.absolute().parent else None


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
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not rows:
        console.print(Text(empty))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    cells = [[Text(_shown(cell)) for cell in row] for row in rows]
    for number, name in enumerate(columns):
        # Short columns keep their width; addresses and sentences share the rest and fold.
        longest = max(cell_len(line) for row in cells for line in [name, *row[number].plain.split("\n")])
        table.add_column(name, overflow="fold", no_wrap=longest <= SHORT_COLUMN)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")
    return strip_controls(str(cell))


def strip_controls(text: str) -> str:
    """Without the characters that a terminal would obey; line ends and tabs stay."""
    return _CONTROLS.sub("", text)


def print_list(as_json: bool, documents: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    """The same list as JSON or as a table of ``columns``."""
    if as_json:
        print_json(list(documents))
    else:
        print_table(columns, [[document[name] for name in columns] for document in documents], empty=empty)


def print_line(text: object, *, err: bool = False) -> None:
    """One line as it is, but for what a terminal would obey."""
    typer.echo(strip_controls(str(text)), err=err)


def print_note(text: str) -> None:
    """A remark on standard error, so that it never mixes with output that is piped on."""
    print(f"aggregator: {strip_controls(text)}", file=sys.stderr)


@contextmanager
def show_progress(words: str, total: int | None, *, show: bool = True) -> Iterator[Callable[..., None]]:
    """A bar on a terminal, and nowhere else; what is yielded takes ``advance``, or ``completed`` and ``total``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as progress:
        yield partial(progress.update, progress.add_task(words, total=total))


def read_instant(text: str | None, app: App, *, end: bool = False) -> datetime | None:
    """A date in the site's zone (``end``: when its day is over) or an ISO instant, as UTC. Raises `UsageError`."""
    if text is None:
        return None
    zone = ZoneInfo(app.settings.site.timezone)
    try:
        if len(text) == len("2025-12-04"):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            instant = datetime.combine(day, time(), zone)
        else:
            instant = datetime.fromisoformat(text)
        instant = (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
        if instant.year not in CALENDAR:
            raise ValueError
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is neither a date like 2025-12-04 nor an instant like 2025-12-04T20:39Z") from None
    return instant


def is_within(instant: datetime | None, begin: datetime | None, end: datetime | None) -> bool:
    """Whether ``instant`` is in [begin, end); an end that is None is open, and then no instant will do as well."""
    if instant is None:
        return begin is None and end is None
    return (begin is None or instant >= begin) and (end is None or instant < end)


def read_upload(path: Path) -> bytes:
    """The bytes of a file that the user named. Raises `UsageError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_UPLOAD + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_UPLOAD:
        raise UsageError(f"{path}: is larger than {MAX_UPLOAD // 1024 // 1024} MB")
    return data
