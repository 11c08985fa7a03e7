"""The rooms of the desk in the order of its menu. Never does anything itself: each room has a file of its own."""

from __future__ import annotations

from aggregator.web.desk import (
    account,
    draft,
    draft_fate,
    draft_look,
    draft_places,
    draft_words,
    entry,
    feed_changes,
    feed_new,
    feeds,
    issue_mail,
    issue_sending,
    issues,
    log,
    overview,
    rule,
    rules,
    stories,
    story,
    subscriber,
    subscriber_lists,
    subscribers,
    tag_form,
    tags,
)
from aggregator.web.desk.pages import DONE, UNDONE
from aggregator.web.desk.visit import Action, Section

ROOMS: tuple[Section, ...] = (
    overview.ROOM,
    issues.ROOM,
    issue_sending.ROOM,
    issue_mail.ROOM,
    draft.ROOM,
    draft_look.ROOM,
    draft_places.ROOM,
    draft_words.ROOM,
    draft_fate.ROOM,
    stories.ROOM,
    story.ROOM,
    entry.ROOM,
    feeds.ROOM,
    feed_changes.ROOM,
    feed_new.ROOM,
    rules.ROOM,
    rule.ROOM,
    tag_form.ROOM,
    tags.ROOM,
    subscribers.ROOM,
    subscriber_lists.ROOM,
    subscriber.ROOM,
    log.ROOM,
    account.ROOM,
)

#: By the names that the audit log has.
ACTIONS: dict[str, Action] = {action.name: action for room in ROOMS for action in room.actions}
DONE |= {name: action.done for name, action in ACTIONS.items()} | log.OTHERS
UNDONE |= {name for name, action in ACTIONS.items() if action.undo is not None}
