"""When a feed is asked again, and why then. Never looks at a clock, never throws dice: both are given to it.

Rule, the same after 200, 304 and errors: the longest of what its rhythm (or the editor) and its hints ask for, within
the limits of the configuration, a little later by chance, and not in hours that the feed wants to be left alone.

Rhythm. Half the mean gap between entries: then a new one waits a quarter of a gap on average, and a request brings
news every other time. The gap counts up to now, so that it grows while nothing comes, and a feed that has been silent
is asked after a 24th of its silence: news after a quiet day are an hour late at most, a feed that is quiet for a month
is asked once a day. That also covers a feed of which nothing is known yet: often on its first day, then less and less.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from aggregator.model.feed import CheckHints
from aggregator.model.said import say_count, say_wait

#: Neither failures nor a server's Retry-After make a wait longer.
MAX_BACKOFF = timedelta(days=7)
#: Chance makes a wait up to this much longer, never shorter: nobody is asked before the time that they named.
SPREAD = 0.1
#: How often a feed is asked whose hub tells us of its news: often enough to notice a hub that keeps silent.
PUSHED_WAIT = timedelta(days=1)
#: How often a feed is asked whose documents were too hostile several times in a row.
QUARANTINE_WAIT = timedelta(days=7)

_DAY = timedelta(days=1)
_ZERO = timedelta(0)
#: Fewer arrivals make no rhythm.
_MIN_ARRIVALS = 3
_SILENCE_PARTS = 24
#: Beyond a year it is no hint any more, and would not fit into a timedelta.
_MAX_MINUTES = 527_040

#: A wait and who asks for it.
_Term = tuple[timedelta, str]


def next_check(
    *,
    now: datetime,
    interval: timedelta | None,
    arrivals: Sequence[datetime],
    hints: CheckHints,
    fresh_for: timedelta | None,
    failures: int,
    retry_after: timedelta | None,
    pushed: bool,
    min_interval: timedelta,
    max_interval: timedelta,
    jitter: float,
    known_since: datetime | None = None,
    quarantined: bool = False,
) -> tuple[datetime, str]:
    """Return the instant of the next check, and its reason in plain words, naming what asked for the longest wait.

    ``arrivals``: when entries came in lately, those of the first import left out; ``known_since``: when that was.
    ``interval``: what the editor set for this feed, in place of its rhythm. ``hints``, ``fresh_for`` (Cache-Control,
    Expires) and ``retry_after`` are what document and server asked for. ``pushed``: a hub tells us of its news.
    ``failures`` counts those in a row, this one included: the wait doubles from one interval up to seven days.
    ``jitter`` in [0, 1) spreads the feeds. Without failures and Retry-After the result is at most
    ``max_interval * (1 + SPREAD)`` ahead, and where the feed's skipHours or skipDays push it on ``max_interval`` more.
    """
    base = _get_set(interval) if interval else _get_rhythm(now, arrivals, known_since)
    wait, reason = _limit(base, min_interval, max_interval)
    for term in _iter_hints(hints, fresh_for, pushed):
        if term[0] > wait:
            wait, reason = _limit(term, min_interval, max_interval)
    due_at = now + wait * (1 + SPREAD * jitter)
    for term in _iter_delays(wait, failures, retry_after, quarantined):
        if term[0] > wait or (term[0] == wait and failures > 0):
            wait, reason = _limit(term, _ZERO, max(wait, MAX_BACKOFF))
            due_at = max(due_at, now + min(wait * (1 + SPREAD * jitter), MAX_BACKOFF))
    free_at = _skip(due_at, hints, due_at + min(max_interval, max(now + MAX_BACKOFF - due_at, _ZERO)))
    if free_at > due_at:
        return free_at, "feed skips these days (skipDays)" if _skips_day(due_at, hints) else _SKIPS_HOURS
    return due_at, reason


_SKIPS_HOURS = "feed skips these hours (skipHours)"


def _get_set(interval: timedelta) -> _Term:
    return max(interval, _ZERO), f"every {say_wait(interval)}, as set for this feed"


def _get_rhythm(now: datetime, arrivals: Sequence[datetime], known_since: datetime | None) -> _Term:
    """What the module says about rhythm. Arrivals ahead of ``now`` (a clock was put back) count as of now."""
    past = sorted(min(arrival, now) for arrival in arrivals)
    last = past[-1] if past else known_since
    silence = max(now - last, _ZERO) if last else _ZERO
    wait, reason = silence / _SILENCE_PARTS, f"nothing new for {say_wait(silence)}"
    if len(past) >= _MIN_ARRIVALS:
        gap = (now - past[0]) / len(past)
        if gap / 2 >= wait:
            wait, reason = gap / 2, _say_rate(gap)
    elif not silence:
        reason = "its rhythm is not known yet"
    return wait, reason


def _say_rate(gap: timedelta) -> str:
    """The mean gap between entries, as so many entries in a span that has at least one."""
    for span, name in ((_DAY, "day"), (7 * _DAY, "week"), (30 * _DAY, "month"), (365 * _DAY, "year")):
        # A gap of nothing: all came in this very round.
        count = round(span / max(gap, timedelta(minutes=1)))
        if count >= 1:
            return f"about {say_count(count, 'entry', 'entries')} a {name}"
    return "less than an entry a year"


def _iter_hints(hints: CheckHints, fresh_for: timedelta | None, pushed: bool) -> list[_Term]:
    terms = [(fresh_for, "server asks for {} (Cache-Control)")] if fresh_for else []
    for minutes, where in ((hints.ttl_minutes, "ttl"), (hints.update_minutes, "sy:updatePeriod")):
        if minutes is not None and minutes > 0:
            terms.append((timedelta(minutes=min(minutes, _MAX_MINUTES)), f"feed asks for {{}} ({where})"))
    found = [(wait, words.format(say_wait(wait))) for wait, words in terms]
    return [*found, (PUSHED_WAIT, "pushed by its hub: asked once a day")] if pushed else found


def _iter_delays(wait: timedelta, failures: int, retry_after: timedelta | None, quarantined: bool) -> list[_Term]:
    """What may go beyond the longest interval of the configuration."""
    terms: list[_Term] = []
    if failures > 0:
        # 2**20 intervals are past the limit already; more would overflow a timedelta.
        doubled = min(wait * 2 ** min(failures - 1, 20), max(wait, MAX_BACKOFF))
        terms.append((doubled, f"{_say_ordinal(failures)} failure in a row"))
    if retry_after is not None:
        terms.append((retry_after, f"server asks for {say_wait(retry_after)} (Retry-After)"))
    if quarantined:
        terms.append((QUARANTINE_WAIT, "in quarantine, too hostile three times: asked once a week"))
    return sorted(terms, key=lambda term: term[0])


_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def _say_ordinal(number: int) -> str:
    if number < len(_ORDINALS):
        return _ORDINALS[number]
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _limit(term: _Term, least: timedelta, most: timedelta) -> _Term:
    """The wait within limits, which are named when they change it."""
    wait, reason = term
    if wait > most:
        return most, f"{reason}, at most {say_wait(most)}"
    if wait < least:
        return least, f"{reason}, at least {say_wait(least)}"
    return term


def _skip(due_at: datetime, hints: CheckHints, latest: datetime) -> datetime:
    """The first instant from ``due_at`` on that lies in no hour and no day to be skipped (UTC), at most ``latest``."""
    hours, moment = _get_hours(hints), due_at
    while moment < latest:
        if _skips_day(moment, hints):
            moment = moment.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
        elif moment.hour in hours:
            moment = moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        else:
            return moment
    return latest


def _get_hours(hints: CheckHints) -> frozenset[int]:
    """A feed that skips all hours does not mean it."""
    hours = frozenset(hints.skip_hours) & frozenset(range(24))
    return hours if len(hours) < 24 else frozenset()


def _skips_day(moment: datetime, hints: CheckHints) -> bool:
    days = frozenset(hints.skip_days) & frozenset(range(7))
    return len(days) < 7 and moment.weekday() in days
