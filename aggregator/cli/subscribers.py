"""``aggregator subscribers``: who gets the mail, one person at a time. Never sends any."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from aggregator.app import App
from aggregator.cli import subscriber_lists
from aggregator.cli.console import (
    ConfigOption,
    JsonOption,
    LimitOption,
    SinceOption,
    UntilOption,
    YesOption,
    is_within,
    new_group,
    opened,
    print_json,
    print_line,
    print_list,
    print_note,
    read_instant,
)
from aggregator.cli.subscriber_lists import NewsletterOption, StateOption, list_subscriptions
from aggregator.errors import NotFound, UsageError
from aggregator.model.person import Person
from aggregator.model.said import say_count
from aggregator.storage import people, subscribers
from aggregator.tasks.issues import choose_newsletter, find_newsletter
from aggregator.tasks.people import WHY, add_person, describe_person, describe_subscription

commands = new_group("Subscribers of the newsletters.")
AddressArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The address.")]


@commands.command("list")
def list_subscribers(
    config: ConfigOption = None,
    newsletter: NewsletterOption = None,
    state: StateOption = None,
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
        stored = list_subscriptions(app, newsletter, state)
    found = [item for item in stored if is_within(item.created_at, begin, end)]
    documents = [describe_subscription(item) for item in found[: limit or None]]
    columns = ("email", "newsletter", "state", "created_at", "ended_reason")
    print_list(as_json, documents, columns, empty="No subscribers. Add one: aggregator subscribers add EMAIL")


@commands.command("add")
def add_subscriber(
    email: AddressArgument,
    config: ConfigOption = None,
    newsletter: NewsletterOption = None,
    language: Annotated[str, typer.Option(metavar="CODE", help="One of the newsletter's languages.")] = "",
    topics: Annotated[str, typer.Option(metavar="TAGS", help="Of the newsletter's topics, commas between them.")] = "",
) -> None:
    """Add one person as confirmed.

    You answer for their consent: what is recorded is that you added them.
    """
    with opened(config) as app:
        standing = add_person(app, email, choose_newsletter(app, newsletter), language=language, topics=topics)
    if standing != "new":
        raise UsageError(f"{email} {WHY[standing]}")
    print_line(f"Added {email}.")


@commands.command("remove")
def remove_subscriber(
    email: AddressArgument,
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
        print_note(f"{email}: {say_count(ended, 'subscription')} ended")


@commands.command("show")
def show_subscriber(email: AddressArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print everything that is kept about an address."""
    with opened(config) as app:
        person = _find(app, email)
    if as_json:
        print_json(describe_person(person))
        return
    for line in _write_person(person):
        print_line(line)


def _find(app: App, email: str) -> Person:
    with app.db.read() as conn:
        person = people.find_person(conn, email)
    if person is None:
        raise NotFound(f"nothing is kept about {email}")
    return person


def _write_person(person: Person) -> list[str]:
    lines = [person.email]
    if person.suppression:
        lines.append(f"  gets no mail since {person.suppression.created_at:%Y-%m-%d}: {person.suppression.reason}")
    for tie in person.subscriptions:
        wishes = ", ".join(word for word in (tie.language, *tie.topics) if word)
        ended = f" ({tie.ended_reason})" if tie.ended_reason else ""
        lines.append(f"  {tie.newsletter}: {tie.state}{ended}; since {tie.created_at:%Y-%m-%d}; {tie.consent}")
        lines += [f"    wishes: {wishes}"] if wishes else []
    for one in person.deliveries:
        issue = f"{one.newsletter} {one.issue}"
        lines.append(f"  {one.changed_at:%Y-%m-%d} issue {issue} to {one.address}: {one.state} {one.reply}".rstrip())
    for letter in person.letters:
        lines.append(f"  {letter.created_at:%Y-%m-%d} letter ({letter.kind}) to {letter.address}: {letter.state}")
    for back in person.bounces:
        lines.append(f"  {back.received_at:%Y-%m-%d} came back ({back.kind}): {back.status} {back.diagnostic}".rstrip())
    return lines


@commands.command("forget")
def forget_subscriber(
    email: AddressArgument, config: ConfigOption = None, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Erase everything about an address.

    Only a hash of it stays, so that nobody adds it again. It cannot be undone.
    """
    with opened(config) as app:
        person = _find(app, email)
        about = f"{say_count(len(person.subscriptions), 'subscription')}, {say_count(len(person.deliveries), 'mail')}"
        _ask(f"Erase everything about {person.email} ({about})?", yes=yes)
        with app.db.write() as conn:
            gone = people.forget(conn, email, now=app.now())
    if gone is None:
        raise NotFound(f"nothing is kept about {email}")
    if as_json:
        counts = {"subscriptions": gone.subscriptions, "deliveries": gone.deliveries}
        print_json({**counts, "letters": gone.letters, "bounces": gone.bounces})
    else:
        print_line("Forgotten. The hash of the address stays on the list of those who get no mail.")


@commands.command("allow")
def allow_subscriber(
    email: AddressArgument,
    config: ConfigOption = None,
    revive: Annotated[
        bool, typer.Option("--revive", help="And begin again the subscriptions that bounces ended.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take an address off the list of those that get no mail.

    It says first why the address was put there.
    """
    with opened(config) as app:
        with app.db.read() as conn:
            found = people.get_suppression(conn, email)
        if found is None:
            raise NotFound(f"{email} is not on the list of addresses that get no mail")
        _ask(f"{email} is there since {found.created_at:%Y-%m-%d}: {found.reason}. Take it off?", yes=yes)
        with app.db.write() as conn:
            revived = people.allow(conn, email, revive=revive)
    if as_json:
        print_json({"email": email, "reason": found.reason, "since": found.created_at, "revived": revived})
        return
    print_line(f"{email} was there since {found.created_at:%Y-%m-%d}: {found.reason}. It may get mail again.")
    if revived:
        print_line(f"{say_count(revived, 'subscription')} that bounces ended began again.")
    else:
        print_line("Its subscriptions stay as they are; who wants the mail subscribes again.")


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Say --yes, since nobody can be asked here")
    typer.confirm(question, abort=True)


commands.command("import")(subscriber_lists.import_subscribers)
commands.command("export")(subscriber_lists.export_subscribers)
