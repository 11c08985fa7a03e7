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
    LimitOption,
    SinceOption,
    UntilOption,
    choose_newsletter,
    is_within,
    new_group,
    opened,
    print_json,
    print_line,
    print_list,
    print_note,
    read_instant,
    read_upload,
)
from aggregator.errors import NotFound, UsageError
from aggregator.model.subscriber import NewSubscriber, Subscription
from aggregator.storage import subscribers
from aggregator.tasks.issues import find_newsletter
from aggregator.tasks.subscribe import add_subscribers, read_subscribers

commands = new_group("Subscribers of the newsletters.")
NewsletterOption = Annotated[
    str | None, typer.Option("--newsletter", metavar="SLUG", help="Which one; may be left out when there is only one.")
]


@commands.command("list")
def list_subscribers(
    config: ConfigOption = None,
    newsletter: NewsletterOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List subscriptions with their state.

    With --since or --until only those that began in that time.
    """
    with opened(config) as app:
        begin, end = read_instant(since, app), read_instant(until, app, end=True)
        stored = _list_subscriptions(app, newsletter)
    found = [item for item in stored if is_within(item.created_at, begin, end)]
    documents = [describe_subscription(item) for item in found[: limit or None]]
    columns = ("email", "newsletter", "state", "created_at", "ended_reason")
    print_list(as_json, documents, columns, empty="No subscribers. Add one: aggregator subscribers add EMAIL")


def _list_subscriptions(app: App, newsletter: str | None) -> tuple[Subscription, ...]:
    with app.db.read() as conn:
        stored = subscribers.list_subscriptions(conn, newsletter=newsletter)
    if newsletter is not None and not stored:
        find_newsletter(app, newsletter)
    return tuple(stored)


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
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address.")],
    config: ConfigOption = None,
    newsletter: NewsletterOption = None,
    language: Annotated[str, typer.Option(metavar="CODE", help="Preferred language (en, ja, zh...).")] = "",
) -> None:
    """Add one person as confirmed.

    You answer for their consent: what is recorded is that you added them.
    """
    with opened(config) as app:
        new = NewSubscriber(email=email, newsletter=choose_newsletter(app, newsletter).slug, language=language)
        if not add_subscribers(app, [new], consent="added by command"):
            raise UsageError(f"{email} subscribes already, or has left and must ask again themselves")
    print_line(f"Added {email}.")


@commands.command("import")
def import_subscribers(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with a header row: email, and newsletter, language, topics.")
    ],
    config: ConfigOption = None,
    newsletter: NewsletterOption = None,
) -> None:
    """Add everybody in a CSV file as confirmed.

    Nothing is added when a line is wrong; those who have left stay out.
    """
    with opened(config) as app:
        known = tuple(item.slug for item in app.settings.newsletters)
        default = find_newsletter(app, newsletter).slug if newsletter else known[0] if len(known) == 1 else ""
        people = read_subscribers(read_upload(file), file=str(file), newsletters=known, default=default)
        added = add_subscribers(app, people, consent=f"imported from {file.name}")
    print_line(f"{added} added, {len(people) - added} known already or gone.")


@commands.command("export")
def export_subscribers(config: ConfigOption = None, newsletter: NewsletterOption = None) -> None:
    """Print all subscriptions as CSV."""
    with opened(config) as app:
        found = _list_subscriptions(app, newsletter)
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
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address.")],
    config: ConfigOption = None,
    newsletter: NewsletterOption = None,
    as_json: JsonOption = False,
) -> None:
    """End the subscriptions of an address.

    All of them, or that to --newsletter. An import does not bring them back.
    """
    with opened(config) as app:
        if newsletter is not None:
            find_newsletter(app, newsletter)
        with app.db.write() as conn:
            ended = subscribers.remove(conn, email, newsletter=newsletter, reason="removed by command", now=app.now())
    if not ended:
        raise NotFound(f"{email} has no subscription that is not ended")
    if as_json:
        print_json({"email": email, "ended": ended})
    else:
        print_note(f"{email}: {ended} subscriptions ended")
