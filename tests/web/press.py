"""News as it goes: four feeds that report, copy, correct and withdraw, and an editor. Never asserts anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from random import Random
from xml.sax.saxutils import escape

from aggregator.app import App
from aggregator.storage import feeds, stories
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.refresh import refresh_feeds
from aggregator.tasks.rulings import choose_lead, merge_stories
from tests.tasks.world import HOUR, World, give

MINUTE = timedelta(minutes=1)

FEEDS = tuple(f"https://{name}.example.org/feed" for name in "abcd")
_SYLLABLES = "ka ro mi ten dul vex or lin sha pel gu nor bri zan tho wex fi jal".split()


@dataclass
class Item:
    """What a feed says of one thing."""

    guid: str
    link: str
    title: str
    text: str
    at: datetime


@dataclass
class Press:
    """The feeds, as they stand now."""

    app: App
    world: World
    random: Random = field(default_factory=lambda: Random(7))
    items: dict[str, list[Item]] = field(default_factory=lambda: {feed: [] for feed in FEEDS})
    made: int = 0

    def begin(self) -> None:
        """One item each, so that what follows is no first import."""
        for feed in FEEDS:
            self._report(feed, self._find_headline())
        self.publish()

    def pass_hours(self, hours: int) -> None:
        """News, copies, corrections, a republication under another id, and an editor now and then."""
        self.world.now += hours * HOUR
        for feed in FEEDS:
            for _ in range(self.random.randint(0, 2)):
                self._report(feed, self._find_headline())
            for item in self.items[feed][:6]:
                if self.random.random() < 0.15:
                    item.text += " It was corrected since."
                if self.random.random() < 0.05:
                    item.title += ", it says"
                if self.random.random() < 0.02:
                    item.guid += "-again"
            if self.random.random() < 0.1 and len(self.items[feed]) > 3:
                self.items[feed].pop(1)
        self.publish()
        if self.random.random() < 0.5:
            self.edit()

    def publish(self) -> None:
        """Let the feeds be read, tagged and grouped."""
        for feed in FEEDS:
            self.world.answers[feed] = give(self._write(feed))
        with self.app.db.read() as conn:
            numbers = [feed.id for feed in feeds.list_feeds(conn)]
        refresh_feeds(self.app, numbers)
        regroup_stories(self.app)
        self.world.now += MINUTE  # what came at this very instant is shown from the next one on

    def edit(self) -> None:
        """Two of the newest stories are one, or another entry leads one."""
        with self.app.db.read() as conn:
            newest = stories.list_stories(conn, StoryQuery(limit=8, combined_only=True))
        one, two = self.random.sample(newest, 2)
        if self.random.random() < 0.5:
            merge_stories(self.app, [one.id, two.id])
        elif one.others:
            choose_lead(self.app, one.id, one.others[-1].id)

    def _find_headline(self) -> str:
        """A new event, or one that somebody has told already."""
        told = [item.title for items in self.items.values() for item in items[:4]]
        if told and self.random.random() < 0.4:
            return self.random.choice(told)
        return " ".join(self._find_name() for _ in range(5))

    def _find_name(self) -> str:
        """Of nobody, so that different events have nothing in common."""
        return "".join(self.random.sample(_SYLLABLES, 3)).capitalize()

    def _report(self, feed: str, title: str) -> None:
        self.made += 1
        link = f"https://{feed[8]}.example.org/posts/{self.made}"
        item = Item(guid=f"{feed[8]}:{self.made}", link=link, title=title, text=f"{title}.", at=self.world.now)
        self.items[feed].insert(0, item)

    def _write(self, feed: str) -> bytes:
        items = "".join(
            f"<item><guid isPermaLink='false'>{item.guid}</guid><link>{item.link}</link>"
            f"<title>{escape(item.title)}</title><pubDate>{format_datetime(item.at)}</pubDate>"
            f"<description>{escape(item.text)}</description></item>"
            for item in self.items[feed][:20]
        )
        return f"<rss version='2.0'><channel><title>Paper {feed[8]}</title>{items}</channel></rss>".encode()
