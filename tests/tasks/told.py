"""Stories that are simply there, told at a time of the test's choosing. Never fetched, never asserts anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from aggregator.app import App
from aggregator.model.entry import EntryChange
from aggregator.model.ids import EntryId, StoryId
from aggregator.model.rule import Verdict
from aggregator.model.story import GroupedStory, Story
from aggregator.storage import changes, entries, feeds, meta, rules, stories
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.site.found import Page
from aggregator.tasks.site.routes import find_page, read_query
from tests.fixtures.program import Program
from tests.render.checks import check_atom, find_links
from tests.storage.samples import ensure_feed, make_entry, make_tag
from tests.tasks.paper import Clock

ATOM = "{http://www.w3.org/2005/Atom}"
#: A Thursday.
NOW = datetime.fromisoformat("2026-03-05T12:00:00+00:00")
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
_KEYS = count()


class Press:
    """An installation over a clock that stands."""

    def __init__(self, app: App, clock: Clock) -> None:
        self.app = app
        self.clock = clock

    def tell(
        self,
        title: str,
        *,
        ago: timedelta = HOUR,
        feed: str = "a",
        tags: Sequence[str] = (),
        story: StoryId | None = None,
        backlog: bool = False,
        leads: bool = False,
        **said: Any,
    ) -> tuple[EntryId, StoryId]:
        """An entry that comes in now and claims to be so old, in a story of its own, or at the end of another or as
        its lead."""
        with self.app.db.write() as conn:
            entry_id = self._save(conn, title, ago, feed, tags, backlog, said)
            members: tuple[EntryId, ...] = (entry_id,)
            if story is not None:
                found = stories.get(conn, story)
                assert isinstance(found, Story)
                others = tuple(entry.id for entry in found.entries)
                members = (entry_id, *others) if leads else (*others, entry_id)
            group = GroupedStory(story_id=story, entry_ids=members)
            (told,) = stories.save_groups(conn, [group], now=self.clock(), identity=meta.get_identity(conn))
            meta.renew_revision(conn)
        return entry_id, told

    def _save(
        self, conn: Any, title: str, ago: timedelta, feed: str, tags: Sequence[str], backlog: bool, said: dict[str, Any]
    ) -> EntryId:
        key = str(next(_KEYS))
        feed_id = ensure_feed(conn, f"https://{feed}.example/feed")
        change = EntryChange(
            feed_id=feed_id,
            entry_id=None,
            entry=make_entry(key, title=title, **said),
            effective_at=self.clock() - ago,
            backlog=backlog,
        )
        entries.save(conn, [change], now=self.clock(), identity=meta.get_identity(conn))
        entry_id = entries.find_known(conn, feed_id, [key])[key][0]
        changes.save_tags(conn, {entry_id: [make_tag(slug) for slug in tags]})
        return entry_id

    def save(self, title: str, *, feed: str) -> EntryId:
        """An entry that is in no story yet."""
        with self.app.db.write() as conn:
            return self._save(conn, title, HOUR, feed, (), False, {})

    def get_story(self, number: StoryId) -> Story:
        with self.app.db.read() as conn:
            found = stories.get(conn, number)
        assert isinstance(found, Story)
        return found

    def has_story(self, number: StoryId) -> bool:
        with self.app.db.read() as conn:
            return isinstance(stories.get(conn, number), Story)

    def list_ids(self) -> tuple[EntryId, ...]:
        with self.app.db.read() as conn:
            return tuple(entry.id for entry in entries.list_entries(conn, EntryQuery()))

    def merge(self, kept: StoryId, gone: StoryId) -> None:
        with self.app.db.write() as conn:
            found = [stories.get(conn, number) for number in (kept, gone)]
            members = tuple(entry.id for one in found if isinstance(one, Story) for entry in one.entries)
            group = GroupedStory(story_id=kept, entry_ids=members, merged_ids=(gone,))
            stories.save_groups(conn, [group], now=self.clock(), identity=meta.get_identity(conn))
            meta.renew_revision(conn)

    def hide(self, *ids: EntryId, hidden: bool = True) -> None:
        """As a rule of the editor's does."""
        with self.app.db.write() as conn:
            rules.save_verdicts(conn, {number: Verdict(hidden=hidden) for number in ids})
            meta.renew_revision(conn)

    def get_feed_id(self, feed: str) -> int:
        with self.app.db.read() as conn:
            return next(one.id for one in feeds.list_feeds(conn) if one.spec.url == f"https://{feed}.example/feed")

    def find(self, path: str) -> Page | None:
        path, _, query = path.partition("?")
        pairs = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&")) if name]
        found = find_page(self.app, path, read_query(path, pairs))
        assert found is None or isinstance(found, Page)
        return found

    def read(self, path: str) -> Any:
        """The document at a path, checked against the grammar."""
        page = self.find(path)
        assert page is not None, path
        return check_atom(page.body)

    def list_titles(self, path: str) -> list[str]:
        return [entry.findtext(f"{ATOM}title") or "" for entry in self.read(path).iter(f"{ATOM}entry")]

    def follow(self, path: str, relation: str) -> Iterator[Any]:
        """The document at a path, and all that it leads to."""
        seen: list[str] = []
        while path:
            assert path not in seen, seen
            seen.append(path)
            document = self.read(path)
            yield document
            path = find_path(document, relation)


def find_path(document: Any, relation: str) -> str:
    """Where a link of the document leads, as a path of ours; empty where it has none."""
    for link in find_links(document, relation):
        return str(link.get("href")).removeprefix("http://news.example.org")
    return ""


def list_ids(document: Any) -> list[str]:
    return [entry.findtext(f"{ATOM}id") or "" for entry in document.iter(f"{ATOM}entry")]


@contextmanager
def open_press(program: Program, **sections: Any) -> Iterator[Press]:
    program.configure(**sections)
    clock = Clock(NOW)
    with program.app(now=clock) as app:
        yield Press(app, clock)
