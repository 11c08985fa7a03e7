"""How much a story matters, and why. Never looks at a clock: a score is the same whenever it is reckoned.

Every point of a score has a name and a value, so that a page can say "3 sources, in 2 languages, official source".
The terms, their bounds and why: docs/ranking.md. What holds for all of them: an entry more never lowers a story, and
no order of its entries changes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import log2

from aggregator.model.entry import Entry
from aggregator.model.interest import Interest
from aggregator.model.story import BURIED, PINNED, Ruling, ScoreTerm, Story, get_place
from aggregator.pipeline.rank.sources import count_sources
from aggregator.pipeline.rank.wishes import score_interests
from aggregator.pipeline.urls import FindDomain

__all__ = ["RULES", "count_sources", "get_rank", "order_stories", "score_story"]

#: Raise it when a score is reckoned otherwise than before: then all are reckoned anew once.
RULES = 2
#: What a day of age takes from a score in a list: news of the week outlives the day, a rumour does not.
POINTS_PER_DAY = 0.5
_DAY_SECONDS = 86_400

#: Points of n sources: this times log2(n). Twice as many are always worth the same.
PER_DOUBLING = 3.0
#: Three independent publishers are worth 4.75: talk about a story never outranks them.
MAX_DISCUSSION = 3.0
PER_DOUBLED_DISCUSSION = 0.3
MAX_LANGUAGES = 3
MAX_MINUTES = 10
#: More than all other terms together.
RULING_POINTS = 1000.0


def score_story(
    entries: Sequence[Entry],
    interests: Sequence[Interest] = (),
    rulings: Sequence[Ruling] = (),
    *,
    find_domain: FindDomain,
) -> tuple[float, tuple[ScoreTerm, ...]]:
    """Return the importance of a story and the reasons whose points add up to it; terms that add nothing are left out.

    ``rulings``: the editor's, oldest first; those about other entries are passed over.
    """
    terms = [*_iter_facts(entries, find_domain), *score_interests(entries, interests), *_iter_rulings(entries, rulings)]
    reasons = tuple(
        ScoreTerm(name=term.name, value=term.value, points=round(term.points, 3))
        for term in terms
        if round(term.points, 3)
    )
    return round(sum(term.points for term in reasons), 3), reasons


def _iter_facts(entries: Sequence[Entry], find_domain: FindDomain) -> Iterator[ScoreTerm]:
    """What the entries themselves say; each term takes the best of them."""
    sources = count_sources(entries, find_domain)
    yield ScoreTerm(name="sources", value=str(sources), points=PER_DOUBLING * log2(sources))
    languages = sorted({entry.language.partition("-")[0] for entry in entries} - {"und", ""})
    yield ScoreTerm(
        name="languages", value=" ".join(languages), points=float(min(max(len(languages) - 1, 0), MAX_LANGUAGES))
    )
    weight = max(entry.feed_weight * entry.weight for entry in entries)
    yield ScoreTerm(
        name="weight", value=f"{weight:g}", points=2 * log2(weight) if weight > 1 else 2 * (max(weight, 0.0) - 1)
    )
    officials = sorted({tag.slug for entry in entries for tag in entry.tags if tag.is_speaker})
    yield ScoreTerm(name="official source", value=" ".join(officials[:3]), points=1.5 if officials else 0.0)
    minutes = max(entry.reading_minutes for entry in entries)
    yield ScoreTerm(name="length", value=f"{minutes} min", points=0.15 * min(max(minutes, 0), MAX_MINUTES))
    if not any(entry.excerpt for entry in entries):
        yield ScoreTerm(name="no text", value="", points=-1.5)
    talk = max((entry.discussion for entry in entries if entry.discussion is not None), default=0)
    yield ScoreTerm(
        name="discussion",
        value=str(talk),
        points=min(MAX_DISCUSSION, PER_DOUBLED_DISCUSSION * log2(1 + max(talk, 0))),
    )


def _iter_rulings(entries: Sequence[Entry], rulings: Sequence[Ruling]) -> Iterator[ScoreTerm]:
    """The editor's last word about any of the entries."""
    ids = {entry.id for entry in entries}
    words = [ruling.kind for ruling in rulings if ruling.kind in ("pin", "bury") and ruling.entry_id in ids]
    if words and words[-1] == "pin":
        yield ScoreTerm(name=PINNED, value="by the editor", points=RULING_POINTS)
    elif words:
        yield ScoreTerm(name=BURIED, value="by the editor", points=-RULING_POINTS)


def get_rank(score: float, entries: Sequence[Entry]) -> float:
    """What orders stories whenever they are looked at, as `order_stories` does: the later one began, the higher."""
    return score + POINTS_PER_DAY * min(entry.effective_at for entry in entries).timestamp() / _DAY_SECONDS


def order_stories(stories: Sequence[Story], now: datetime) -> tuple[Story, ...]:
    """Return the stories by importance, mildly aged by the date of their earliest entry; ties: the newer, then the id.

    What the editor pinned comes first, what the editor buried last, whatever their age. The order of two stories does
    not change as time goes by: both age alike, also one that is dated a little ahead.
    """

    def get_key(story: Story) -> tuple[int, float, float, int]:
        began_at = min(entry.effective_at for entry in story.entries)
        age_days = (now - began_at).total_seconds() / _DAY_SECONDS
        aged = round(story.score - POINTS_PER_DAY * age_days, 6)
        return (-get_place(story), -aged, -began_at.timestamp(), story.id)

    return tuple(sorted(stories, key=get_key))
