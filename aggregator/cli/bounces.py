"""``aggregator bounces``: the mail that came back. Never takes back what followed: see `subscribers allow`."""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args

import typer

from aggregator.app import App
from aggregator.cli.console import (
    MAX_NUMBER,
    ConfigOption,
    JsonOption,
    LimitOption,
    SinceOption,
    UntilOption,
    new_group,
    opened,
    print_json,
    print_line,
    print_list,
    print_note,
    read_instant,
    show_progress,
)
from aggregator.errors import NotFound, UsageError
from aggregator.mail.mailbox import Mailbox, open_mailbox
from aggregator.model.bounce import StoredBounce
from aggregator.model.said import say_count
from aggregator.model.subscriber import BounceKind
from aggregator.storage import bounces, troubles
from aggregator.tasks.bounces import Tally, read_returned
from aggregator.tasks.issues import find_newsletter

commands = new_group("Mail that came back.")
_KINDS = get_args(BounceKind)


@commands.command("list")
def list_bounces(
    config: ConfigOption = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help=f"Only these: {', '.join(_KINDS)}.", show_default=False)
    ] = None,
    newsletter: Annotated[
        str | None, typer.Option("--newsletter", metavar="SLUG", help="Only this newsletter's.", show_default=False)
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List what came back, newest first.

    Hard ones and complaints end subscriptions, soft ones only when they go on; `policy` is our own fault.
    """
    if kind is not None and kind not in _KINDS:
        raise UsageError(f"{kind!r} is no kind of bounce; expected one of {', '.join(_KINDS)}")
    with opened(config) as app:
        begin, end = read_instant(since, app), read_instant(until, app, end=True)
        with app.db.read() as conn:
            wanted = cast(BounceKind | None, kind)
            found = bounces.list_bounces(conn, kind=wanted, newsletter=newsletter, since=begin, until=end, limit=limit)
            known = troubles.list_troubles(conn)
        if newsletter is not None and not found:
            find_newsletter(app, newsletter)
    documents = [describe_bounce(bounce) for bounce in found]
    columns = ("id", "received_at", "kind", "status", "address", "issue", "diagnostic")
    print_list(as_json, documents, columns, empty="Nothing came back.")
    for trouble in known:
        print_note(f"{trouble.name}, since {trouble.since:%Y-%m-%d %H:%MZ}: {trouble.reason}")


def describe_bounce(bounce: StoredBounce) -> dict[str, Any]:
    """The JSON document of one."""
    return {
        "id": bounce.id,
        "received_at": bounce.received_at,
        "kind": bounce.kind,
        "status": bounce.status,
        "address": bounce.address,
        "newsletter": bounce.newsletter,
        "issue": bounce.issue,
        "diagnostic": bounce.diagnostic,
        "origin": bounce.origin,
    }


@commands.command("show")
def show_bounce(
    number: Annotated[int, typer.Argument(metavar="ID", help="The number in the list.", min=1, max=MAX_NUMBER)],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one, with the mail as it came or its beginning."""
    with opened(config) as app, app.db.read() as conn:
        found = bounces.get_bounce(conn, number)
    if found is None:
        raise NotFound(f"no bounce has the number {number}")
    bounce, raw = found
    document = describe_bounce(bounce)
    if as_json:
        print_json(document | {"mail": raw.decode("utf-8", "backslashreplace")})
        return
    for name, value in document.items():
        if value != "":
            print_line(f"{name}: {value}")
    print_line("")
    print_line(escape_mail(raw))


def escape_mail(raw: bytes) -> str:
    """What a stranger wrote, so that a terminal shows it and obeys nothing: controls are escaped."""
    text = raw.decode("utf-8", "backslashreplace").replace("\r\n", "\n").rstrip("\n")
    shown = (c if c in "\n\t" or c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return "".join(shown)


@commands.command("read")
def read(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Read the Maildir or the mailbox now.

    The daemon does so every five minutes. What is read is marked as seen, nothing is deleted.
    """
    with opened(config) as app:
        box = open_mailbox(app.settings.mail.bounces)
        if box is None:
            raise UsageError("mail.bounces names neither a maildir nor an imap box: there is nothing to read")
        tally = _read_with_progress(app, box, show=not as_json)
    if as_json:
        print_json({"place": box.place, "read": tally.read, "known": tally.known, "kinds": dict(tally.kinds)})
        return
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.kinds.items()))
    news = f": {kinds}" if kinds else ""
    print_line(f"{box.place}: {say_count(tally.read, 'mail')} read{news}")
    if tally.ended:
        print_line(f"{say_count(tally.ended, 'subscription')} ended.")


def _read_with_progress(app: App, box: Mailbox, *, show: bool) -> Tally:
    with show_progress("Reading", None, show=show) as update:
        return read_returned(app, box=box, on_progress=lambda tally: update(total=tally.found, completed=tally.read))
