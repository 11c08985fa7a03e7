"""How long grouping takes: a hundred thousand entries of thirty days at once, and one entry more.

    python bench/grouping.py [--entries 100000] [--days 30] [--recent 10000]

Titles are made up like real ones: events with names, numbers and words of the lexicon, each told by a few feeds in
English, French, Japanese or Chinese, between entries that nobody else tells; names and words are as uneven as in the
news. Prints seconds for one batch, milliseconds for one new entry among those of three days, the memory at its highest,
and whether entries that come one by one end in the same stories. Exit code 1: a goal was missed.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

from aggregator.config.events import load_lexicon
from aggregator.model.ids import EntryId, FeedId
from aggregator.model.lexicon import Lexicon
from aggregator.model.story import GroupCandidate
from aggregator.model.tag import TagEvidence
from aggregator.pipeline.group import StoryIndex, group_entries

BATCH_SECONDS = 60
ENTRY_MS = 5
START = datetime(2026, 11, 1, tzinfo=UTC)
LANGUAGES = ("en", "en", "en", "fr", "zh", "zh", "ja")
FEEDS = 2_000
_SYLLABLES = "ba co di fen gar hal in jo kel lum mor nit ot par qui ras sel tor ul ven wis xen yor zan".split()
_COMMON = ("openai", "google", "anthropic", "microsoft", "meta", "nvidia", "apple", "amazon", "xai", "deepseek")


class News:
    """Entries without end, oldest first."""

    def __init__(self, random: Random, lexicon: Lexicon, entries: int, days: float) -> None:
        self._random = random
        self._gap = timedelta(days=days) / entries
        self._words = [self._make_word() for _ in range(20_000)]
        self._names = [*_COMMON, *(self._make_word() + self._make_word() for _ in range(1_000))]
        self._concepts = [concept for concept in lexicon.concepts if concept.kind != "name"]

    def _make_word(self) -> str:
        return "".join(self._random.choice(_SYLLABLES) for _ in range(self._random.randint(2, 3)))

    def _pick(self, items: list[str]) -> str:
        """Half of the time as words are in the news, one over the rank; else any."""
        size = len(items)
        rank = int(size ** self._random.random()) - 1 if self._random.random() < 0.5 else self._random.randrange(size)
        return items[rank]

    def iter_entries(self) -> Iterator[GroupCandidate]:
        number, waiting = 0, list[tuple[datetime, str, str, tuple[str, ...]]]()
        now = START
        while True:
            if not waiting:
                waiting = sorted(self._tell_event(now))
            _, language, title, names = waiting.pop(0)
            number += 1
            now += self._gap
            yield self._make(number, language, title, names, now)

    def _make(self, number: int, language: str, title: str, names: tuple[str, ...], now: datetime) -> GroupCandidate:
        late = timedelta(hours=self._random.expovariate(0.2))
        return GroupCandidate(
            id=EntryId(number),
            story_id=None,
            feed_id=FeedId(self._random.randint(1, FEEDS)),
            feed_weight=1.0,
            canonical_url=f"https://example.org/{number}",
            title=title,
            language=language,
            effective_at=now + min(late, timedelta(days=2)),
            tags=tuple(TagEvidence(slug=n, kind="org", field="title", found=n, rule="alias") for n in names),
        )

    def _tell_event(self, now: datetime) -> Iterator[tuple[datetime, str, str, tuple[str, ...]]]:
        random = self._random
        names = tuple({self._pick(self._names) for _ in range(random.choice((0, 1, 1, 2, 2, 3)))})
        concepts = random.sample(self._concepts, random.randint(1, 3))
        figures = [f"{random.randint(2, 900)}" for _ in range(random.choice((0, 0, 1)))]
        own = [self._pick(self._words) for _ in range(3)]
        for _ in range(1 if random.random() < 0.7 else random.randint(2, 12)):
            language = random.choice(LANGUAGES)
            told = [random.choice(words) for c in concepts for of, words in c.words if of == language]
            free = [self._pick(self._words) for _ in range(random.randint(2, 7))]
            parts = [*names, *(word.strip("*") for word in told), *figures, *own[: random.randint(0, 3)], *free]
            random.shuffle(parts)
            yield now, language, ("" if language in ("ja", "zh") else " ").join(parts), names


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--recent", type=int, default=10_000, help="entries within the three days of a new one")
    options = parser.parse_args()
    lexicon = load_lexicon()
    one, median, worst, same = measure_entry(lexicon, options.recent)
    print(f"{one:.2f} ms per new entry among {options.recent} of three days (median {median:.2f}, worst {worst:.1f})")
    print(f"one by one or at once: {'the same stories' if same else 'OTHER STORIES'}")
    seconds, stories, largest = measure_batch(lexicon, options.entries, options.days)
    print(
        f"{seconds:.1f} s for {options.entries} entries of {options.days:g} days: {stories} stories, largest {largest}"
    )
    print(f"memory at its highest: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
    return int(seconds > BATCH_SECONDS or one > ENTRY_MS or not same)


def measure_batch(lexicon: Lexicon, entries: int, days: float) -> tuple[float, int, int]:
    """(seconds, stories, entries of the largest)."""
    news = list(islice(News(Random(7), lexicon, entries, days).iter_entries(), entries))
    started = time.process_time()
    stories = group_entries(news, (), lexicon)
    return time.process_time() - started, len(stories), max(len(story.entry_ids) for story in stories)


def measure_entry(lexicon: Lexicon, entries: int, more: int = 300) -> tuple[float, float, float, bool]:
    """(mean, median, worst milliseconds, whether the end is that of a batch)."""
    news = list(islice(News(Random(11), lexicon, entries, 3).iter_entries(), entries + more))
    index = StoryIndex((), lexicon)
    index.add(news[:entries])
    spent: list[float] = []
    for entry in news[entries:]:
        started = time.process_time()
        index.regroup(index.add([entry]))
        spent.append((time.process_time() - started) * 1000)
    same = index.regroup() == group_entries(news, (), lexicon)
    return sum(spent) / more, sorted(spent)[more // 2], max(spent), same


if __name__ == "__main__":
    sys.exit(main())
