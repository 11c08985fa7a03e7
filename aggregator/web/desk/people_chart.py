"""Numbers of subscribers over time as shapes for SVG, in units of the drawing. Never draws by itself: templates do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aggregator.storage.people_pages import PeopleSum

WIDTH, HEIGHT = 440, 130
#: Left of it stand numbers; above and below the line is some air.
LEFT, AIR = 44, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Seven days: a place on the line, a bar up, a bar down."""

    begin: datetime
    began: int
    ended: int
    #: Subscribers at its end.
    total: int
    x: float
    wide: float
    total_y: float
    began_y: float
    began_tall: float
    ended_tall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Two drawings of `WIDTH` x `HEIGHT`."""

    weeks: tuple[Week, ...]
    #: ``points`` of the line.
    line: str
    least: int
    most: int
    #: Where the bars stand.
    floor: float
    #: Of the drawing.
    wide: int = WIDTH
    tall: int = HEIGHT
    left: int = LEFT


def draw(found: PeopleSum) -> Chart:
    """Of the weeks that were counted."""
    totals, total = [], found.before
    for _, began, ended in found.weeks:
        total += began - ended
        totals.append(total)
    least, most = min(totals, default=0), max(totals, default=0)
    highest_up = max((began for _, began, _ in found.weeks), default=0)
    highest_down = max((ended for _, _, ended in found.weeks), default=0)
    usable = HEIGHT - 2 * AIR
    scale = usable / max(highest_up + highest_down, 1)
    floor = AIR + highest_up * scale
    step = (WIDTH - LEFT) / max(len(found.weeks), 1)
    weeks = tuple(
        Week(
            begin=begin,
            began=began,
            ended=ended,
            total=totals[place],
            x=round(LEFT + place * step + step * 0.15, 1),
            wide=round(step * 0.7, 1),
            total_y=round(HEIGHT - AIR - usable * (totals[place] - least) / max(most - least, 1), 1),
            began_y=round(floor - began * scale, 1),
            began_tall=round(began * scale, 1),
            ended_tall=round(ended * scale, 1),
        )
        for place, (begin, began, ended) in enumerate(found.weeks)
    )
    line = " ".join(f"{week.x + week.wide / 2:.1f},{week.total_y}" for week in weeks)
    return Chart(
        weeks=weeks,
        line=line,
        least=least,
        most=most,
        floor=round(floor, 1),
    )
