"""Slots, their names and what becomes of them."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregator.errors import UsageError
from aggregator.pipeline.schedule import (
    describe_schedule,
    find_last_slot,
    find_slots,
    next_slots,
    plan_slots,
    read_rhythm,
    slot_slug,
)

MONDAY = "0 8 * * 1"
BERLIN = "Europe/Berlin"
ZONES = sorted(
    name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith(("Etc/", "posix/", "right/"))
)
INSTANTS = st.datetimes(
    datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2037-01-01"), timezones=st.just(UTC)
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def get_first_instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """The instant of a wall-clock time, found without cron: the first of two, or the first after a gap."""
    local = wall
    while True:
        instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == local:
            return instant
        local += timedelta(minutes=1)


def test_a_weekly_slot_follows_the_zone_through_the_year() -> None:
    """08:00 in Berlin is 06:00 UTC in summer and 07:00 in winter."""
    slots = find_slots(MONDAY, BERLIN, after=utc("2026-10-12"), until=utc("2026-11-03"))

    assert slots == (utc("2026-10-12T06:00"), utc("2026-10-19T06:00"), utc("2026-10-26T07:00"), utc("2026-11-02T07:00"))


def test_the_range_is_half_open() -> None:
    """A slot at ``after`` is past, one at ``until`` is found."""
    slot = utc("2026-11-23T07:00")

    assert find_slots(MONDAY, BERLIN, after=slot, until=slot + timedelta(days=6)) == ()
    assert find_slots(MONDAY, BERLIN, after=slot - timedelta(microseconds=1), until=slot) == (slot,)
    assert next_slots(MONDAY, BERLIN, slot, 2) == (utc("2026-11-30T07:00"), utc("2026-12-07T07:00"))
    assert find_last_slot(MONDAY, BERLIN, slot) == utc("2026-11-16T07:00")


@pytest.mark.parametrize(
    ("schedule", "zone", "day", "expected"),
    [
        ("30 1 * * 0", "America/New_York", "2026-11-01", ["2026-11-01T05:30"]),  # comes twice: the first
        ("30 2 * * 0", "America/New_York", "2026-03-08", ["2026-03-08T07:00"]),  # does not come: after the gap
        ("0 0 * * 0", "America/Sao_Paulo", "2018-11-04", ["2018-11-04T03:00"]),
        ("30 2,3 * * 0", "America/New_York", "2026-03-08", ["2026-03-08T07:00", "2026-03-08T07:30"]),
        ("0,30 2 * * 0", "America/New_York", "2026-03-08", ["2026-03-08T07:00"]),  # two times in the gap: one instant
        ("0 2,3 * * 0", "America/New_York", "2026-03-08", ["2026-03-08T07:00"]),
        ("15 2 * * 0", "Australia/Lord_Howe", "2026-10-04", ["2026-10-03T15:30"]),  # half an hour
    ],
)
def test_changes_of_the_clock(schedule: str, zone: str, day: str, expected: list[str]) -> None:
    """A skipped time is made up at once, a doubled time is not."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)) - timedelta(minutes=1)
    found = find_slots(schedule, zone, after=start, until=start + timedelta(hours=20))

    assert [slot.strftime("%Y-%m-%dT%H:%M") for slot in found] == expected


@given(st.sampled_from(ZONES), st.integers(0, 23), st.integers(0, 59), INSTANTS)
@example("America/New_York", 1, 30, utc("2026-10-30"))
@example("Pacific/Apia", 0, 0, utc("2011-12-28"))
@example("Africa/Casablanca", 2, 30, utc("2026-02-10"))
@example("America/Sao_Paulo", 0, 0, utc("2018-11-02"))
def test_each_day_has_exactly_one_daily_slot(zone: str, hour: int, minute: int, start: datetime) -> None:
    """In every zone, over every change: one instant per day of the zone, the one that a wall clock gives."""
    tz = ZoneInfo(zone)
    days = [start.astimezone(tz).date() + timedelta(days=number) for number in range(1, 9)]
    first, last = (datetime.combine(day, time()) for day in (days[0], days[-1]))
    after = get_first_instant(tz, first + timedelta(hours=hour, minutes=minute)) - timedelta(seconds=1)
    until = get_first_instant(tz, last + timedelta(hours=hour, minutes=minute))
    walls = (datetime.combine(day, time(hour, minute)) for day in days)
    expected = sorted({get_first_instant(tz, wall) for wall in walls})

    assert list(find_slots(f"{minute} {hour} * * *", zone, after=after, until=until)) == expected


@given(
    st.sampled_from(ZONES),
    st.sampled_from([MONDAY, "30 2 * * 0", "15 1 * * *", "0 */6 * * *", "*/20 * * * *"]),
    INSTANTS,
    st.lists(st.integers(0, 20 * 86_400), max_size=4),
)
def test_a_range_cut_in_pieces_gives_the_same_slots(zone: str, schedule: str, start: datetime, cuts: list[int]) -> None:
    """However often the clock ticks: no slot is lost between two ticks, none comes twice."""
    if schedule.startswith("*/20"):
        cuts = [cut // 20 for cut in cuts]
    ends = [start, *(start + timedelta(seconds=cut) for cut in sorted(cuts))]
    pieces = [slot for after, until in pairwise(ends) for slot in find_slots(schedule, zone, after=after, until=until)]

    assert pieces == list(find_slots(schedule, zone, after=start, until=ends[-1]))


def test_zero_and_seven_are_sunday_and_names_work() -> None:
    """Debian cron's meaning; nobody counts Monday as 0 here."""
    found = [next_slots(f"0 8 * * {day}", "UTC", utc("2026-11-25"), 1)[0] for day in ("0", "7", "sun")]

    assert {slot.strftime("%A") for slot in found} == {"Sunday"}


def test_a_schedule_is_said_in_a_sentence() -> None:
    """What `check` prints."""
    assert describe_schedule(MONDAY) == "At 08:00 on Monday"


@pytest.mark.parametrize(
    ("schedule", "clock", "weekday"),
    [(MONDAY, "8:00", 0), ("5 17 * * 0", "17:05", 6), ("5 17  * * 7", "17:05", 6), ("00 08 * * FRI", "8:00", 4),
     ("30 6 * * *", "6:30", None), ("0 8 * * 1-5", "", None), ("0 8 1 * *", "", None), ("0 8,20 * * *", "", None)],
)  # fmt: skip
def test_the_rhythm_of_a_day_or_a_week(schedule: str, clock: str, weekday: int | None) -> None:
    """As the form for subscribers says it in every language; of all others there is a sentence only."""
    rhythm = read_rhythm(schedule)
    assert (rhythm.clock, rhythm.weekday, rhythm.sentence) == (clock, weekday, describe_schedule(schedule))


@pytest.mark.parametrize(
    ("schedule", "word"),
    [("0 8 * *", "five fields"), ("0 0 8 * * 1", "five fields"), ("@weekly", "five fields"), ("0 25 * * 1", "Bad hour"),
     ("0 8 * * 8", "Bad day-of-week"), ("", "five fields"), ("0 8 31 2 *", "Bad day-of-month")],
)  # fmt: skip
def test_a_wrong_schedule_names_its_fault(schedule: str, word: str) -> None:
    """Said wherever a schedule is read, never a traceback."""
    with pytest.raises(UsageError, match=word):
        describe_schedule(schedule)
    with pytest.raises(UsageError, match=word):
        find_slots(schedule, "UTC", after=utc("2026-11-25"), until=utc("2026-11-26"))


@pytest.mark.parametrize(
    ("schedule", "slot", "slug"),
    [
        (MONDAY, "2026-11-23T07:00", "2026-W48"),
        (MONDAY, "2027-01-04T07:00", "2027-W01"),
        ("0 8 1 * *", "2026-12-01T07:00", "2026-W49"),
        ("0 0 * * 1", "2026-11-22T23:00", "2026-W48"),  # Monday in Berlin, Sunday in London
        ("0 8 * * *", "2026-11-24T07:00", "2026-11-24"),
        ("0 8 * * 1-5", "2026-11-24T07:00", "2026-11-24"),
        ("0 8 * * 1,4", "2026-11-26T07:00", "2026-11-26"),
        ("0 8,20 * * *", "2026-11-24T07:00", "2026-11-24T08"),
        ("*/30 * * * *", "2026-11-24T07:30", "2026-11-24T0830"),
        ("0 * * * *", "2026-10-25T01:00", "2026-10-25T01:00:00Z".replace(":", "")),  # the second 02:00 of the night
        (MONDAY, "2026-11-25T12:00", "2026-11-25"),  # built by hand between two slots
    ],
)
def test_slugs(schedule: str, slot: str, slug: str) -> None:
    """The week for a weekly, the date for a daily, finer for what is closer; in the newsletter's zone."""
    assert slot_slug(utc(slot), schedule, BERLIN) == slug


@given(
    st.sampled_from(ZONES),
    st.sampled_from([MONDAY, "0 8 1,7 * *", "0 8 * * 0,1", "30 1 * * *", "0 */8 * * *", "30 * * * *", "0 8 1 * *"]),
    INSTANTS,
)
@example("America/New_York", "30 * * * *", utc("2026-10-31"))
@example("Europe/Dublin", "0 8 1,7 * *", utc("2026-05-25"))
def test_no_two_slots_share_a_slug(zone: str, schedule: str, start: datetime) -> None:
    """Whatever the schedule and the zone."""
    slots = next_slots(schedule, zone, start, 40)

    assert len({slot_slug(slot, schedule, zone) for slot in slots}) == len(slots)


def plan(now: str, *, since: str, last_end: str | None) -> list[tuple[str, str, str, str]]:
    slots = find_slots(MONDAY, BERLIN, after=utc(since), until=utc(now))
    planned = plan_slots(
        slots, schedule=MONDAY, timezone=BERLIN, last_window_end=utc(last_end) if last_end else None, now=utc(now)
    )
    assert [slot.slot_at for slot in planned] == list(slots)
    assert [slot.window_end for slot in planned] == list(slots)
    return [(slot.slug, f"{slot.window_start:%m-%d}", slot.state, slot.reason) for slot in planned]


def test_one_ended_slot_is_a_draft_of_the_week() -> None:
    """The usual case: the window begins where the last issue's ended."""
    planned = plan("2026-11-23T07:00:10", since="2026-11-16T07:00", last_end="2026-11-16T07:00")

    assert planned == [("2026-W48", "11-16", "draft", "")]


def test_missed_slots_are_merged_into_the_newest() -> None:
    """Three weeks of sleep, one issue that reaches back to the last one sent."""
    planned = plan("2026-11-24T12:00", since="2026-11-02T07:00", last_end="2026-11-02T07:00")

    assert planned == [
        ("2026-W46", "11-02", "skipped", "merged into 2026-W48"),
        ("2026-W47", "11-09", "skipped", "merged into 2026-W48"),
        ("2026-W48", "11-02", "draft", ""),
    ]


def test_the_first_issue_ever_holds_one_week() -> None:
    """Without an issue before it, the window begins one slot earlier."""
    assert plan("2026-11-24T12:00", since="2026-11-18T00:00", last_end=None) == [("2026-W48", "11-16", "draft", "")]


def test_a_slot_of_long_ago_is_too_late() -> None:
    """A monthly whose slot ended seven days ago is not sent as if nothing had been."""
    slots = (utc("2026-11-01T07:00"),)
    planned = plan_slots(
        slots, schedule="0 8 1 * *", timezone=BERLIN, last_window_end=None, now=utc("2026-11-08T07:01")
    )

    assert [(slot.state, slot.reason) for slot in planned] == [
        ("skipped", "too late: ended 7 days ago, at most 6 are made up")
    ]


def test_a_slot_within_an_issue_sent_by_hand_is_covered() -> None:
    """Nobody gets the same week twice."""
    planned = plan("2026-11-23T07:01", since="2026-11-16T07:00", last_end="2026-11-23T08:00")

    assert planned == [
        ("2026-W48", "11-16", "skipped", "covered already: an issue sent by hand reaches beyond this slot")
    ]


@given(INSTANTS, st.lists(st.integers(0, 40 * 86_400), min_size=1, max_size=8), st.booleans())
def test_planning_at_any_moments_makes_each_slot_one_row(start: datetime, stops: list[int], sent: bool) -> None:
    """Stop before a slot, start any time later, as often as you like: each slot one row, windows without a gap."""
    last_slot, last_end = start, start
    for stop in sorted(stops):
        now = start + timedelta(seconds=stop)
        slots = find_slots(MONDAY, BERLIN, after=last_slot, until=now)
        planned = plan_slots(slots, schedule=MONDAY, timezone=BERLIN, last_window_end=last_end, now=now)
        drafts = [slot for slot in planned if slot.state == "draft"]
        assert len(planned) == len(slots)
        assert len(drafts) <= 1
        for draft in drafts:
            assert draft.window_start == last_end
            assert now - draft.slot_at <= timedelta(days=6)
            if sent:
                last_end = draft.window_end
        if slots:
            last_slot = slots[-1]
