"""``aggregator db``: the database as a file or server to be looked after. Never touches what is in the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aggregator.app import App, open_app
from aggregator.cli.console import ConfigOption, find_config, new_group
from aggregator.config import Config
from aggregator.errors import UsageError
from aggregator.storage import migrate
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
    state = migrate.current(app.db)
    problems = [] if state == "current" else [f"{app.db.url_text}: the schema is {state}: run `aggregator db upgrade`"]
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
