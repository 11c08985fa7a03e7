"""``aggregator db``: the database as a file or server to be looked after. Of what is in its rows it knows the age."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aggregator.app import App, open_app, read_clock
from aggregator.cli.console import (
    ConfigOption,
    JsonOption,
    find_config,
    new_group,
    opened,
    print_json,
    print_line,
    show_progress,
)
from aggregator.cli.lease import LEASE_NAME
from aggregator.config import Config
from aggregator.errors import SchemaMismatch, UsageError
from aggregator.model import retention
from aggregator.storage import migrate
from aggregator.tasks.copying import copy_installation
from aggregator.tasks.people import count_old, prune_old
from aggregator.tasks.startup import prepare_database, upgrade_database

commands = new_group("The database.")


def backup_folder(config: Config) -> Path:
    """Where backups go: ``var/backups`` beside the configuration."""
    return config.folder / "var" / "backups"


@commands.command("upgrade")
def upgrade(config: ConfigOption = None) -> None:
    """Bring the schema up to this version, after a backup.

    SQLite is backed up into var/backups; for PostgreSQL use pg_dump before.
    """
    found = find_config(config)
    with open_app(found) as app:
        before = migrate.current(app.db)
        saved = upgrade_database(app, backup_folder(found))
        prepare_database(app)
        typer.echo(f"{app.db.url_text}: schema {before} -> current" + (f"; backup in {saved}" if saved else ""))


@commands.command("check")
def check(config: ConfigOption = None) -> None:
    """Say whether the schema is current and the database is whole. Exit code 1 when not."""
    with open_app(find_config(config)) as app:
        problems = _find_problems(app)
        for problem in problems:
            typer.echo(problem, err=True)
        if problems:
            raise typer.Exit(1)
        typer.echo(f"{app.db.url_text}: schema current, no problem found")


def _find_problems(app: App) -> list[str]:
    problems = []
    try:
        migrate.require_current(app.db)
    except SchemaMismatch as error:
        problems.append(str(error))
    return [*problems, *migrate.check_integrity(app.db)]


@commands.command("backup")
def backup(
    config: ConfigOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Default: var/backups beside the configuration.")
    ] = None,
) -> None:
    """Copy a SQLite database while it is in use. For PostgreSQL use pg_dump."""
    found = find_config(config)
    with open_app(found) as app:
        saved = migrate.backup(app.db, out or backup_folder(found), app.now())
    if saved is None:
        raise UsageError("only SQLite is backed up here; for PostgreSQL use pg_dump")
    typer.echo(saved)


#: What each kind of row is called, and how many days it is kept.
_KEPT = {
    "bounces": ("mails that came back", retention.BOUNCES_DAYS),
    "deliveries": ("notes of who was mailed an issue", retention.DELIVERIES_DAYS),
    "letters": ("letters that asked for a confirmation", retention.UNCONFIRMED_DAYS),
    "unconfirmed": ("people who never confirmed", retention.UNCONFIRMED_DAYS),
    "addresses": ("addresses that belong to nothing", retention.UNCONFIRMED_DAYS),
    "notices": ("notes of who was told of what has happened", retention.NOTICES_DAYS),
    "fetch_log": ("lines of the fetch log", retention.FETCH_LOG_DAYS),
}


@commands.command("prune")
def prune(
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take it away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what is older than it is kept, and with --yes take it away.

    The daemon does the same every day.
    """
    with opened(config) as app:
        counts = count_old(app)
        if yes:
            prune_old(app)
    if as_json:
        print_json({"pruned": yes, **counts})
        return
    for name, count in counts.items():
        words, days = _KEPT[name]
        print_line(f"{count} {words}, older than {days} days")
    if not any(counts.values()):
        print_line("Nothing is older than it is kept.")
    else:
        print_line("Gone." if yes else "Nothing was taken away: say --yes.")


@commands.command("copy")
def copy(
    target: Annotated[str, typer.Option("--to", metavar="URL", help="An empty database, or a copy begun before.")],
    source: Annotated[
        str, typer.Option("--from", metavar="URL", help="What to copy, if not that of config.yaml.")
    ] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy an installation into another database, SQLite or PostgreSQL. Stop the daemon before.

    What is copied is not changed. A copy that was broken off goes on where it stood. At its end every row is compared;
    exit code 1: not the same.
    """
    source = source or find_config(config).database_url
    with show_progress("Rows", None, show=not as_json) as advance:
        copied = copy_installation(source, target, lease=LEASE_NAME, now=read_clock(), on_progress=advance)
    if as_json:
        print_json({"tables": copied.tables, "identical": not copied.difference})
    else:
        print_line(copied.difference or f"identical: {sum(copied.tables.values())} rows")
    if copied.difference:
        raise typer.Exit(1)
