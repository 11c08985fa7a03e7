"""``aggregator feeds``: whom we read, how they stand, and what an editor does about it by hand.

Finding feeds and lists of them have files of their own. Only `move` asks the net here, once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from aggregator.app import App
from aggregator.cli import feed_finding, feed_lists
from aggregator.cli.console import (
    ConfigOption,
    JsonOption,
    LimitOption,
    SinceOption,
    UntilOption,
    YesOption,
    find_config,
    is_within,
    new_group,
    open_program,
    opened,
    print_json,
    print_line,
    print_list,
    print_table,
    read_instant,
)
from aggregator.cli.feed_shown import (
    describe_for_people,
    find_feed,
    is_problem,
    rank_problem,
    say_hub,
    say_log_line,
)
from aggregator.config import Config
from aggregator.config.feeds import find_feed_place
from aggregator.config.schema import OpmlFeeds
from aggregator.errors import NotFound, UsageError
from aggregator.log import redact_url
from aggregator.model.feed import Feed, FetchLogLine
from aggregator.model.hub import Hub
from aggregator.model.said import say_count
from aggregator.pipeline.opml import parse_opml
from aggregator.pipeline.urls import is_web_url
from aggregator.render.feed_documents import (
    describe_details,
    describe_feed,
    describe_hub,
    describe_log_line,
    say_hints,
)
from aggregator.storage import feeds, fetchlog, hubs
from aggregator.tasks.desk import feeds as tasks
from aggregator.tasks.desk.accounts import COMMAND
from aggregator.tasks.desk.feed_held import release_held
from aggregator.tasks.discover import check_move

commands = new_group("The feeds that are read.")
FeedArgument = Annotated[str, typer.Argument(metavar="FEED", help="Its address, or its number in `feeds list`.")]


@commands.command("list")
def list_feeds(
    config: ConfigOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 0,
    problems: Annotated[bool, typer.Option("--problems", help="Only those that need an eye, the worst first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List feeds with their state and what they answered last.

    With --since or --until only those that were last fetched in that time.
    """
    with opened(config) as app:
        begin, end = read_instant(since, app), read_instant(until, app, end=True)
        with app.db.read() as conn:
            found = [feed for feed in feeds.list_feeds(conn) if is_within(feed.last_fetched_at, begin, end)]
    if problems:
        found = sorted(filter(is_problem, found), key=rank_problem)
    describe = describe_feed if as_json else describe_for_people
    documents = [describe(feed) for feed in found[: limit or None]]
    columns = ("id", "state", "entries", "next due", "feed")
    empty = "No feeds in that time." if since or until else "No feeds. Add one: aggregator feeds add URL"
    print_list(as_json, documents, columns, empty="No feed needs an eye." if problems else empty)


@commands.command("show")
def show_feed(
    feed: FeedArgument,
    config: ConfigOption = None,
    log: Annotated[int, typer.Option("--log", metavar="N", min=0, max=1000, help="So many of its last fetches.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Show how one feed stands.

    When it is asked next and why, what it asks of us, and its last fetches.
    """
    with opened(config) as app:
        found = find_feed(app, feed)
        with app.db.read() as conn:
            lines = fetchlog.list_lines(conn, found.id, log) if log else ()
            hub = hubs.get_hub(conn, found.id)
    if as_json:
        told = {"hub": describe_hub(hub), "log": [describe_log_line(line) for line in lines]}
        print_json({**describe_details(found), **told})
        return
    _print_details(found, hub)
    if lines:
        _print_log(lines)


def _print_details(feed: Feed, hub: Hub | None) -> None:
    cells = describe_for_people(feed)
    print_line(f"{feed.id}  {cells['feed']}")
    due = f"{feed.next_due_at:%Y-%m-%d %H:%MZ} ({feed.next_due_reason})" if feed.state == "active" else ""
    fetched = f"{feed.last_fetched_at:%Y-%m-%d %H:%MZ}" if feed.last_fetched_at else "never"
    facts = {
        "state": cells["state"],
        "site": feed.site_url,
        "language": feed.spec.language or feed.language,
        "origin": f"{feed.spec.origin} {redact_url(feed.spec.list_url)}".strip(),
        "entries": f"{feed.entry_count} stored, {feed.document_entries} in the last document",
        "last fetch": f"{fetched}, status {feed.last_status}" if feed.last_status else fetched,
        "next check": due,
        "it asks": say_hints(feed.hints),
        "its hub": say_hub(hub),
        "gone since": f"{feed.gone_since:%Y-%m-%d %H:%MZ}" if feed.gone_since else "",
        "strikes": feed.strikes or "",
        "host": feed.host_key,
        "tags": ", ".join(feed.spec.tags),
    }
    for name, value in facts.items():
        if value:
            print_line(f"{name:12}{value}")


def _print_log(lines: tuple[FetchLogLine, ...]) -> None:
    rows = [
        (line.at, line.status, say_log_line(line), f"{line.next_due_at:%Y-%m-%d %H:%MZ}\n{line.next_due_reason}")
        for line in lines
    ]
    print_table(("fetched", "status", "what came of it", "next check"), rows, empty="")


commands.command("add")(feed_finding.add_feed)
commands.command("discover")(feed_finding.discover)


@commands.command("remove")
def remove_feed(feed: FeedArgument, config: ConfigOption = None, yes: YesOption = False) -> None:
    """Remove an added feed from the list; its entries stay.

    A feed of the configuration is to be removed there: this command says in which line it stands.
    """
    settings = find_config(config)
    with open_program(settings) as app:
        found = find_feed(app, feed)
        url = found.spec.url
        if not tasks.can_be_removed(found):
            raise UsageError(
                f"{url} is read because of {found.spec.list_url or _find_place(settings, url)}: remove it there"
            )
        if not yes:
            typer.confirm(f"Remove {redact_url(url)}? Its {found.entry_count} entries stay.", abort=True)
        tasks.remove_feed(app, found.id, who=COMMAND)
    print_line(f"Removed {url}.")


def _find_place(config: Config, url: str) -> str:
    """``config.yaml:12``, or the list that holds the feed."""
    if place := find_feed_place(config, url):
        return place
    for feed in config.feeds:
        if isinstance(feed, OpmlFeeds):
            path = config.folder / feed.opml
            if path.is_file() and any(spec.url == url for spec in parse_opml(path.read_bytes()).feeds):
                return str(path)
    return str(config.path)


@commands.command("pause")
def pause_feed(
    feed: FeedArgument,
    config: ConfigOption = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever looks next.")] = "",
) -> None:
    """Do not ask a feed until it is resumed; its entries stay."""
    with opened(config) as app:
        found = find_feed(app, feed)
        tasks.pause_feed(app, found.id, reason, who=COMMAND)
    print_line(f"Paused {found.spec.url}.")


@commands.command("resume")
def resume_feed(feed: FeedArgument, config: ConfigOption = None) -> None:
    """Ask a paused feed again, at once and as if it had never failed."""
    with opened(config) as app:
        found = find_feed(app, feed)
        tasks.resume_feed(app, found.id, who=COMMAND)
    print_line(
        f"Resumed {found.spec.url}. It is fetched at the next tick, or now: aggregator fetch --feed {found.spec.url}"
    )


@commands.command("release")
def release_entries(feed: FeedArgument, config: ConfigOption = None) -> None:
    """Admit entries that are held for review.

    They enter the combined feed, pages and mails, where their dates put them.
    """
    with opened(config) as app:
        found = find_feed(app, feed)
        released, _ = release_held(app, found, who=COMMAND)
    print_line(f"Released {say_count(released, 'entry', 'entries')} of {found.spec.url}.")


@commands.command("move")
def move_feed(
    feed: FeedArgument,
    new_url: Annotated[str, typer.Argument(metavar="NEW_URL", help="Where it lives now.")],
    config: ConfigOption = None,
    exact: Annotated[bool, typer.Option("--exact", help="Believe it, ask nobody.")] = False,
    yes: YesOption = False,
) -> None:
    """Let a feed live at another address, with all its entries.

    The new address is asked first: it must give a feed, and one that is known again by an entry or by its title, else
    you are asked. From https to http nothing moves.
    """
    if not is_web_url(new_url):
        raise UsageError(f"{new_url!r} is no http:// or https:// address")
    with opened(config) as app:
        found = find_feed(app, feed)
        if new_url == found.spec.url:
            raise UsageError(f"{new_url} is where it lives already")
        if not exact:
            new_url = _check_move(app, found, new_url, yes=yes)
        tasks.move_feed(app, found.id, new_url, who=COMMAND)
    print_line(f"Moved {found.spec.url} to {new_url}.")


def _check_move(app: App, feed: Feed, url: str, *, yes: bool) -> str:
    """The address to keep. Raises `NotFound` when there is no feed."""
    check = check_move(app, feed, url)
    if check.found is None:
        raise NotFound(f"{url} is no feed: {check.outcome}")
    if not check.is_same and not yes:
        stored = f"none of the {feed.entry_count} entries we have, and its title is not {feed.title!r}"
        typer.confirm(f"{url} is {check.outcome}; it holds {stored}. Move all the same?", abort=True)
    return check.found.url


commands.command("import")(feed_lists.import_feeds)
commands.command("export")(feed_lists.export_feeds)
