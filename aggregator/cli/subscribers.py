"""``aggregator subscribers``: who gets the mail. Never sends any."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from aggregator.app import App
from aggregator.cli.console import (
    ConfigOption,
    JsonOption,
    choose_newsletter,
    opened,
    print_json,
    print_list,
    print_note,
)
from aggregator.errors import NotFound, UsageError
from aggregator.model.subscriber import NewSubscriber, Subscription
from aggregator.storage import subscribers
from aggregator.tasks.subscribe import add_subscribers, read_subscribers

commands = typer.Typer(help="Subscribers of the newsletters.", no_args_is_help=True)
NewsletterOption = Annotated[
    str | None, typer.Option("--newsletter", help="Which newsletter; may be left out when there is only one.")
]


@commands.command("list")
def list_subscribers(
    config: ConfigOption = None, newsletter: NewsletterOption = None, as_json: JsonOption = False
) -> None:
    """List subscriptions with their state."""
    with opened(config) as app, app.db.read() as conn:
        found = subscribers.list_subscriptions(conn, newsletter=newsletter)
    documents = [describe_subscription(item) for item in found]
    columns = ("email", "newsletter", "state", "created_at", "ended_reason")
    print_list(as_json, documents, columns, empty="No subscribers. Add one: aggregator subscribers add EMAIL")


def describe_subscription(item: Subscription) -> dict[str, Any]:
    """One subscription for lists and exports; the public id stays inside, it opens the unsubscribe link."""
    return {
        "email": item.email,
        "newsletter": item.newsletter,
        "state": item.state,
        "language": item.language,
        "topics": list(item.topics),
        "consent": item.consent,
        "created_at": item.created_at,
        "ended_at": item.ended_at,
        "ended_reason": item.ended_reason,
    }


@commands.command("add")
def add_subscriber(
    email: Annotated[str, typer.Argument(help="The address.")],
    config: ConfigOption = None,
    newsletter: NewsletterOption = None,
    language: Annotated[str, typer.Option(help="Preferred language.")] = "",
) -> None:
    """Add one person, confirmed: you answer for their consent, and that is what is recorded."""
    with opened(config) as app:
        new = NewSubscriber(email=email, newsletter=choose_newsletter(app, newsletter).slug, language=language)
        if not add_subscribers(app, [new], consent="added by command"):
            raise UsageError(f"{email} subscribes already, or has left and must ask again themselves")
    typer.echo(f"Added {email}.")


@commands.command("import")
def import_subscribers(
    file: Annotated[Path, typer.Argument(help="CSV with a header row: email, and newsletter, language, topics.")],
    config: ConfigOption = None,
    newsletter: NewsletterOption = None,
) -> None:
    """Add everybody in a CSV file, confirmed. Nothing is added when a line is wrong; those who left stay out."""
    with opened(config) as app:
        default = newsletter or (app.settings.newsletters[0].slug if len(app.settings.newsletters) == 1 else "")
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file}: cannot be read as UTF-8 text: {error}") from error
        people = read_subscribers(text, file=str(file), newsletters=_slugs(app), default=default)
        added = add_subscribers(app, people, consent=f"imported from {file.name}")
    typer.echo(f"{added} added, {len(people) - added} known already or gone.")


@commands.command("export")
def export_subscribers(config: ConfigOption = None, newsletter: NewsletterOption = None) -> None:
    """Print all subscriptions as CSV."""
    with opened(config) as app, app.db.read() as conn:
        found = subscribers.list_subscriptions(conn, newsletter=newsletter)
    writer = csv.writer(typer.get_text_stream("stdout"), lineterminator="\n")
    writer.writerow(("email", "newsletter", "state", "language", "topics", "consent", "created_at", "ended_at"))
    for item in found:
        row = (item.email, item.newsletter, item.state, item.language, " ".join(item.topics), item.consent)
        ended = item.ended_at.isoformat() if item.ended_at else ""
        writer.writerow([_harmless(cell) for cell in (*row, item.created_at.isoformat(), ended)])


def _harmless(cell: str) -> str:
    """A cell that a spreadsheet does not take for a formula (CWE-1236)."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


@commands.command("remove")
def remove_subscriber(
    email: Annotated[str, typer.Argument(help="The address.")],
    config: ConfigOption = None,
    newsletter: NewsletterOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a subscription (all of an address without --newsletter). They are never mailed again by an import."""
    with opened(config) as app, app.db.write() as conn:
        ended = subscribers.remove(conn, email, newsletter=newsletter, reason="removed by command", now=app.now())
    if not ended:
        raise NotFound(f"{email} has no subscription that is not ended")
    if as_json:
        print_json({"email": email, "ended": ended})
    else:
        print_note(f"{email}: {ended} subscriptions ended")


def _slugs(app: App) -> tuple[str, ...]:
    return tuple(newsletter.slug for newsletter in app.settings.newsletters)
