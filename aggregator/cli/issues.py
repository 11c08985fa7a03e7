"""``aggregator issues``: the editions of the newsletters. Never edits one that is frozen."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from aggregator.app import App
from aggregator.cli.console import (
    ConfigOption,
    JsonOption,
    LimitOption,
    SinceOption,
    UntilOption,
    is_within,
    new_group,
    opened,
    print_json,
    print_line,
    print_list,
    read_instant,
)
from aggregator.errors import NotFound, UsageError
from aggregator.model.newsletter import Issue, Newsletter, RenderedIssue, TooFew
from aggregator.model.said import say_count
from aggregator.publish import write_file
from aggregator.storage import issues
from aggregator.tasks.drafts import see_draft
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.issues import build_issue, choose_newsletter, describe_issue, find_newsletter

commands = new_group("Issues of the newsletters.")
NewsletterArgument = Annotated[
    str | None, typer.Argument(metavar="NEWSLETTER", help="Which one; may be left out when there is only one.")
]
SlugOption = Annotated[
    str | None, typer.Option("--issue", metavar="SLUG", help="Which issue (2026-W48); default: the newest.")
]


@commands.command("list")
def list_issues(
    newsletter: NewsletterArgument = None,
    config: ConfigOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List issues, newest first, with their deliveries.

    With --since or --until only those whose window ended in that time.
    """
    with opened(config) as app:
        begin, end = read_instant(since, app), read_instant(until, app, end=True)
        with app.db.read() as conn:
            stored = issues.list_issues(conn, newsletter=newsletter)
        if newsletter is not None and not stored:
            find_newsletter(app, newsletter)
    found = [issue for issue in stored if is_within(issue.window_end, begin, end)]
    documents = [describe_issue(issue) for issue in found[: limit or None]]
    if not as_json:
        for document in documents:
            states = document["deliveries"].items()
            document["mails"] = "\n".join(f"{count} {state}" for state, count in states)
            document["subject"] = document["subject"] or document["reason"]
            if document["paused_reason"]:
                document["state"] = f"{document['state']}, rests: {document['paused_reason']}"
            if document["state"] == "draft" and document["review_until"] and not document["approved_at"]:
                document["state"] = f"draft, waits for a yes until {document['review_until']:%Y-%m-%d %H:%M} UTC"
            elif document["state"] == "draft" and document["approved_at"]:
                document["state"] = f"draft, goes out at {document['approved_at']:%Y-%m-%d %H:%M} UTC"
            document["issue"] = f"{document['newsletter']}/{document['slug']}"
    columns = ("issue", "state", "stories", "subject", "mails")
    empty = "No issues in that time." if since or until else "No issues yet. Build one: aggregator issues build"
    print_list(as_json, documents, columns, empty=empty)


@commands.command("build")
def build(
    newsletter: NewsletterArgument = None,
    config: ConfigOption = None,
    until: UntilOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build and freeze the issue of the window up to now, or to DATE.

    Nothing is mailed yet: see `aggregator issues send`.
    """
    with opened(config) as app:
        chosen = choose_newsletter(app, newsletter)
        regroup_stories(app)
        issue = build_issue(app, chosen, until=read_instant(until, app, end=True))
    if as_json:
        print_json(describe_issue(issue))
    elif issue.state == "skipped":
        window = f"{_day(issue.window_start, chosen)} to {_day(issue.window_end, chosen)}"
        print_line(f"{issue.name}: skipped, {window}: {issue.reason}")
    else:
        stories = say_count(issue.story_count, "story", "stories")
        waiting = sum(count for state, count in issue.deliveries if state == "queued")
        people = say_count(waiting, "recipient")
        print_line(f"{issue.name}: {issue.state}, {stories}, {people}")
        print_line(f"Subject: {issue.subject}")


def _day(instant: datetime, newsletter: Newsletter) -> str:
    return f"{instant.astimezone(ZoneInfo(newsletter.timezone)):%Y-%m-%d %H:%M}"


@commands.command("preview")
def preview(
    newsletter: NewsletterArgument = None,
    config: ConfigOption = None,
    issue: SlugOption = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder for the HTML and text parts.")] = Path(
        "var/preview"
    ),
) -> None:
    """Write an issue's mail, HTML and text, to files to look at.

    A draft is set as it would go now.
    """
    with opened(config) as app:
        chosen = choose_newsletter(app, newsletter)
        found = _find_draft(app, chosen, issue) or find_issue(app, chosen, issue)
        rendered = _render(app, chosen, found)
    for suffix, text in (("html", rendered.mail_html), ("txt", rendered.mail_text)):
        path = out / f"{found.newsletter}-{found.slug}.{suffix}"
        try:
            out.mkdir(parents=True, exist_ok=True)
            write_file(path, text.encode())
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
        print_line(path)


def _find_draft(app: App, newsletter: Newsletter, slug: str | None) -> Issue | None:
    with app.db.read() as conn:
        waiting = issues.list_issues(conn, newsletter.slug, states=("draft",))
    return next((issue for issue in waiting if slug in (None, issue.slug)), None)


def _render(app: App, newsletter: Newsletter, issue: Issue) -> RenderedIssue:
    if issue.state == "draft":
        seen = see_draft(app, newsletter, issue)
        if isinstance(seen, TooFew):
            raise UsageError(f"{issue.name} would be skipped now: {seen.reason}")
        return seen.rendered
    with app.db.read() as conn:
        rendered = issues.get_rendered(conn, issue.id)
    if rendered is None:
        raise NotFound(f"{issue.name} is not frozen")
    return rendered


def find_issue(app: App, newsletter: Newsletter, slug: str | None) -> Issue:
    """The frozen issue that ``slug`` names, or the newest. Raises `NotFound`."""
    with app.db.read() as conn:
        readable = issues.list_issues(conn, newsletter.slug, states=issues.FROZEN)
    chosen = [issue for issue in readable if slug in (None, issue.slug)]
    if not chosen:
        wanted = f"issue {slug}" if slug else "issue that could be sent"
        raise NotFound(f"{newsletter.slug} has no {wanted}; build one: aggregator issues build {newsletter.slug}")
    return chosen[0]
