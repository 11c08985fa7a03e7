"""``aggregator stories``: the entries about one event, ranked, and why. What changes them is in `ruling`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from aggregator.cli import ruling
from aggregator.cli.console import (
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
    print_table,
    read_instant,
)
from aggregator.errors import NotFound
from aggregator.model.ids import StoryId
from aggregator.model.story import Story
from aggregator.render.story_documents import describe_reasons, describe_story, describe_why
from aggregator.storage import rulings, stories, story_groups
from aggregator.storage.stories import StoryQuery

commands = new_group("Stories: the entries about one event.")
ruling.add_to(commands)


@commands.command("list")
def list_stories(
    config: ConfigOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 50,
    tag: Annotated[str, typer.Option(metavar="SLUG", help="Only stories that bear this tag.")] = "",
    language: Annotated[str, typer.Option(metavar="CODE", help="Only stories with an entry in this language.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List stories, highest score first."""
    with opened(config) as app:
        query = StoryQuery(
            since=read_instant(since, app), until=read_instant(until, app, end=True), tag=tag, language=language
        )
        with app.db.read() as conn:
            found = stories.list_stories(conn, query)
    ranked = sorted(found, key=lambda story: (-story.score, story.id))
    documents = [describe_story(story) for story in (ranked[:limit] if limit else ranked)]
    if as_json:
        print_json(documents)
        return
    for document in documents:
        document["sources"] = len({entry["feed_url"] for entry in document["entries"]})
    print_list(False, documents, ("id", "score", "sources", "language", "title"), empty="No stories.")


@commands.command("show")
def show_story(
    story: ruling.StoryArgument,
    config: ConfigOption = None,
    why: Annotated[
        bool, typer.Option("--why", help="Also what ties each entry to the story, and what you said about it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one story: its entries, and why it ranks where it does."""
    with opened(config) as app, app.db.read() as conn:
        found = stories.get(conn, StoryId(story))
        if isinstance(found, int):
            found = stories.get(conn, StoryId(found))
        if not isinstance(found, Story):
            raise NotFound(f"no story {story}")
        ids = [entry.id for entry in found.entries]
        links, said = story_groups.get_links(conn, ids), rulings.list_rulings(conn, ids)
    document = describe_story(found)
    document["reasons"] = describe_reasons(found)
    evidence = describe_why(found, links, said)
    if as_json:
        print_json(document | ({"why": evidence} if why else {}))
        return
    print_line(f"{found.id}: {found.lead.title}")
    rows = [(entry.effective_at, entry.feed_name, entry.language, entry.title, entry.url) for entry in found.entries]
    print_table(("when", "feed", "language", "title", "address"), rows, empty="")
    print_table(
        ("reason", "value", "points"),
        [(term.name, term.value, f"{term.points:+.2f}") for term in found.reasons],
        empty="Not scored yet.",
    )
    if why:
        print_why(evidence)


def print_why(evidence: Mapping[str, Any]) -> None:
    """The same for people."""
    rows = [
        (
            e["id"],
            e["with"],
            "" if e["strength"] is None else f"{e['strength']:.2f}",
            "; ".join(e["evidence"]),
            e["title"],
        )
        for e in evidence["entries"]
    ]
    print_table(("entry", "with", "strength", "evidence", "title"), rows, empty="")
    print_table(
        ("your word", "entry", "other"),
        [(said["kind"], said["entry"], said["other"]) for said in evidence["rulings"]],
        empty="You said nothing about it.",
    )
