"""Where a feed may be: guesses from an address and from a web page, best first. Never asks whether one is there.

Three sources, in the order in which they are worth a request: `guess_by_service` knows how well-known services name
their feeds; `find_candidates` reads what a page says; `guess_well_known` knows the usual names.
"""

from __future__ import annotations

from aggregator.pipeline.discover.candidates import (
    Candidate,
    Kind,
    find_kind,
    find_site,
    guess_well_known,
)
from aggregator.pipeline.discover.page import MAX_PAGE_BYTES, find_candidates
from aggregator.pipeline.discover.platforms import guess_by_service

__all__ = [
    "MAX_PAGE_BYTES",
    "Candidate",
    "Kind",
    "find_candidates",
    "find_kind",
    "find_site",
    "guess_by_service",
    "guess_well_known",
]
