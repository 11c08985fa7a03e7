"""What many rounds say about a feed: it moves, is gone, is hostile, fell silent; or it is us. Never asks anybody.

Every verdict needs evidence that grew over time, and comes with words that the editor can check.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from urllib.parse import SplitResult, urldefrag, urlsplit

from aggregator.model.feed import FOLDER_SCHEME, PERMANENT_REDIRECTS, Feed, Hop, Move
from aggregator.model.feed_health import EMPTY, FAILED, GONE, HELD, MAX_STRIKES, RULES_FIND_NOTHING, SHRANK, SILENT
from aggregator.model.ids import FeedId
from aggregator.model.said import say_count
from aggregator.pipeline.urls import drop_query, is_web_url

#: A permanent redirect is believed when it was seen so often, over so long, and leads to a feed.
MOVE_SIGHTINGS = 5
MOVE_SPAN = timedelta(hours=48)
#: Two answers of 410 so far apart mean that a feed is gone.
GONE_SPAN = timedelta(hours=24)
#: So many feeds are asked at once after a restart, one of each host at most.
OVERDUE_AT_ONCE = 50
#: The rest comes over so much time for each feed that is overdue, up to a limit.
OVERDUE_STEP = timedelta(seconds=1)
OVERDUE_SPAN = timedelta(minutes=30)

_DAY = timedelta(days=1)
_STREAK = 10
#: Waits double with each failure: the last took as long as all before it, so this one means a week of failures.
_STREAK_WAIT = 3.5 * _DAY
_MANY_ENTRIES = 5
#: A document that once held so many, and now not a fifth of it and only a handful, has shrunk.
_LARGE_DOCUMENT = 20
_SMALL_DOCUMENT = 10
_SHRUNK_TO = 5
_SILENCE = 30 * _DAY
_SILENT_GAPS = 6
#: Fewer visits that brought something make no usual gap; then this one is assumed.
_MIN_ARRIVALS = 3
_UNKNOWN_GAP = 30 * _DAY
#: Failures that may be our own network's.
NETWORK_CLASSES = frozenset({"dns", "connect", "timeout"})
_MIN_HOSTS = 5
_OUTAGE_SHARE = 0.8


def follow_move(
    feed: Feed, hops: Sequence[Hop], *, now: datetime, readable: bool, same_content: bool
) -> tuple[Move | None, str]:
    """Return what is to be remembered of a redirect, and the address to adopt, empty for none.

    ``readable``: the answer is a feed (a 304 at the end of the redirects counts). ``same_content``: it is the one that
    we know. A chain counts when each hop is 301 or 308 and none leads from https to http; another target begins anew.
    A fetch that failed before any redirect says nothing. The move is kept when it is adopted, in case the new address
    is taken: the first answer without a redirect clears it.
    """
    if feed.spec.url.startswith(FOLDER_SCHEME):
        return None, ""
    if not hops:
        return (None, "") if readable else (feed.move, "")
    target = _find_target(feed.spec.url, hops)
    if not target:
        return None, ""
    move = feed.move
    if move is not None and move.url == target and move.times:
        move = replace(move, times=move.times + 1)
    else:
        move = Move(url=target, first_seen_at=now, times=1)
    is_proven = readable and move.times >= MOVE_SIGHTINGS and now - move.first_seen_at >= MOVE_SPAN
    is_upgrade = same_content and _is_upgrade(feed.spec.url, target)
    return move, target if is_proven or is_upgrade else ""


def _find_target(url: str, hops: Sequence[Hop]) -> str:
    """Where a permanent chain leads; empty when it is none, is unsafe, or leads back."""
    stations = [url, *(hop.url for hop in hops)]
    target = urldefrag(stations[-1]).url
    if any(hop.status not in PERMANENT_REDIRECTS for hop in hops) or not all(map(is_web_url, stations[1:])):
        return ""
    if any(_is_https(one) and not _is_https(other) for one, other in pairwise(stations)):
        return ""
    return target if target != url else ""


def _is_https(url: str) -> bool:
    return url[:6].lower() == "https:"


def _is_upgrade(url: str, target: str) -> bool:
    """The same host, path and query, but https."""
    old, new = urlsplit(url), urlsplit(target)
    return (old.scheme, new.scheme) == ("http", "https") and _get_place(old, 80) == _get_place(new, 443)


def _get_place(parts: SplitResult, default_port: int) -> tuple[str, int | None, str, str]:
    port = None if parts.port in (None, default_port) else parts.port
    return parts.hostname or "", port, parts.path or "/", parts.query


def find_gone(feed: Feed, status: int | None, *, now: datetime) -> tuple[datetime | None, str]:
    """Return since when the feed is said to be gone (410), and why to pause it, empty for no reason.

    ``status``: of this answer, None when there was none. No answer, a server in trouble and "too many requests" say
    nothing about it; every other answer, 404 too, ends the row.
    """
    if status == 410:
        since = feed.gone_since or now
        return since, f"{GONE} {since:%Y-%m-%d}" if now - since >= GONE_SPAN else ""
    says_nothing = status is None or status == 429 or status >= 500
    return (feed.gone_since if says_nothing else None), ""


def count_strikes(feed: Feed, failure_class: str) -> tuple[int, bool]:
    """Return how many documents in a row were too hostile, and whether that is enough for quarantine.

    A document that could be read (no ``failure_class``) ends the row; other failures say nothing about it.
    """
    strikes = feed.strikes
    if failure_class in ("too_hostile", "quarantined"):
        strikes += 1
    elif not failure_class:
        strikes = 0
    return strikes, strikes >= MAX_STRIKES


def find_alarm(
    feed: Feed,
    *,
    now: datetime,
    document_entries: int | None,
    failures: int,
    failure_class: str,
    page: bool,
    held: int = 0,
) -> str:
    """Return what the editor should know about the feed, in words, the most important only; empty when all is well.

    ``feed``: as stored, but with the ``move``, ``gone_since`` and ``strikes`` that this fetch led to. ``failures``:
    in a row, this one included. ``document_entries``: of the document that was read; None for none (304, failure).
    ``page``: entries are found on a page by the editor's rules. ``held``: new entries that wait for review.
    """
    count = feed.document_entries if document_entries is None else document_entries
    return (
        find_elsewhere(feed)
        or _find_failing(feed, now, failures, failure_class)
        or (say_held(held) if held else "")
        or _find_shrunk(count, feed.largest_document, page=page)
        or _find_silent(feed, now)
        or _find_leaving(feed)
    )


def find_elsewhere(feed: Feed) -> str:
    """Return the alarm of a feed whose move no redirect showed, only its site's own pages; empty for any other."""
    move = feed.move
    return f"not found; its site now names a feed at {_say_address(move.url)}" if move and not move.times else ""


def say_held(count: int) -> str:
    """Return the alarm of a feed of which so many entries are held."""
    said = "matches nothing that it said before and is" if count == 1 else "match nothing that it said before and are"
    return f"{say_count(count, 'new entry', 'new entries')} {said} {HELD}: `feeds release` admits them"


def _find_failing(feed: Feed, now: datetime, failures: int, failure_class: str) -> str:
    if feed.strikes >= MAX_STRIKES:
        return f"in quarantine: too hostile {feed.strikes} times in a row"
    if failures >= _STREAK:
        return f"{FAILED} {failures} times in a row"
    if failures > 1 and feed.last_fetched_at and now - feed.last_fetched_at >= _STREAK_WAIT:
        return f"{FAILED} for about a week or longer"
    return RULES_FIND_NOTHING if failure_class == "no_items" else ""


def _find_shrunk(count: int, largest: int, *, page: bool) -> str:
    if count == 0 and page and largest:
        return RULES_FIND_NOTHING
    if count == 0 and largest >= _MANY_ENTRIES:
        return f"{EMPTY}, once {largest}"
    if largest >= _LARGE_DOCUMENT and count < _SMALL_DOCUMENT and count * _SHRUNK_TO < largest:
        return f"{SHRANK} {say_count(count, 'entry', 'entries')}, once {largest}"
    return ""


def _find_silent(feed: Feed, now: datetime) -> str:
    """Arrivals of one visit count once: who publishes a volume each quarter is not silent after a month."""
    since = feed.first_imported_at
    if since is None:
        return ""
    visits = sorted({arrival for arrival in feed.arrivals if arrival <= now})
    gap = (visits[-1] - visits[0]) / (len(visits) - 1) if len(visits) >= _MIN_ARRIVALS else _UNKNOWN_GAP
    limit = max(_SILENCE, _SILENT_GAPS * gap)
    silence = now - max([*visits, since])
    if silence < limit:
        return ""
    return f"{SILENT} {silence.days} days" + (f", usually {_say_days(gap)}" if len(visits) >= _MIN_ARRIVALS else "")


def _say_days(gap: timedelta) -> str:
    return "less than a day" if gap < _DAY else f"about {round(gap / _DAY)} days"


def _find_leaving(feed: Feed) -> str:
    if feed.gone_since:
        return f"says that it is gone (410) since {feed.gone_since:%Y-%m-%d}: paused if it does so a day later"
    move = feed.move
    if move is None or move.url == feed.spec.url:
        return ""
    return f"moved permanently to {_say_address(move.url)}, seen {say_count(move.times, 'time')}"


def _say_address(url: str) -> str:
    """Without its query, which may hold the editor's own token: pages and logs show alarms."""
    shown = drop_query(url)
    return f"{shown}?..." if "?" in url else shown


def is_local_outage(outcomes: Sequence[tuple[str, str]]) -> bool:
    """Tell whether it is our own network that is down: of at least five hosts four fifths did not answer at all.

    ``outcomes``: host key and failure class (empty: answered) of the round so far, without feeds that failed before:
    they would fail anyway. A host that answered once is up; other failures are answers, too.
    """
    answered: defaultdict[str, bool] = defaultdict(bool)
    for host_key, failure_class in outcomes:
        if host_key:
            answered[host_key] |= failure_class not in NETWORK_CLASSES
    silent = sum(not has_answered for has_answered in answered.values())
    return len(answered) >= _MIN_HOSTS and silent >= _OUTAGE_SHARE * len(answered)


def spread_overdue(feeds: Sequence[tuple[FeedId, str]], *, now: datetime, rng_key: str) -> dict[FeedId, datetime]:
    """Return when each of the overdue ``feeds`` (id and host key) is asked after a restart: no burst, for nobody.

    Fifty at once, each of another host; the rest over a second for each feed, at most half an hour. The feeds of one
    host lie as far apart as that allows. The same ``rng_key`` gives the same result, in whatever order feeds come.
    """
    hosts = {feed_id: host_key or f"feed {feed_id}" for feed_id, host_key in feeds}
    sizes = Counter(hosts.values())
    span = min(len(hosts) * OVERDUE_STEP, OVERDUE_SPAN)
    placed: Counter[str] = Counter()
    offsets: dict[FeedId, float] = {}
    for feed_id in sorted(hosts, key=lambda feed_id: (_draw(rng_key, f"feed {feed_id}"), feed_id)):
        host = hosts[feed_id]
        offsets[feed_id] = (placed[host] + _draw(rng_key, host)) / sizes[host]
        placed[host] += 1
    due: dict[FeedId, datetime] = {}
    first: set[str] = set()
    for feed_id in sorted(offsets, key=lambda feed_id: (offsets[feed_id], feed_id)):
        at_once = len(first) < OVERDUE_AT_ONCE and hosts[feed_id] not in first
        if at_once:
            first.add(hosts[feed_id])
        due[feed_id] = now if at_once else now + span * offsets[feed_id]
    return due


def _draw(rng_key: str, name: str) -> float:
    """A number in [0, 1) that looks like chance."""
    digest = blake2b(f"{rng_key}\n{name}".encode("utf-8", "replace"), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48
