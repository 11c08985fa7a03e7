"""Whose clock ticks, and what comes before the first tick."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.cli.lease import LeaseKeeper
from aggregator.errors import StorageError
from tests.fixtures.program import Program


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_what_comes_before_the_first_tick_is_tried_until_it_is_done(program: Program) -> None:
    """And is told each time that nobody led before; the lease is renewed meanwhile."""
    program.configure()
    told: list[bool] = []

    def take_over(after_long: bool) -> None:
        told.append(after_long)
        if len(told) < 3:
            raise StorageError("away")

    with program.app() as app:
        first, second = (LeaseKeeper(app, threading.Event(), on_leading=take_over) for _ in range(2))
        assert first.wait()
        assert not first.may_tick()
        first.renew()
        for _ in range(2):
            with pytest.raises(StorageError):
                first.may_tick()
            first.renew()
        assert (first.may_tick(), first.may_tick()) == (True, True)
        second.renew()
        assert not second.may_tick()
        first.release()
        second.renew()
        assert second.may_tick()

    assert told == [True, True, True, False]


def test_one_that_was_stopped_for_long_finds_out_before_it_ticks(program: Program) -> None:
    """It has not renewed since, and its own memory says that it leads."""
    program.configure()
    with program.app() as app:
        an_hour_later = replace(app, now=lambda: datetime.now(UTC) + timedelta(hours=1))
        late, other = (LeaseKeeper(one, threading.Event(), on_leading=lambda _: None) for one in (app, an_hour_later))
        late.renew()
        assert late.may_tick()
        other.renew()

        assert other.may_tick()
        assert not late.may_tick()
