"""Stories through the program: safe to be killed, safe beside another, never with an old score."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aggregator.app import App
from aggregator.model.entry import Entry
from aggregator.model.story import GroupCandidate, ScoreTerm, Story
from aggregator.pipeline import group as grouping
from aggregator.pipeline.group.reading import Reading, read_entry
from aggregator.pipeline.group.terms import Terms
from aggregator.pipeline.rank import score_story
from aggregator.storage import feeds, stories
from aggregator.storage.stories import StoryQuery
from aggregator.tasks import group
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.refresh import refresh_feeds
from tests.fixtures.program import Program

POST = """---
title: {title}
date: 2025-12-0{day}
---
{text}
"""


def write_post(program: Program, number: int, text: str = "A few words.") -> None:
    folder = program.folder / "posts"
    folder.mkdir(exist_ok=True)
    post = POST.format(
        title=f"The {'lantern harbour violin glacier'.split()[number]} report", day=number + 1, text=text
    )
    Path(folder / f"{number}.md").write_text(post, encoding="utf-8")


def read_posts(app: App) -> None:
    with app.db.read() as conn:
        ids = [feed.id for feed in feeds.list_feeds(conn)]
    refresh_feeds(app, ids)


def list_stories(app: App) -> tuple[Story, ...]:
    with app.db.read() as conn:
        return stories.list_stories(conn, StoryQuery())


def test_a_kill_between_grouping_and_scoring_leaves_the_scores_to_the_next_round(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_post(program, 0, "word " * 900)
    program.configure(feeds=[{"folder": "posts"}])

    def die(app: App) -> bool:
        raise KeyboardInterrupt

    with program.app() as app:
        read_posts(app)
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(group, "_score", die)
            regroup_stories(app)
        (before,) = list_stories(app)
        regroup_stories(app)
        (after,) = list_stories(app)

    assert before.reasons == ()
    assert after.reasons


def test_an_edited_entry_gives_its_story_another_score(program: Program) -> None:
    write_post(program, 0)
    program.configure(feeds=[{"folder": "posts"}])
    with program.app() as app:
        read_posts(app)
        regroup_stories(app)
        (before,) = list_stories(app)
        write_post(program, 0, "word " * 2000)
        read_posts(app)
        regroup_stories(app)
        (after,) = list_stories(app)

    assert after.score > before.score


def test_other_interests_give_stored_stories_other_scores(program: Program) -> None:
    write_post(program, 0, "A note on Claude by Anthropic.")
    program.configure(feeds=[{"folder": "posts"}])
    with program.app() as app:
        read_posts(app)
        regroup_stories(app)
        (before,) = list_stories(app)
    program.configure(feeds=[{"folder": "posts"}], interests={"anthropic": 5})
    with program.app() as app:
        regroup_stories(app)
        (after,) = list_stories(app)

    assert after.score == before.score + 5


def test_two_that_group_at_once_make_one_story_of_each_entry(program: Program) -> None:
    for number in range(4):
        write_post(program, number)
    program.configure(feeds=[{"folder": "posts"}])
    with program.app() as app:
        read_posts(app)
        start = threading.Barrier(2)

        def work() -> None:
            start.wait(10)
            regroup_stories(app)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        found = list_stories(app)

    assert len(found) == 4
    assert sorted(story.id for story in found) == [1, 2, 3, 4]


def test_an_entry_that_grouping_cannot_digest_costs_itself_only(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Now, and as the neighbour of what comes later."""
    program.configure(feeds=[{"folder": "posts"}])

    def read(candidate: GroupCandidate, terms: Terms) -> Reading:
        if "harbour" in candidate.title:
            raise ZeroDivisionError
        return read_entry(candidate, terms)

    monkeypatch.setattr(grouping, "read_entry", read)
    with program.app() as app:
        for numbers in ((0, 1), (2,)):
            for number in numbers:
                write_post(program, number)
            read_posts(app)
            regroup_stories(app)
        told = [entry.title for story in list_stories(app) for entry in story.entries]
    assert len(told) == 3


def test_a_story_that_ranking_cannot_digest_costs_itself_only(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no points; all others have theirs."""
    program.configure(feeds=[{"folder": "posts", "weight": 3}])

    def score(members: Sequence[Entry], *rest: Any, **named: Any) -> tuple[float, tuple[ScoreTerm, ...]]:
        if any("harbour" in entry.title for entry in members):
            raise ZeroDivisionError
        return score_story(members, *rest, **named)

    monkeypatch.setattr(group, "score_story", score)
    with program.app() as app:
        for number in (0, 1, 2):
            write_post(program, number)
        read_posts(app)
        regroup_stories(app)
        scores = {"harbour" in story.lead.title: story.score for story in list_stories(app)}
    assert scores[True] == 0.0 < scores[False]
