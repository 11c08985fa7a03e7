"""``aggregator init`` and ``aggregator check``: a configuration to begin with, and everything wrong with it at once.
Never fetches a feed, never sends a mail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from aggregator.app import build_mailer, load_settings, read_clock, shipped_config
from aggregator.cli.console import ConfigOption, find_config, print_line
from aggregator.config import Config
from aggregator.config.feeds import read_feed_lists
from aggregator.config.schema import OpmlFeeds
from aggregator.config.settings import find_unknown_tags
from aggregator.errors import AggregatorError, SenderRefused, UsageError
from aggregator.log import configure_logging
from aggregator.model.said import say_count
from aggregator.model.settings import Settings
from aggregator.pipeline.opml import parse_opml
from aggregator.pipeline.schedule import describe_schedule, next_slots
from aggregator.publish import write_file
from aggregator.render.templates import Templates, load_templates
from aggregator.storage import migrate
from aggregator.storage.engine import open_database
from aggregator.tasks.check import find_idle_feed_tags, find_template_problems
from aggregator.tasks.interests import describe_interests


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


def check(config: ConfigOption = None) -> None:
    """Look for mistakes in configuration, database and mail.

    In templates, tags and lists of feeds as well; and say when the next issues are due. Exit code 2 when something
    is wrong.
    """
    found = find_config(config)
    configure_logging(level="error", style=found.log.style)
    settings = load_settings(found)
    templates = load_templates([found.templates_folder])
    newsletters = say_count(len(settings.newsletters), "newsletter")
    print_line(f"ok: {found.path}: {say_count(len(settings.feeds), 'feed')}, {newsletters}")
    for warning in [*found.warnings, *find_idle_feed_tags(settings)]:
        print_line(f"warning: {warning}")
    failed = [
        _report("feeds", lambda: _check_lists(found)),
        _report("tags", lambda: _check_tags(found, settings)),
        _report("templates", lambda: _check_templates(settings, templates)),
        _report("database", lambda: _check_database(found)),
        _report("mail", lambda: _check_mail(found)),
    ]
    _print_interests(settings)
    _print_schedules(settings)
    if any(failed):
        raise typer.Exit(2)


def _report(what: str, look: Callable[[], str]) -> bool:
    """Print what ``look`` found; True when it failed."""
    try:
        print_line(f"ok: {what}: {look()}")
    except AggregatorError as error:
        for line in str(error).splitlines():
            print_line(f"failed: {what}: {line}", err=True)
        return True
    return False


def _check_lists(config: Config) -> str:
    _refuse(read_feed_lists(config, parse_opml).problems)
    lists = [feed for feed in config.feeds if isinstance(feed, OpmlFeeds)]
    followed = sum(feed.is_followed for feed in lists)
    read = say_count(len(lists) - followed, "OPML list") + " read"
    return f"{read}, {followed} on the web to be followed" if followed else read


def _check_tags(config: Config, settings: Settings) -> str:
    _refuse(find_unknown_tags(config, settings.tag_rules))
    return f"{len(settings.tag_rules.rules)} in the taxonomy"


def _check_templates(settings: Settings, templates: Templates) -> str:
    _refuse(find_template_problems(settings, templates, read_clock()))
    return "all render"


def _refuse(problems: Iterable[object]) -> None:
    text = "\n".join(str(problem) for problem in problems)
    if text:
        raise UsageError(text)


def _check_database(config: Config) -> str:
    notes = {
        "empty": "reachable; empty, made at the first start",
        "current": "reachable, schema current",
        "older": "reachable; schema older, upgraded (after a backup) by `run`",
    }
    db = open_database(config.database_url)
    try:
        state = migrate.current(db)
    finally:
        db.close()
    if state not in notes:
        raise UsageError(f"{db.url_text} was made by a newer version of this program")
    return f"{db.url_text}: {notes[state]}"


def _check_mail(config: Config) -> str:
    mailer = build_mailer(config)
    try:
        return mailer.check()
    except SenderRefused as error:
        raise UsageError(f"the mail server refused us: {error}" if error.code else str(error)) from error
    finally:
        mailer.close()


def _print_interests(settings: Settings) -> None:
    """What the editor's sentences became: it counts in every score."""
    made = list(describe_interests(settings))
    if made:
        print_line(
            "ok: interests: what was made of your sentences; points of your own for a tag or a word win, 0: gone"
        )
    for line in made:
        print_line(f"      {line}")


def _print_schedules(settings: Settings) -> None:
    for newsletter in settings.newsletters:
        slots = next_slots(newsletter.schedule, newsletter.timezone, read_clock(), 3)
        sentence = describe_schedule(newsletter.schedule)
        print_line(f"ok: newsletter {newsletter.slug}: {sentence}, {newsletter.timezone}. Next issues:")
        for slot in slots:
            print_line(f"      {slot.astimezone(ZoneInfo(newsletter.timezone)):%a %Y-%m-%d %H:%M %Z}")
