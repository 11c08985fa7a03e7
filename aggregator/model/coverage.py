"""What each entry of a story adds to it. Never holds a word that its publisher did not write."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.model.entry import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotation:
    """A sentence of one entry, as it stands there."""

    text: str
    #: Where names and numbers stand in it that nothing before it told: (start, end), in order, apart from each other.
    news: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One entry of a story and its part in it."""

    entry: Entry
    #: At most two, in the order of the text; none for the lead, whose beginning is told anyway.
    quotations: tuple[Quotation, ...] = ()
    #: The earliest of a story that several tell.
    is_first: bool = False
    is_lead: bool = False
    #: Slugs of the companies that speak themselves here.
    speakers: tuple[str, ...] = ()
