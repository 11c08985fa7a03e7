"""Where an entry stands in the river."""

from datetime import UTC, datetime, timedelta, timezone
from time import struct_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.pipeline.dates import effective_at, from_utc_fields, to_utc

SEEN = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize("hours", [0, -1, -24, -24 * 30, 1, 24])
def test_a_claim_near_the_first_sight_counts(hours: int) -> None:
    claimed = SEEN + timedelta(hours=hours)

    assert effective_at(claimed, first_seen_at=SEEN, first_import=False) == claimed


@pytest.mark.parametrize("hours", [-24 * 30 - 1, -24 * 3650, 25, 24 * 3650])
def test_a_claim_far_from_the_first_sight_does_not(hours: int) -> None:
    assert effective_at(SEEN + timedelta(hours=hours), first_seen_at=SEEN, first_import=False) == SEEN


def test_on_the_first_import_any_past_date_counts() -> None:
    claimed = datetime(1999, 5, 1, tzinfo=UTC)

    assert effective_at(claimed, first_seen_at=SEEN, first_import=True) == claimed


@pytest.mark.parametrize(
    "claimed", [None, datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)]
)
def test_no_date_an_impossible_and_a_future_one_are_the_first_sight(claimed: datetime | None) -> None:
    assert effective_at(claimed, first_seen_at=SEEN, first_import=True) == SEEN


def test_the_ends_of_time_never_overflow() -> None:
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    last = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12)))

    assert to_utc(first) is None and to_utc(last) is None
    assert effective_at(first, first_seen_at=SEEN, first_import=True) == SEEN
    assert effective_at(last, first_seen_at=SEEN, first_import=False) == SEEN


@given(st.datetimes(timezones=st.timezones()), st.booleans())
def test_the_effective_date_is_never_far_ahead_and_always_utc(claimed: datetime, first_import: bool) -> None:
    effective = effective_at(claimed, first_seen_at=SEEN, first_import=first_import)

    assert effective <= SEEN + timedelta(hours=24)
    assert effective.utcoffset() == timedelta(0)


def test_fields_of_a_struct_time_become_an_instant() -> None:
    assert from_utc_fields(struct_time((2026, 11, 24, 3, 0, 0, 1, 328, 0))) == datetime(2026, 11, 24, 3, tzinfo=UTC)
    assert from_utc_fields((2016, 12, 31, 23, 59, 60)) == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("fields", [(0, 1, 1, 0, 0, 0), (10000, 1, 1, 0, 0, 0), (2026, 2, 30, 0, 0, 0), (2026,), ()])
def test_fields_that_are_no_instant_are_none(fields: tuple[int, ...]) -> None:
    assert from_utc_fields(fields) is None
