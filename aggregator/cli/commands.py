"""The tree of commands. Never does anything itself: each group has a file of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from aggregator import __version__
from aggregator.cli import (
    admin,
    bounces,
    check,
    db,
    editing,
    entries,
    export,
    feeds,
    fetch,
    issues,
    publish,
    rules,
    run,
    sending,
    setup,
    stats,
    stories,
    subscribers,
    tags,
    worker,
)
from aggregator.cli.console import ConfigOption

cli = typer.Typer(
    help="Many AI-news feeds in; feeds, pages and a weekly mail out.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aggregator {__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    config: ConfigOption = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


cli.command("init")(setup.init)
cli.command("check")(check.check)
cli.command("export-config")(export.export_config)
cli.command("run", short_help="Run the daemon until it is told to stop.")(run.run)
cli.command("worker", short_help="Take jobs beside a daemon, on this or another machine.")(worker.worker)
cli.command("fetch")(fetch.fetch)
cli.command("publish")(publish.publish)
cli.command("stats")(stats.stats)
cli.add_typer(feeds.commands, name="feeds")
cli.add_typer(entries.commands, name="entries")
cli.add_typer(stories.commands, name="stories")
cli.add_typer(tags.commands, name="tags")
cli.add_typer(rules.commands, name="rules")
for do in (sending.send, sending.pause, sending.resume, sending.cancel, sending.test, sending.status):
    issues.commands.command(do.__name__)(do)
for edit in (editing.edit, editing.approve, editing.skip):
    issues.commands.command(edit.__name__)(edit)
cli.add_typer(issues.commands, name="issues")
cli.add_typer(subscribers.commands, name="subscribers")
cli.add_typer(bounces.commands, name="bounces")
cli.add_typer(admin.commands, name="admin")
cli.add_typer(db.commands, name="db")
