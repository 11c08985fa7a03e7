"""Excerpts to be read by eye: entries of recorded feeds drawn by lot, each from another feed while there are any left.

    python bench/excerpts.py [--seed 1] [--count 100] [--corpus FOLDER]

Prints language, columns, reading time, feed, title and excerpt of each, as the product would store them. A bad one
holds boilerplate, markup, a cut word, or nothing although there is prose.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from recorded import CORPUS, Recorded, iter_recorded

from aggregator.model.entry import CleanEntry
from aggregator.pipeline.excerpt import count_columns


def draw_entries(feeds: Sequence[Recorded], lot: random.Random) -> Iterator[tuple[Recorded, CleanEntry]]:
    """All entries in random order, one of each feed in turn; what several recordings of a feed hold comes once."""
    rows = [[(feed, entry) for entry in lot.sample(feed.entries, len(feed.entries))] for feed in feeds]
    lot.shuffle(rows)
    seen: set[tuple[str, str]] = set()
    for turn in zip_longest(*rows):
        for drawn in turn:
            if drawn is not None and (place := (drawn[1].title, drawn[1].excerpt)) not in seen:
                seen.add(place)
                yield drawn


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    given = parser.parse_args()
    drawn = draw_entries(list(iter_recorded(given.corpus)), random.Random(given.seed))
    for number, (feed, entry) in zip(range(1, given.count + 1), drawn, strict=False):
        print(f"{number:3} {entry.language} {count_columns(entry.excerpt)} {entry.reading_minutes} min  {feed.name}")
        print(f"    {entry.title}\n    {entry.excerpt or '(none)'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
