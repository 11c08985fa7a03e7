"""Small charts without pictures: path data for inline SVG, widths for table cells. Never more than shapes."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.model.tag import TagActivity

#: Of one bar of a spark line, in the units of its view box.
BAR_WIDTH, BAR_GAP, HEIGHT = 3, 1, 16
#: Of one bar of a chart of days.
STACK_WIDTH, STACK_GAP, STACK_HEIGHT = 48, 12, 128


def draw_bars(counts: Sequence[int]) -> str:
    """SVG path data for one bar a value, in a view box of ``4n - 1`` by 16; a value of 0 leaves its place empty."""
    highest = max(counts, default=0) or 1
    parts = []
    for index, count in enumerate(counts):
        tall = max(1, round(HEIGHT * count / highest)) if count > 0 else 0
        left = index * (BAR_WIDTH + BAR_GAP)
        if tall:
            parts.append(f"M{left} {HEIGHT - tall}h{BAR_WIDTH}v{tall}h-{BAR_WIDTH}z")
    return "".join(parts)


def draw_stacks(rows: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """SVG path data for each row: one bar a value, on top of the row before; in a view box of ``60n`` by 128."""
    columns = tuple(zip(*rows, strict=True))
    unit = STACK_HEIGHT / (max(map(sum, columns), default=0) or 1)
    floors = [0] * len(columns)
    paths = []
    for row in rows:
        parts = []
        for index, count in enumerate(row):
            low, floors[index] = floors[index], floors[index] + count
            left = index * (STACK_WIDTH + STACK_GAP) + STACK_GAP // 2
            top, bottom = (round(STACK_HEIGHT - unit * stands, 1) for stands in (floors[index], low))
            parts.append(f"M{left} {top}h{STACK_WIDTH}V{bottom}h-{STACK_WIDTH}z" if count else "")
        paths.append("".join(parts))
    return tuple(paths)


def get_shares(activities: Sequence[TagActivity]) -> tuple[tuple[TagActivity, int], ...]:
    """Each activity with its total in percent of the largest, at least 2, for bars in table cells."""
    highest = max((activity.total for activity in activities), default=0) or 1
    return tuple((activity, max(2, round(100 * activity.total / highest))) for activity in activities)
