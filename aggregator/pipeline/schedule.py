"""When: the slots of a newsletter, and what becomes of the ended ones. Never looks at a clock.

A slot is one instant. cronsim gives Debian cron's meaning in the newsletter's own zone: a time that daylight saving
skips happens at the first instant after the gap, a time that comes twice happens at the first of the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from aggregator.errors import UsageError
from aggregator.model.newsletter import PlannedSlot, Rhythm

#: A slot that ended longer ago than this is not made up any more.
MAX_SLOT_AGE = timedelta(days=6)

_WEEKLY_GAP = timedelta(days=6)
#: A day that loses up to four hours to a change of the clock is still a day.
_DAILY_GAP = timedelta(hours=20)
#: Where the sample begins that tells a weekly schedule from a daily one: any fixed instant will do.
_SAMPLE_START = datetime(2024, 1, 1, tzinfo=UTC)
#: strftime forms of a slug, from coarse to fine.
_SLUG_FORMS = ("%G-W%V", "%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H%M")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: A cron expression that means one time of every day or of one weekday.
_ONCE = re.compile(rf"(\d{{1,2}}) (\d{{1,2}}) \* \* (\*|[0-7]|{'|'.join(_DAYS)})")
#: The first slot after an instant is looked for in ever longer steps back.
_LOOK_BACK = tuple(timedelta(hours=8**power) for power in range(7))


def _iter_slots(schedule: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """Yield the slots later than ``after`` in UTC, each instant once; ends when cron finds none for fifty years."""
    if len(schedule.split()) != 5:
        raise UsageError(f"schedule {schedule!r}: expected five fields (minute hour day month weekday)")
    try:
        slots = CronSim(schedule, after.astimezone(ZoneInfo(timezone)))
    except CronSimError as error:
        raise UsageError(f"schedule {schedule!r}: {error}") from error
    last = after
    while True:
        try:
            slot_at = next(slots).astimezone(UTC)
        except (StopIteration, RuntimeError, OverflowError):
            return
        # In a gap several wall-clock times fall on one instant; in a fold cronsim may name one that is past already.
        if slot_at > last:
            last = slot_at
            yield slot_at


def find_slots(schedule: str, timezone: str, *, after: datetime, until: datetime) -> tuple[datetime, ...]:
    """Return the slots in (after, until], oldest first, as UTC instants.

    ``schedule`` has the five fields of cron (0 and 7 are Sunday), ``timezone`` is an IANA name. Raises UsageError for
    a schedule that cron does not understand.
    """
    found: list[datetime] = []
    for slot_at in _iter_slots(schedule, timezone, after):
        if slot_at > until:
            break
        found.append(slot_at)
    return tuple(found)


def next_slots(schedule: str, timezone: str, now: datetime, count: int) -> tuple[datetime, ...]:
    """Return the next ``count`` slots after ``now``, fewer when there are not so many."""
    return tuple(islice(_iter_slots(schedule, timezone, now), count))


def find_last_slot(schedule: str, timezone: str, before: datetime) -> datetime | None:
    """Return the newest slot earlier than ``before``, or None when there is none within 29 years."""
    for back in _LOOK_BACK:
        slots = find_slots(schedule, timezone, after=before - back, until=before - timedelta(microseconds=1))
        if slots:
            return slots[-1]
    return None


def describe_schedule(schedule: str) -> str:
    """Return the schedule as a sentence ("At 08:00 on Monday"). Raises UsageError when cron does not understand it."""
    next_slots(schedule, "UTC", _SAMPLE_START, 1)
    return CronSim(schedule, _SAMPLE_START).explain()


def read_rhythm(schedule: str) -> Rhythm:
    """The schedule for people. Raises UsageError when cron does not understand it."""
    sentence = describe_schedule(schedule)
    found = _ONCE.fullmatch(" ".join(schedule.lower().split()))
    if found is None:
        return Rhythm(sentence=sentence)
    minute, hour, day = found.groups()
    weekday = None if day == "*" else (int(day) - 1) % 7 if day.isdigit() else _DAYS.index(day)
    return Rhythm(sentence=sentence, clock=f"{int(hour)}:{int(minute):02}", weekday=weekday)


@lru_cache(maxsize=256)
def _get_coarsest_form(schedule: str, timezone: str) -> int:
    """Return the index of the slug form that fits how close the slots of this schedule come to each other."""
    sample = next_slots(schedule, timezone, _SAMPLE_START, 60)
    gap = min((later - earlier for earlier, later in pairwise(sample)), default=timedelta.max)
    return 0 if gap >= _WEEKLY_GAP else 1 if gap >= _DAILY_GAP else 2


def slot_slug(slot_at: datetime, schedule: str, timezone: str) -> str:
    """Return the name of the issue of a slot, in the newsletter's zone; no two slots of a schedule share one.

    ``2026-W48`` (ISO week) when slots are six days apart or more, ``2026-11-24`` when they are about a day apart, else
    ``2026-11-24T08``; finer when the slot before or after would bear the same name. Also good for an instant that is
    no slot (an issue built by hand): it gets a name that no slot beside it has.
    """
    zone = ZoneInfo(timezone)
    local = slot_at.astimezone(zone)
    neighbours = [
        find_last_slot(schedule, timezone, slot_at),
        *next_slots(schedule, timezone, slot_at, 1),
    ]
    for form in _SLUG_FORMS[_get_coarsest_form(schedule, timezone) :]:
        if local.fold and "%H" in form:
            break  # the second 01:30 of a long night
        slug = local.strftime(form)
        # Without those, names do not go back in time: one that differs from both neighbours' differs from everybody's.
        if all(slot is None or slot.astimezone(zone).strftime(form) != slug for slot in neighbours):
            return slug
    return slot_at.astimezone(UTC).strftime("%Y-%m-%dT%H%M%SZ")


def plan_slots(
    slots: Sequence[datetime], *, schedule: str, timezone: str, last_window_end: datetime | None, now: datetime
) -> tuple[PlannedSlot, ...]:
    """Decide what becomes of ended slots that have no row yet: one row each, oldest first, at most one of them a draft.

    All but the newest are merged into it; its window starts where the last sent issue's ended (``last_window_end``;
    None: one slot earlier), so that nothing falls between two issues. A newest slot that ended more than six days ago
    is too late for everybody.
    """
    ended = sorted(slot for slot in set(slots) if slot <= now)
    if not ended:
        return ()
    newest = ended[-1]
    newest_slug = slot_slug(newest, schedule, timezone)
    planned: list[PlannedSlot] = []
    for slot_at in ended:
        start = find_last_slot(schedule, timezone, slot_at) or slot_at - timedelta(days=7)
        reason = ""
        if now - newest > MAX_SLOT_AGE:
            reason = f"too late: ended {(now - slot_at).days} days ago, at most {MAX_SLOT_AGE.days} are made up"
        elif slot_at != newest:
            reason = f"merged into {newest_slug}"
        elif last_window_end is not None and last_window_end >= slot_at:
            reason = "covered already: an issue sent by hand reaches beyond this slot"
        elif last_window_end is not None:
            start = last_window_end
        elif len(ended) > 1:
            start = find_last_slot(schedule, timezone, ended[0]) or start
        planned.append(
            PlannedSlot(
                slot_at=slot_at,
                slug=slot_slug(slot_at, schedule, timezone),
                window_start=start,
                window_end=slot_at,
                state="skipped" if reason else "draft",
                reason=reason,
            )
        )
    return tuple(planned)
