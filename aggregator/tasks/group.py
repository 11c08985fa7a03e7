"""group -> rank: recent entries become stories with scores. Never fetches, never publishes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.model.ids import StoryId
from aggregator.pipeline.group import group_entries
from aggregator.pipeline.rank import score_story
from aggregator.storage import meta, stories
from aggregator.storage.stories import StoryQuery

log = get_logger(__name__)

#: A story takes entries up to three days after its last one; older neighbours cannot change.
REACH = timedelta(days=3)
#: Stories scored at a time: a first round touches all there are, and they come with their entries.
CHUNK = 250


def regroup_stories(app: App) -> int:
    """Put every entry that has no story yet into one, old or new; the number of stories touched."""
    with app.db.read() as conn:
        oldest = stories.get_oldest_ungrouped(conn)
        if oldest is None:
            return 0
        candidates = stories.get_candidates(conn, since=oldest - REACH)
    groups = group_entries(candidates)
    with app.db.write() as conn:
        touched = stories.save_groups(conn, groups, now=app.now(), identity=meta.get_identity(conn))
    for start in range(0, len(touched), CHUNK):
        _score(app, touched[start : start + CHUNK])
    log.info("stories.grouped", entries=len(candidates), stories=len(touched))
    return len(touched)


def _score(app: App, touched: Sequence[StoryId]) -> None:
    with app.db.read() as conn:
        changed = stories.list_stories(conn, StoryQuery(ids=touched))
    interests = dict(app.settings.interests)
    scores = [(story.id, *score_story(story.entries, interests)) for story in changed]
    with app.db.write() as conn:
        stories.save_scores(conn, scores)
        meta.renew_revision(conn)
