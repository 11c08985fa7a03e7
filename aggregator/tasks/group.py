"""tag -> group -> rank: recent entries become stories with scores. Never fetches, never publishes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.model.ids import StoryId
from aggregator.model.interest import Interest
from aggregator.model.story import GroupedStory, Ruling, ScoreTerm, Story
from aggregator.pipeline.rank import RULES, get_rank, score_story
from aggregator.pipeline.urls import FindDomain
from aggregator.storage import meta, rulings, stories, story_groups
from aggregator.storage.locks import lock_stories
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.domains import open_domains
from aggregator.tasks.interests import get_interests
from aggregator.tasks.links import note_links
from aggregator.tasks.meaning import encode_waiting
from aggregator.tasks.story_window import Slice, StoryWindow, find_slice, get_window
from aggregator.tasks.tag import tag_waiting

log = get_logger(__name__)

#: Stories scored at a time: a first round touches all there are, and they come with their entries.
CHUNK = 250
#: So often a slice is done anew because others wrote meanwhile; then it waits for the next round.
TRIES = 5
#: Under this name the store keeps what the scores were made with, beside the entries.
_BASIS = "basis of scores"
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


def regroup_stories(app: App) -> int:
    """Put every entry that has no story yet into one, old or new, and score what has no score; the stories touched.

    Entries that wait for their tags get them first: grouping and scores look at them. Then it goes from the oldest
    entry without a story to the newest, a slice at a time, so that a first import of months needs no more memory than
    a day of news. A kill in between leaves the rest for the next round. Scores are reckoned last, some at a time, too.
    """
    tag_waiting(app)
    note_links(app)
    encode_waiting(app)
    touched = _group_new(app)
    score_stories(app)
    return touched


def score_stories(app: App) -> None:
    """All that have no score, or one that was made with other interests or weights."""
    _forget_old_scores(app)
    while _score(app):
        pass


def regroup_since(app: App, since: datetime | None, *, progress: Callable[[int, int], None]) -> int:
    """Group all entries from then on anew, None: all there are; how many stories have changed.

    What the rules of grouping or the editor say now holds afterwards; done twice, the second time changes nothing.
    ``progress`` is told (entries done, entries in all).
    """
    tag_waiting(app)
    note_links(app, since=since or _BEGIN)
    encode_waiting(app, since=since or _BEGIN)
    window, changed, done = get_window(app.db), 0, 0
    with app.db.read() as conn:
        total = story_groups.count_since(conn, since)
        first = story_groups.find_first(conn, since)
    while first is not None:
        with app.db.read() as conn:
            part = find_slice(conn, first, anew=True)
        changed += len(_group_slice(app, window, part) or ())
        with app.db.read() as conn:
            first = story_groups.find_first(conn, part.last, after=True)
            done = total - (story_groups.count_since(conn, first) if first else 0)
        progress(done, total)
    score_stories(app)
    return changed


def _group_new(app: App) -> int:
    window, touched = get_window(app.db), 0
    part: Slice | None = None
    while True:
        with app.db.read() as conn:
            first = story_groups.find_next_ungrouped(conn, part.last) if part else None
            oldest = first or stories.get_oldest_ungrouped(conn)
            part = find_slice(conn, oldest) if oldest is not None else None
        if part is None:
            return touched
        saved = _group_slice(app, window, part)
        if saved is None:
            return touched
        touched += len(saved)


def _group_slice(app: App, window: StoryWindow, part: Slice) -> tuple[StoryId, ...] | None:
    """The stories that changed; None when others wrote all the while, so that nothing could be saved.

    Reading and thinking hold nobody up; what was thought is written when all that it rests on is still as it was read.
    An entry that cannot be thought about costs itself: it is told alone.
    """
    with window.lock:
        for _ in range(TRIES):
            try:
                with app.db.read() as conn:
                    groups = window.look(conn, part, app.settings.lexicon)
            except BaseException as error:
                window.drop()  # half of it was taken in
                if not isinstance(error, Exception) or not _find_spoilt(app, window, part):
                    raise
                continue
            saved = _save(app, window, groups)
            if saved is not None:
                return saved
            window.clear()
    log.warning("stories.not_grouped", since=part.first, until=part.last)
    return None


def _find_spoilt(app: App, window: StoryWindow, part: Slice) -> bool:
    with app.db.read() as conn:
        return window.find_spoilt(conn, part, app.settings.lexicon)


def _save(app: App, window: StoryWindow, groups: Sequence[GroupedStory]) -> tuple[StoryId, ...] | None:
    members = [entry_id for group in groups for entry_id in group.entry_ids]
    if not members:
        return ()
    with app.db.write() as conn:
        lock_stories(conn)
        if not window.still_holds(conn, members):
            return None
        touched = stories.save_groups(conn, groups, now=app.now(), identity=meta.get_identity(conn))
        if touched:
            meta.renew_revision(conn)
    window.settle(members)
    log.info("stories.grouped", entries=len(members), stories=len(touched))
    return touched


def _forget_old_scores(app: App) -> None:
    """When the editor's interests or the weights of feeds are others than those that the scores were made with."""
    weights = [(feed.url, feed.weight) for feed in app.settings.feeds if feed.weight != 1.0]
    basis = repr((RULES, get_interests(app.settings), sorted(weights)))
    with app.db.read() as conn:
        known = meta.get_value(conn, _BASIS)
    if known != basis:
        with app.db.write() as conn:
            meta.set_value(conn, _BASIS, basis)
            if known is not None:
                stories.forget_scores(conn)


def _score(app: App) -> bool:
    """Score some of the stories that have none; False when all have one.

    They are read in the transaction that writes the scores: an entry edited in between would leave a score of before.
    """
    with app.db.read() as conn:
        if not stories.find_unscored(conn, limit=1):
            return False
    interests, domains = get_interests(app.settings), open_domains()
    with app.db.write() as conn:
        lock_stories(conn)
        found = stories.list_stories(conn, StoryQuery(ids=stories.find_unscored(conn, limit=CHUNK, hold=True)))
        placings = rulings.list_placings(conn, [entry.id for story in found for entry in story.entries])
        scored = [(story, *_score_one(story, interests, placings, domains)) for story in found]
        stories.save_scores(
            conn, [(story.id, score, get_rank(score, story.entries), reasons) for story, score, reasons in scored]
        )
        meta.renew_revision(conn)
    return bool(found)


def _score_one(
    story: Story, interests: Sequence[Interest], placings: Sequence[Ruling], domains: FindDomain
) -> tuple[float, tuple[ScoreTerm, ...]]:
    """Nothing for a story that ranking cannot digest: it costs itself only."""
    try:
        return score_story(story.entries, interests, placings, find_domain=domains)
    except Exception:
        log.exception("story.not_scored", story=story.id)
        return 0.0, ()
