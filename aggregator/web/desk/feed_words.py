"""What is said of feeds and their fetches at the desk, and the figures of their strips. Never asks the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Literal

from aggregator.model.feed import FetchLogLine
from aggregator.model.feed_health import Glance
from aggregator.web.desk.words import N_, Said, say

#: What a fetch came to: entries came; a new document without any; not modified; it failed.
Outcome = Literal["new", "same", "still", "failed"]

#: What is the matter, as the chip of a feed and the filter of the list say it.
TROUBLES: Mapping[str, str] = {
    "any": N_("Needs a decision"),
    "broken": N_("Broken"),
    "moved": N_("Moved"),
    "quarantined": N_("In quarantine"),
    "gone": N_("Gone"),
    "held": N_("Entries held"),
    "silent": N_("Silent"),
    "shrinking": N_("Shrinking"),
    "failing": N_("Failed lately"),
}
ORIGINS: Mapping[str, str] = {
    "config": N_("Configuration"),
    "opml": N_("OPML list"),
    "added": N_("Added by hand"),
}
STATES: Mapping[str, str] = {"active": N_("Read"), "paused": N_("Paused")}
ORDERS: Mapping[str, str] = {
    "trouble": N_("Decisions first"),
    "name": N_("By name"),
    "newest": N_("Newest first"),
}
#: `model.feed.FAILURE_CLASSES` in a sentence; what exactly was seen stands beside it.
FAILURES: Mapping[str, str] = {
    "blocked": N_("Its address is not allowed: a private network, or an odd scheme or port."),
    "dns": N_("The name of its server is not known."),
    "connect": N_("Its server takes no connection."),
    "timeout": N_("Its server took too long."),
    "http": N_("Its server answered with an error."),
    "redirect": N_("It redirects in a circle, too often, or to where it may not."),
    "too_large": N_("Its document is too large."),
    "bad_encoding": N_("Its document is packed in a way that is broken or unknown."),
    "web_page": N_("There is a web page where the feed should be."),
    "no_items": N_("The rules for its page find nothing any more."),
    "not_a_feed": N_("What is there is no feed."),
    "not_xml": N_("Its document is broken beyond repair."),
    "too_hostile": N_("Its document asks for too much memory or time."),
    "quarantined": N_("Its document asks for too much, again and again."),
    "folder": N_("Its folder cannot be read."),
    "no_parser": N_("No process could be started to read it."),
    "not_saved": N_("What it brought could not be saved: our fault, not the feed's."),
}
#: Of a subscription at a hub.
HUBS: Mapping[str, str] = {
    "asked": N_("Asked for; the hub has not confirmed it yet."),
    "live": N_("Live: the hub tells us of news."),
    "refused": N_("The hub refused it."),
    "distrusted": N_("Not trusted any more: it kept silent about new entries."),
}

#: Of a strip: width of a bar with its gap, where the line lies, height of everything.
STEP, BASE, HEIGHT = 7, 20, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """The last fetches of a feed, oldest first: what came rises from a line, what failed hangs below it."""

    #: By outcome, all bars of it as one SVG path.
    paths: Mapping[Outcome, str]
    width: int
    #: For those who do not see it.
    said: Said


def _find_outcome(fetch: Glance | FetchLogLine) -> Outcome:
    """What a fetch came to."""
    if fetch.failure_class:
        return "failed"
    if fetch.new:
        return "new"
    return "still" if fetch.not_modified else "same"


def make_strip(fetches: Sequence[Glance | FetchLogLine], places: int = 20) -> Strip:
    """Of fetches given newest first; the newest stands at the right end of ``places``."""
    shown = [(_find_outcome(fetch), fetch.new) for fetch in fetches[:places]]
    paths: dict[Outcome, str] = {}
    for place, (outcome, new) in enumerate(shown):
        paths[outcome] = paths.get(outcome, "") + _draw_bar(STEP * (places - 1 - place), outcome, new)
    return Strip(paths=paths, width=STEP * places - 2, said=_say_strip([outcome for outcome, _ in shown]))


def _draw_bar(x: int, outcome: Outcome, new: int) -> str:
    """From the line down, or up to it."""
    if outcome == "failed":
        return f"M{x} {BASE + 1}h5v{HEIGHT - BASE - 1}h-5z"
    height = {"still": 2.0, "same": 5.0}.get(outcome) or min(6 + 2.5 * log2(new), BASE)
    return f"M{x} {BASE}h5v{-height:.1f}h-5z"


def _say_strip(outcomes: Sequence[Outcome]) -> Said:
    if not outcomes:
        return say(N_("Not fetched yet"))
    counts = Counter(outcomes)
    values = {"new": counts["new"], "same": counts["same"] + counts["still"], "failed": counts["failed"]}
    if outcomes[0] == "failed":
        return say(
            N_("Last fetches: %(new)s with news, %(same)s without, %(failed)s failed; the very last one failed"),
            **values,
        )
    return say(N_("Last fetches: %(new)s with news, %(same)s without, %(failed)s failed"), **values)
