"""The editor's word about stories: ``aggregator stories merge``, ``split``, ``never``... Never decides anything."""

from __future__ import annotations

from typing import Annotated

import typer

from aggregator.app import App
from aggregator.cli.console import (
    MAX_NUMBER,
    ConfigOption,
    JsonOption,
    SinceOption,
    opened,
    print_json,
    print_line,
    read_instant,
)
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.story import Story
from aggregator.storage import stories
from aggregator.tasks.group import regroup_since
from aggregator.tasks.rulings import Ruled, choose_lead, keep_apart, merge_stories, place_story, split_story

StoryArgument = Annotated[
    int, typer.Argument(metavar="STORY", min=1, max=MAX_NUMBER, help="Its number, as `stories list` shows it.")
]
EntryArgument = Annotated[
    int, typer.Argument(metavar="ENTRY", min=1, max=MAX_NUMBER, help="Its number, as `stories show` shows it.")
]


def add_to(commands: typer.Typer) -> None:
    """Put these commands into the group."""
    for name, command in (
        ("merge", merge),
        ("split", split),
        ("never", never),
        ("lead", lead),
        ("pin", pin),
        ("bury", bury),
        ("unpin", unpin),
        ("regroup", regroup),
    ):
        commands.command(name)(command)


def merge(
    story_ids: Annotated[
        list[int], typer.Argument(metavar="STORY STORY...", min=1, max=MAX_NUMBER, help="Two numbers or more.")
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make one story of several, for ever. The lowest number stays; the addresses of the others lead to it."""
    with opened(config) as app:
        _report(app, merge_stories(app, [StoryId(number) for number in story_ids]), as_json=as_json)


def split(
    story: StoryArgument,
    entry_ids: Annotated[
        list[int], typer.Argument(metavar="ENTRY...", min=1, max=MAX_NUMBER, help="The entries that leave it.")
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take entries out of a story, for ever. Together they are a story of their own."""
    with opened(config) as app:
        ids = [EntryId(number) for number in entry_ids]
        _report(app, split_story(app, StoryId(story), ids), as_json=as_json)


def never(one: EntryArgument, other: EntryArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Never group these two entries. `stories merge` takes it back."""
    with opened(config) as app:
        _report(app, keep_apart(app, EntryId(one), EntryId(other)), as_json=as_json)


def lead(story: StoryArgument, entry: EntryArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Choose the entry that a story is shown by."""
    with opened(config) as app:
        _report(app, choose_lead(app, StoryId(story), EntryId(entry)), as_json=as_json)


def pin(story: StoryArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Put a story above all others."""
    with opened(config) as app:
        _report(app, place_story(app, StoryId(story), "pin"), as_json=as_json)


def bury(story: StoryArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Put a story below all others."""
    with opened(config) as app:
        _report(app, place_story(app, StoryId(story), "bury"), as_json=as_json)


def unpin(story: StoryArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Take back `stories pin` or `stories bury`."""
    with opened(config) as app:
        _report(app, place_story(app, StoryId(story), None), as_json=as_json)


def regroup(config: ConfigOption = None, since: SinceOption = None, as_json: JsonOption = False) -> None:
    """Group stored entries anew.

    For when the rules of grouping have changed. What the editor said stays.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    entries = 0
    with (
        opened(config) as app,
        Progress(*columns, console=console, disable=as_json or not console.is_terminal) as progress,
    ):
        bar = progress.add_task("Grouping", total=None)

        def show(done: int, total: int) -> None:
            nonlocal entries
            entries = total
            progress.update(bar, completed=done, total=total)

        changed = regroup_since(app, read_instant(since, app), progress=show)
    if as_json:
        print_json({"entries": entries, "changed": changed})
    else:
        print_line(f"{entries} entries grouped anew, {changed} stories have changed.")


def _report(app: App, ruled: Ruled, *, as_json: bool) -> None:
    with app.db.read() as conn:
        found = [stories.get(conn, number) for number in ruled.story_ids]
    shown = [story for story in found if isinstance(story, Story)]
    if as_json:
        print_json({"changed": ruled.changed, "stories": [_describe(story) for story in shown]})
        return
    if not ruled.changed:
        print_line("That was said already.")
    for story in shown:
        print_line(f"{story.id}: {story.lead.title} (entries {', '.join(str(e.id) for e in story.entries)})")


def _describe(story: Story) -> dict[str, object]:
    return {"id": story.id, "title": story.lead.title, "entries": [entry.id for entry in story.entries]}
