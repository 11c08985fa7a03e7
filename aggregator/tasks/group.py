"""tag -> group -> rank: recent entries become stories with scores. Never fetches, never publishes."""

from __future__ import annotations

from datetime import timedelta

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.pipeline.group import group_entries
from aggregator.pipeline.rank import RULES, score_story
from aggregator.storage import meta, placing, stories
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.interests import get_interests
from aggregator.tasks.tag import tag_waiting

log = get_logger(__name__)

#: A story takes entries up to three days after its last one; older neighbours cannot change.
REACH = timedelta(days=3)
#: Stories scored at a time: a first round touches all there are, and they come with their entries.
CHUNK = 250
#: Under this name the store keeps what the scores were made with, beside the entries.
_BASIS = "basis of scores"


def regroup_stories(app: App) -> int:
    """Put every entry that has no story yet into one, old or new, and score what has no score; the stories touched.

    Entries that wait for their tags get them first: scores look at them.

    Candidates are read in the transaction that writes the groups: two processes that group at once never make two
    stories of one. Scores are reckoned after it, some at a time, the same way; a kill in between leaves them for the
    next round.
    """
    tag_waiting(app)
    touched = _group(app)
    _forget_old_scores(app)
    while _score(app):
        pass
    return touched


def _group(app: App) -> int:
    with app.db.read() as conn:
        if stories.get_oldest_ungrouped(conn) is None:
            return 0
    with app.db.write() as conn:
        stories.lock(conn)
        oldest = stories.get_oldest_ungrouped(conn)
        if oldest is None:
            return 0
        candidates = stories.get_candidates(conn, since=oldest - REACH)
        touched = stories.save_groups(conn, group_entries(candidates), now=app.now(), identity=meta.get_identity(conn))
        meta.renew_revision(conn)
    log.info("stories.grouped", entries=len(candidates), stories=len(touched))
    return len(touched)


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
    interests = get_interests(app.settings)
    with app.db.write() as conn:
        stories.lock(conn)
        found = stories.list_stories(conn, StoryQuery(ids=stories.find_unscored(conn, limit=CHUNK, hold=True)))
        placings = placing.list_placings(conn, [entry.id for story in found for entry in story.entries])
        scored = [(story.id, *score_story(story.entries, interests, placings)) for story in found]
        stories.save_scores(conn, scored)
        meta.renew_revision(conn)
    return bool(found)
