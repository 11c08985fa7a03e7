"""Five hundred weeks of a newsletter in every time zone: each slot has one row, and the windows tile."""

from __future__ import annotations

import random
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from aggregator.model.newsletter import PlannedSlot
from aggregator.pipeline.schedule import find_last_slot, find_slots, plan_slots

START = datetime(2024, 1, 3, tzinfo=UTC)
WEEK = timedelta(days=7)
#: Hours at which clocks are changed somewhere, and one at which they are not.
SCHEDULES = ("0 8 * * 1", "30 2 * * 0", "0 0 * * 0", "30 1 * * 6", "15 3 * * 0")


@lru_cache
def group_zones() -> tuple[str, ...]:
    """One name for all zones whose clocks show the same from 2024 to 2034."""
    by_clock: dict[tuple[timedelta | None, ...], str] = {}
    days = [START + timedelta(days=day) for day in range(0, 3653, 6)]
    for name in sorted(zoneinfo.available_timezones()):
        if name == "localtime":  # this machine's
            continue
        zone = ZoneInfo(name)
        by_clock.setdefault(tuple(day.astimezone(zone).utcoffset() for day in days), name)
    return tuple(sorted(by_clock.values()))


@dataclass
class Rows:
    """What the table of issues would hold."""

    zone: str
    schedule: str
    looked_at: datetime
    slots: list[PlannedSlot] = field(default_factory=list)

    def look(self, now: datetime) -> None:
        """As `tasks.issues.plan_ended_slots` does within its transaction."""
        ended = find_slots(self.schedule, self.zone, after=self.looked_at, until=now)
        if not ended:
            return
        windows = [slot for slot in self.slots if slot.window_end < now]
        made = [slot.window_end for slot in windows if slot.state == "draft"]
        first = [slot.window_start for slot in windows]
        self.slots += plan_slots(
            ended,
            schedule=self.schedule,
            timezone=self.zone,
            last_window_end=max(made) if made else min(first) if first else None,
            now=now,
        )
        self.looked_at = now


def iter_looks(chance: random.Random, weeks: int, longest: timedelta) -> Iterator[datetime]:
    """When the daemon looks: about each half week, now and then after a downtime, at times twice at one instant."""
    now = START
    while now < START + weeks * WEEK:
        now += longest * chance.random() if chance.random() < 0.05 else timedelta(hours=84 * chance.random())
        yield now
        if chance.random() < 0.1:
            yield now


def live(zone: str, schedule: str, weeks: int, *, zones: tuple[str, ...] = (), longest: timedelta) -> None:
    chance = random.Random(f"{zone} {schedule}")
    rows = Rows(zone=zone, schedule=schedule, looked_at=START)
    wanted: list[datetime] = []
    for now in iter_looks(chance, weeks, longest):
        if zones and chance.random() < 0.01:
            rows.zone = chance.choice(zones)
        wanted += find_slots(schedule, rows.zone, after=rows.looked_at, until=now)
        rows.look(now)
    assert [slot.slot_at for slot in rows.slots] == wanted, zone
    made = [slot for slot in rows.slots if slot.state == "draft"]
    assert len(made) > weeks / 3
    assert all(earlier.window_end == later.window_start for earlier, later in pairwise(made)), zone
    assert all(slot.window_start < slot.window_end == slot.slot_at for slot in made), zone
    assert made[0].window_start <= (find_last_slot(schedule, rows.zone, rows.slots[0].slot_at) or START) or zones
    for slot in rows.slots:
        assert slot.state == "draft" or slot.reason.startswith(("merged into", "too late")), (zone, slot)


def test_the_zones_of_the_world_are_few_clocks() -> None:
    assert 60 < len(group_zones()) < 200


def test_each_slot_has_one_row_and_windows_tile_in_every_zone() -> None:
    """A year and two weeks, so that each change of the clock comes; half of them never down for long."""
    for place, zone in enumerate(group_zones()):
        longest = timedelta(days=30) if place % 2 else timedelta(days=5)
        live(zone, SCHEDULES[place % len(SCHEDULES)], 54, longest=longest)


def test_a_zone_that_is_changed_doubles_and_loses_no_window() -> None:
    zones = group_zones()
    for place, zone in enumerate(zones[::12]):
        live(zone, SCHEDULES[place % len(SCHEDULES)], 80, zones=zones, longest=timedelta(days=20))


@pytest.mark.soak
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_five_hundred_weeks_in_every_zone(schedule: str) -> None:
    zones = group_zones()
    for zone in zones:
        live(zone, schedule, 500, longest=timedelta(days=30))
        live(zone, schedule, 500, zones=zones, longest=timedelta(days=30))
