"""Weeks of several newsletters in the database: each slot has one row, and the windows tile, whoever looks and when."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from aggregator.app import App
from aggregator.model.newsletter import Newsletter
from aggregator.pipeline.schedule import find_slots
from aggregator.storage import issues
from aggregator.tasks.issues import plan_ended_slots
from tests.fixtures.program import Program
from tests.tasks.paper import SLOT, Clock

#: Clocks that change twice a year, at midnight, by half an hour, and never.
ZONES = ("Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Tokyo")
SCHEDULE = "30 2 * * 0"


def live(app: App, other: App, clock: Clock, newsletter: Newsletter, weeks: int) -> None:
    """Two programs look, at times both at one instant, at times after weeks of silence; the zone is changed twice."""
    chance = random.Random(newsletter.slug)
    start = looked_at = clock.at
    plan_ended_slots(app, newsletter)
    wanted: list[datetime] = []
    while clock.at < start + timedelta(weeks=weeks):
        clock.at += (
            timedelta(days=30 * chance.random()) if chance.random() < 0.05 else timedelta(hours=90 * chance.random())
        )
        if chance.random() < 0.02:
            newsletter = replace(newsletter, timezone=chance.choice(ZONES))
        ended = find_slots(newsletter.schedule, newsletter.timezone, after=looked_at, until=clock.at)
        # A look that finds nothing is not noted: what ended meanwhile by the clock of another zone is not lost.
        wanted, looked_at = [*wanted, *ended], clock.at if ended else looked_at
        for one in chance.sample([app, other], chance.choice([1, 2])):
            plan_ended_slots(one, newsletter)
    with app.db.read() as conn:
        rows = sorted(issues.list_issues(conn, newsletter.slug), key=lambda issue: issue.slot_at)
    assert [row.slot_at for row in rows] == wanted
    assert len({row.slug for row in rows}) == len(rows)
    made = [row for row in rows if row.state == "draft"]
    assert len(made) > weeks / 3
    assert all(before.window_end == after.window_start for before, after in pairwise(made))


def live_everywhere(program: Program, weeks: int) -> None:
    clock = Clock(SLOT)
    program.configure(newsletters=[{"slug": "weekly", "title": "Weekly", "schedule": SCHEDULE}])
    with program.app(now=clock) as app, program.app(now=clock) as other:
        for zone in ZONES:
            clock.at = SLOT
            newsletter = replace(app.settings.newsletters[0], slug=zone.lower().replace("/", "-"), timezone=zone)
            live(app, other, clock, newsletter, weeks)


def test_a_year_of_weeks(program: Program) -> None:
    live_everywhere(program, 55)


@pytest.mark.soak
def test_five_hundred_weeks(program: Program) -> None:
    live_everywhere(program, 500)
