"""``aggregator issues edit``, ``approve``, ``skip``, and the preview of a draft."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aggregator.model.newsletter import PlannedSlot
from aggregator.storage import issues
from tests.cli.feeds import make_items, make_rss
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program

DAYS = ("01 Dec 2025", "02 Dec 2025", "03 Dec 2025")


@pytest.fixture
def drafted(local: Program, http_server: TestHttpServer) -> Program:
    """Three stories, one reader, and a draft that waits."""
    newsletter = {"slug": "weekly", "title": "AI Weekly", "schedule": "0 8 * * 1", "min_stories": 1, "review": "manual"}
    feeds = [{"url": http_server.add("/feed.xml", make_rss(*make_items(DAYS)))}]
    local.configure(feeds=feeds, newsletters=[newsletter])
    local.run("fetch", "--all")
    local.run("subscribers", "add", "ana@example.org")
    add_draft(local, "2025-W49", datetime(2025, 12, 4, tzinfo=UTC))
    return local


def add_draft(program: Program, slug: str, end: datetime) -> None:
    start = end - timedelta(days=7)
    slot = PlannedSlot(slot_at=end, slug=slug, window_start=start, window_end=end, state="draft")
    now = datetime(2025, 12, 4, 1, tzinfo=UTC)
    with program.app(now=lambda: now) as app, app.db.write() as conn:
        issues.add_slots(conn, "weekly", [slot], now=now, review_for=timedelta(hours=12))


def test_a_draft_is_seen_changed_and_shown_again(drafted: Program) -> None:
    """What is named stands first; what is dropped is gone; all of it is in the preview; reset takes it back."""
    (drafted.folder / "hello.md").write_text("Hello **you**.\n")
    before = drafted.json("issues", "edit")
    first, second, third = (held["story"] for held in before["held"])

    arguments = ("--subject", "Mine", "--intro", "hello.md", "--top", str(third), "--drop", str(first))
    after, again = (drafted.json("issues", "edit", *arguments) for _ in range(2))
    seen = drafted.run("issues", "preview", "--out", "look")
    reset = drafted.json("issues", "edit", "--reset")

    assert [held["story"] for held in after["held"]] == [third, second]
    assert after == again
    assert (after["edits"]["placed"], after["edits"]["dropped"]) == ([[third, "top"]], [first])
    assert (after["subject"], after["is_edited"], before["is_edited"]) == ("Mine", True, False)
    assert seen.code == 0
    assert "<strong>you</strong>" in (drafted.folder / "look" / "weekly-2025-W49.html").read_text()
    assert reset == before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("edit", "--drop", "9999"), 2, "weekly/2025-W49 holds no story 9999"),
        (("edit", "--top", "1", "--drop", "1"), 2, "story 1 is named twice"),
        (("edit", "--intro", "missing.md"), 2, "missing.md: cannot be read: No such file or directory"),
        (("edit", "--issue", "2020-W01"), 1, "weekly has no issue 2020-W01"),
    ],
)
def test_what_is_refused_is_named_and_changes_nothing(
    drafted: Program, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """One line, the number or the file in it."""
    result = drafted.run("issues", *arguments)

    assert (result.code, len(result.err.splitlines())) == (code, 1)
    assert said in result.err
    assert drafted.json("issues", "list")[0]["is_edited"] is False


def test_no_is_said_once(drafted: Program) -> None:
    """A second no changes nothing; then it is no draft any more for the other commands."""
    waits = drafted.run("issues", "list").out
    refused, again = drafted.run("issues", "skip", "--reason", "holidays"), drafted.run("issues", "skip")
    late = drafted.run("issues", "approve")
    edited = drafted.run("issues", "edit", "--subject", "Too late")

    assert "waits for a yes until" in " ".join(waits.split())
    assert refused.out == again.out == "weekly/2025-W49: skipped: holidays\n"
    assert (late.code, edited.code) == (2, 2)
    assert "was skipped: holidays" in late.err
    assert "weekly/2025-W49 is no draft: it is skipped" in edited.err


def test_of_several_drafts_one_has_to_be_named(drafted: Program) -> None:
    """Rather than the wrong one be frozen."""
    add_draft(drafted, "2025-W48", datetime(2025, 12, 3, tzinfo=UTC))

    result = drafted.run("issues", "skip")
    named = drafted.run("issues", "skip", "--issue", "2025-W48")

    assert (result.code, result.err.count("2025-W48, 2025-W49")) == (2, 1)
    assert named.code == 0
