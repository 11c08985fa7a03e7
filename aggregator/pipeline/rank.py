"""How much a story matters, and why. Never looks at a clock: a score is the same whenever it is reckoned.

Every point of a score has a name and a value, so that a page can say "3 sources, in 2 languages, official source".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import log2

from aggregator.model.entry import Entry
from aggregator.model.story import ScoreTerm, Story

#: What a day of age takes from a score in a list: news of the week outlives the day, a rumour does not.
POINTS_PER_DAY = 0.5
_DAY_SECONDS = 86_400

_MAX_MINUTES = 10


def score_story(entries: Sequence[Entry], interests: Mapping[str, float]) -> tuple[float, tuple[ScoreTerm, ...]]:
    """Return the importance of a story (lead first in ``entries``) and the reasons whose points add up to it.

    ``interests``: tag slug or feed URL -> points. Terms that add nothing are left out.
    """
    lead = entries[0]
    feeds = {entry.feed_url for entry in entries}
    languages = sorted({entry.language.partition("-")[0] for entry in entries} - {"und", ""})
    weight = max(entry.feed_weight for entry in entries)
    minutes = max(entry.reading_minutes for entry in entries)
    officials = sorted(
        {
            evidence.slug
            for entry in entries
            for evidence in entry.tags
            if _is_official(evidence.field) and evidence.kind == "org"
        }
    )
    terms = [
        ("sources", str(len(feeds)), 3 * log2(len(feeds))),
        ("languages", " ".join(languages), float(min(max(len(languages) - 1, 0), 3))),
        ("feed weight", f"{weight:g}", 2 * (weight - 1)),
        ("official source", " ".join(officials), 1.5 if officials else 0.0),
        ("length", f"{minutes} min", 0.15 * min(minutes, _MAX_MINUTES)),
        ("no text", lead.title, -1.5 if not any(entry.excerpt for entry in entries) else 0.0),
    ]
    cared_for = feeds | {evidence.slug for entry in entries for evidence in entry.tags}
    terms += [("interest", name, interests[name]) for name in sorted(cared_for & interests.keys())]
    reasons = tuple(
        ScoreTerm(name=name, value=value, points=round(points, 3)) for name, value, points in terms if round(points, 3)
    )
    return round(sum(term.points for term in reasons), 3), reasons


def _is_official(field: str) -> bool:
    """The feed itself bears the company's tag, or the entry lies on the company's own site."""
    return field in ("feed", "url")


def order_stories(stories: Sequence[Story], now: datetime) -> tuple[Story, ...]:
    """Return the stories by importance, mildly aged by the date of their earliest entry; ties: the newer, then the id.

    The order of two stories does not change as time goes by: both age alike, also one that is dated a little ahead.
    """

    def get_key(story: Story) -> tuple[float, float, int]:
        began_at = min(entry.effective_at for entry in story.entries)
        age_days = (now - began_at).total_seconds() / _DAY_SECONDS
        return (-round(story.score - POINTS_PER_DAY * age_days, 6), -began_at.timestamp(), story.id)

    return tuple(sorted(stories, key=get_key))
