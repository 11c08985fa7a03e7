"""``aggregator init`` and ``aggregator check``: a configuration to begin with, and everything wrong with it at once.
Never fetches a feed, never sends a mail.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from aggregator.app import App, open_app, shipped_config
from aggregator.cli.console import ConfigOption, find_config
from aggregator.config import Config
from aggregator.config.settings import find_unknown_tags
from aggregator.errors import AggregatorError, MailError, UsageError
from aggregator.pipeline.schedule import describe_schedule, next_slots
from aggregator.publish import write_file
from aggregator.storage import migrate


def init(
    folder: Annotated[Path, typer.Argument(help="Where to put config.yaml.")] = Path(),
) -> None:
    """Write the shipped configuration to a folder, to be edited there."""
    target = folder / "config.yaml"
    if target.exists():
        raise UsageError(f"{target} exists already")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_file(target, shipped_config().read_bytes())
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}") from error
    typer.echo(f"{target} written. Edit it, then: aggregator check && aggregator run")


def check(config: ConfigOption = None) -> None:
    """Check configuration, templates, database and mail, and say when the next issues are due.

    Exit code 2 when something is wrong.
    """
    found = find_config(config)
    for warning in [*found.warnings]:
        typer.echo(f"warning: {warning}")
    with open_app(found) as app:
        typer.echo(f"ok: {found.path}: {len(app.settings.feeds)} feeds, {len(app.settings.newsletters)} newsletters")
        failed = [
            _report("tags", lambda: _check_tags(found, app)),
            _report("templates", lambda: _check_templates(app)),
            _report("database", lambda: _check_database(app)),
            _report("mail", lambda: _check_mail(app)),
        ]
        _print_schedules(app)
    if any(failed):
        raise typer.Exit(2)


def _report(what: str, look: Callable[[], str]) -> bool:
    """Print what ``look`` found; True when it failed."""
    try:
        typer.echo(f"ok: {what}: {look()}")
    except AggregatorError as error:
        for line in str(error).splitlines():
            typer.echo(f"failed: {what}: {line}", err=True)
        return True
    return False


def _check_tags(config: Config, app: App) -> str:
    unknown = list(find_unknown_tags(config, app.settings.tag_rules))
    if unknown:
        raise UsageError("\n".join(str(problem) for problem in unknown))
    return f"{len(app.settings.tag_rules.rules)} in the taxonomy"


def _check_templates(app: App) -> str:
    problems = app.templates.check()
    if problems:
        raise UsageError("\n".join(str(problem) for problem in problems))
    return "all compile"


def _check_database(app: App) -> str:
    state = migrate.current(app.db)
    notes = {
        "empty": "reachable; empty, made at the first start",
        "current": "reachable, schema current",
        "older": "reachable; schema older, upgraded (after a backup) by `run`",
    }
    if state not in notes:
        raise UsageError(f"{app.db.url_text} was made by a newer version of this program")
    return f"{app.db.url_text}: {notes[state]}"


def _check_mail(app: App) -> str:
    try:
        return app.mailer.check()
    except MailError as error:
        raise UsageError(f"the mail server refused us: {error}") from error


def _print_schedules(app: App) -> None:
    for newsletter in app.settings.newsletters:
        slots = next_slots(newsletter.schedule, newsletter.timezone, app.now(), 3)
        sentence = describe_schedule(newsletter.schedule)
        typer.echo(f"ok: newsletter {newsletter.slug}: {sentence}, {newsletter.timezone}. Next issues:")
        for slot in slots:
            typer.echo(f"      {slot.astimezone(ZoneInfo(newsletter.timezone)):%a %Y-%m-%d %H:%M %Z}")
