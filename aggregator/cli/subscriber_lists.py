"""``aggregator subscribers import`` and ``export``: lists of people in and out, as CSV. Never sends any mail."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from aggregator.app import App
from aggregator.cli.console import (
    ConfigOption,
    JsonOption,
    opened,
    print_json,
    print_line,
    print_note,
    read_upload,
    show_progress,
)
from aggregator.model.subscriber import Subscription, SubscriptionState
from aggregator.storage import subscribers
from aggregator.tasks.issues import find_newsletter
from aggregator.tasks.people import ImportReport, count_outcomes, describe_import, import_people, read_list
from aggregator.tasks.people_csv import EXPORTED, Reading, make_row

NewsletterOption = Annotated[
    str | None, typer.Option("--newsletter", metavar="SLUG", help="Which one; may be left out when there is only one.")
]
StateOption = Annotated[
    SubscriptionState | None,
    typer.Option("--state", help="Only these: pending, confirmed or ended.", show_default=False),
]
#: What each outcome is called in the last line.
_WORDS = {
    "known": "known already",
    "left": "left before",
    "suppressed": "get no mail",
    "double": "twice in the file",
    "unconfirmed": "not confirmed there",
    "wrong": "wrong",
}


def list_subscriptions(app: App, newsletter: str | None, state: str | None) -> tuple[Subscription, ...]:
    """Those of one newsletter or of all, in one state or in all. Raises NotFound for a newsletter that is none."""
    with app.db.read() as conn:
        stored = subscribers.list_subscriptions(conn, newsletter=newsletter)
    if newsletter is not None and not stored:
        find_newsletter(app, newsletter)
    return tuple(item for item in stored if state is None or item.state == state)


def import_subscribers(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with a header row: email, and newsletter, language, topics.")
    ],
    config: ConfigOption = None,
    newsletter: NewsletterOption = None,
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="Of the file; default: UTF-8 or Shift_JIS, whichever it is.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add everybody in a CSV file as confirmed.

    Wrong lines are named and passed over; those who left, or want no mail, stay out. Exit code 1 when a line is wrong.
    """
    with opened(config) as app:
        reading = read_list(app, read_upload(file), newsletter, file=str(file), encoding=encoding)
        with show_progress("Importing", len(reading.people), show=not as_json) as update:
            report = import_people(
                app, reading, file=file.name, dry_run=dry_run, on_progress=lambda done: update(completed=done)
            )
    if as_json:
        print_json({**describe_import(reading, report), "dry_run": dry_run})
    else:
        _print(reading, report, file, dry_run=dry_run)
    if report.count("wrong"):
        raise typer.Exit(1)


def _print(reading: Reading, report: ImportReport, file: Path, *, dry_run: bool) -> None:
    if reading.encoding != "UTF-8":
        print_note(f"{file}: read as {reading.encoding}")
    if reading.ignored:
        print_note(f"{file}: columns that mean nothing here: {', '.join(reading.ignored)}")
    if reading.not_offered:
        print_note(f"{file}: left out, since no newsletter here offers it: {', '.join(reading.not_offered)}")
    for one in report.passed_over:
        if one.outcome == "wrong":
            print_note(f"{file}:{one.line}: {one.reason}")
        else:
            print_line(f"{file}:{one.line}: {one.email} {one.reason}")
    counts = count_outcomes(report)
    told = [f"{counts['added']} {'would be ' if dry_run else ''}added"]
    told += [f"{counts[name]} {words}" for name, words in _WORDS.items() if counts[name]]
    print_line(f"{', '.join(told)}.")


def export_subscribers(
    config: ConfigOption = None, newsletter: NewsletterOption = None, state: StateOption = None
) -> None:
    """Print subscriptions as CSV, which `import` reads again."""
    with opened(config) as app:
        found = list_subscriptions(app, newsletter, state)
    writer = csv.writer(typer.get_text_stream("stdout"), lineterminator="\r\n")
    writer.writerow(EXPORTED)
    writer.writerows(map(make_row, found))
