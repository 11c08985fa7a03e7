"""A draft as it would be frozen now, made once for all who look at it; its mail in a frame. Never changes a draft."""

from __future__ import annotations

import threading
from collections import OrderedDict
from weakref import WeakKeyDictionary

from starlette.responses import PlainTextResponse, Response

from aggregator.app import App
from aggregator.errors import NotFound
from aggregator.model.newsletter import Issue, Newsletter, TooFew
from aggregator.render.look import Look, set_look
from aggregator.storage import meta
from aggregator.storage.engine import Database
from aggregator.tasks.composing import WindowCounts, count_window
from aggregator.tasks.desk import drafts
from aggregator.tasks.desk.sending import find_issue
from aggregator.tasks.drafts import SeenDraft, glance_at
from aggregator.web.desk.aside import Aside
from aggregator.web.desk.issue_mail import MAIL_POLICY, hide_links, show_still
from aggregator.web.desk.visit import Page, Section, Visit

#: Drafts that are kept as they were seen last.
MOST_KEPT = 8
_Seen = SeenDraft | TooFew
_kept: WeakKeyDictionary[Database, OrderedDict[int, tuple[object, _Seen]]] = WeakKeyDictionary()
_lock = threading.Lock()


def glance(app: App, newsletter: Newsletter, draft: Issue) -> _Seen:
    """As `tasks.drafts.glance_at`, made anew only when something has changed that it was made of. Raises
    `RenderError`."""
    counts = _COUNTS.get(app, int(draft.id), draft.window_end.isoformat(), patience=0)
    with app.db.read() as conn:
        revision = meta.get_revision(conn)
    own = app.templates.get_fingerprint() if app.templates.has_own() else ""
    # Settings are replaced whole when the desk or the file says otherwise: the same ones are the same object.
    made_of = (revision, draft.edits, draft.window_end, counts, own, app.settings)
    with _lock:
        kept = _kept.setdefault(app.db, OrderedDict())
        if draft.id in kept and kept[draft.id][0] == made_of:
            kept.move_to_end(draft.id)
            return kept[draft.id][1]
    seen = glance_at(app, newsletter, draft, counts)
    with _lock:
        kept[draft.id] = (made_of, seen)
        kept.move_to_end(draft.id)
        while len(kept) > MOST_KEPT:
            kept.popitem(last=False)
    return seen


def _count(app: App, number: int, _end: str) -> WindowCounts:
    with app.db.read() as conn:
        return count_window(conn, find_issue(app, number))


#: What takes a moment to count of a large window is a minute old at most.
_COUNTS: Aside[WindowCounts] = Aside(_count, seconds=60)


def get_look(visit: Visit) -> Look:
    """Of the query."""
    return "dark" if visit.query.get("look") == "dark" else "light"


def _show_mail(visit: Visit) -> Response:
    newsletter, draft = drafts.find_draft(visit.app, visit.params["issue"])
    seen = glance(visit.app, newsletter, draft)
    if isinstance(seen, TooFew):
        raise NotFound(seen.reason)
    if visit.query.get("part") == "text":
        headers = {"Content-Security-Policy": MAIL_POLICY}
        return PlainTextResponse(hide_links(seen.rendered.mail_text), headers=headers)
    return show_still(set_look(seen.rendered.mail_html, get_look(visit)))


ROOM = Section(key="issues", pages=(Page(path="/issues/{issue:int}/draft.html", show=_show_mail),))
