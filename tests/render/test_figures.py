"""Shapes of small charts."""

from __future__ import annotations

from aggregator.render.figures import draw_stacks


def test_bars_stand_on_those_of_the_rows_before() -> None:
    assert draw_stacks([(1, 0, 3), (1, 0, 1)]) == (
        "M6 96.0h48V128.0h-48zM126 32.0h48V128.0h-48z",
        "M6 64.0h48V96.0h-48zM126 0.0h48V32.0h-48z",
    )
    assert draw_stacks([(0, 0)]) == ("",)
    assert draw_stacks([]) == ()
