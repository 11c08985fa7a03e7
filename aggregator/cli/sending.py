"""``aggregator issues send`` and what goes with it: rest, go on, break off, a test, those missed. Never edits."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from aggregator.app import App
from aggregator.cli.console import (
    ConfigOption,
    JsonOption,
    YesOption,
    find_config,
    get_config_file,
    open_program,
    opened,
    print_json,
    print_line,
    print_note,
    show_progress,
)
from aggregator.cli.issues import NewsletterArgument, SlugOption, find_issue
from aggregator.model.newsletter import Issue
from aggregator.model.said import say_count
from aggregator.storage import deliveries, issues
from aggregator.tasks.deliver import Sending, deliver_issue
from aggregator.tasks.issues import choose_newsletter, describe_issue
from aggregator.tasks.senders import Senders
from aggregator.tasks.specimen_mail import send_test
from aggregator.tasks.steering import cancel_issue, count_missed, go_on, open_issue, rest_issue, send_to_missed


def send(
    newsletter: NewsletterArgument = None,
    config: ConfigOption = None,
    issue: SlugOption = None,
    missed: Annotated[
        bool, typer.Option("--missed", help="Also to those who should have got it and did not; asks first.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    starter: Annotated[int, typer.Option("--starter", hidden=True)] = 0,
) -> None:
    """Mail an issue to everybody who is confirmed.

    Sent twice, it is sent once. Exit code 1 when mails are left: the server refused us, or they wait for another try.
    With --missed it goes once more to people confirmed before it was sent whose mail failed or is in doubt, or who
    were left when it was cancelled.
    """
    found_config = find_config(config)
    with open_program(found_config) as app, asked_to_stop() as stop:
        found = find_issue(app, choose_newsletter(app, newsletter), issue)
        if starter:
            # Who started us may be killed: none goes on that nobody can stop.
            deliver_issue(app, found.id, is_stopping=lambda: stop.is_set() or os.getppid() != starter)
            return
        open_issue(app, found)
        if missed:
            _add_missed(app, found, yes=yes)
        senders = Senders(app, found, get_config_file(found_config))
        done = _send_with_progress(app, found, senders, stop, show=not as_json)
        after = _read(app, found)
    if as_json:
        print_json(describe_issue(after))
    else:
        print_line(_summarise(after))
    if done.stopped:
        print_note(f"stopped: {done.stopped}; `aggregator run` or another `issues send` goes on later")
    if after.state != "sent":
        raise typer.Exit(1)


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """Set by SIGTERM, and by the first Ctrl-C: what is under way is finished; the second Ctrl-C breaks off."""
    stop = threading.Event()

    def set_it(number: int, frame: object) -> None:
        if number == signal.SIGINT and stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, set_it) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _add_missed(app: App, issue: Issue, *, yes: bool) -> None:
    count = count_missed(app, issue)
    if not count:
        print_note("nobody was missed")
    elif yes or typer.confirm(f"Send {issue.name} to {say_count(count, 'more person', 'more people')}?", err=True):
        send_to_missed(app, issue)
    else:
        raise typer.Exit(1)


def _send_with_progress(app: App, issue: Issue, senders: Senders, stop: threading.Event, *, show: bool) -> Sending:
    with app.db.read() as conn:
        waiting = deliveries.sum_waiting(conn, issue.id)
    with show_progress("Sending", waiting, show=show) as update:

        def count(*_: object) -> None:
            update(advance=senders.count)

        return senders.deliver(is_stopping=stop.is_set, on_result=count)


def pause(
    newsletter: NewsletterArgument = None,
    config: ConfigOption = None,
    issue: SlugOption = None,
    reason: Annotated[str, typer.Option("--reason", metavar="WORDS", help="Shown in `issues list`.")] = "",
) -> None:
    """Let an issue rest until `issues resume`.

    Mails whose last byte is on its way still arrive.
    """
    with opened(config) as app:
        found = find_issue(app, choose_newsletter(app, newsletter), issue)
        rest_issue(app, found, reason)
        print_line(_summarise(_read(app, found)))


def resume(newsletter: NewsletterArgument = None, config: ConfigOption = None, issue: SlugOption = None) -> None:
    """Let a paused issue go on: the daemon mails it, or `issues send`."""
    with opened(config) as app:
        found = find_issue(app, choose_newsletter(app, newsletter), issue)
        if not go_on(app, found):
            print_note(f"{found.name} was not paused")
        print_line(_summarise(_read(app, found)))


def cancel(
    newsletter: NewsletterArgument = None, config: ConfigOption = None, issue: SlugOption = None, yes: YesOption = False
) -> None:
    """Break off an issue: nobody else gets it.

    `issues send --missed` takes that back, but for one that nobody got yet: it is skipped.
    """
    with opened(config) as app:
        found = find_issue(app, choose_newsletter(app, newsletter), issue)
        with app.db.read() as conn:
            waiting = deliveries.sum_waiting(conn, found.id)
        if found.state in ("ready", "sending") and not yes:
            typer.confirm(f"{say_count(waiting, 'person', 'people')} will not get {found.name}. Sure?", abort=True)
        cancel_issue(app, found)
        print_line(_summarise(_read(app, found)))


def test(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Who gets it.")],
    newsletter: NewsletterArgument = None,
    config: ConfigOption = None,
    issue: SlugOption = None,
) -> None:
    """Mail one copy of an issue to ADDRESS.

    It is marked as a test, and its links to leave lead nowhere.
    """
    with opened(config) as app:
        found = find_issue(app, choose_newsletter(app, newsletter), issue)
        print_line(f"{address}: {send_test(app, found.id, address)}")


def status(
    newsletter: NewsletterArgument = None,
    config: ConfigOption = None,
    issue: SlugOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far an issue is, and its pace."""
    with opened(config) as app:
        found = find_issue(app, choose_newsletter(app, newsletter), issue)
        with app.db.read() as conn:
            pace = deliveries.measure_pace(conn, found.id, now=app.now())
            waiting = deliveries.sum_waiting(conn, found.id)
        minutes = round(waiting / pace, 1) if pace and waiting else None
        document: dict[str, Any] = {**describe_issue(found), "mails_a_minute": pace, "minutes_left": minutes}
    if as_json:
        print_json(document)
        return
    print_line(_summarise(found))
    if waiting:
        left = f", {minutes:g} minutes left" if minutes is not None else ""
        print_line(f"{say_count(waiting, 'mail')} left, {pace:g} a minute{left}")


def _read(app: App, issue: Issue) -> Issue:
    with app.db.read() as conn:
        return issues.get_by_id(conn, issue.id) or issue


def _summarise(issue: Issue) -> str:
    states = ", ".join(f"{count} {state}" for state, count in issue.deliveries) or "no recipients"
    rests = f" (rests: {issue.paused_reason})" if issue.paused_reason else ""
    return f"{issue.name}: {issue.state}{rests}: {states}"
