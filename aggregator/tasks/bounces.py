"""Mail that comes back is read, stored and acted on; refusals at the server's door go the same way. Never sends.

Each mail is a transaction of its own, and is marked as done in the box only after that: a kill in between costs a
second reading, which changes nothing. When the box cannot be read it is tried again, later and later, and the editor is
told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aggregator.app import App
from aggregator.errors import DatabaseUnavailable, MailboxError, SchemaMismatch
from aggregator.log import get_logger
from aggregator.mail.bounces import read_bounce
from aggregator.mail.bounces_codes import find_status, judge
from aggregator.mail.mailbox import BoxedMail, Mailbox, open_mailbox
from aggregator.mail.replies import to_line
from aggregator.model.bounce import Bounce, Consequence, SoftRule
from aggregator.model.settings import MailSettings
from aggregator.model.subscriber import BounceKind
from aggregator.storage import bounces, meta, troubles
from aggregator.storage.bounces import Connection

log = get_logger(__name__)

#: The box is looked into so often; after failures less and less.
EVERY = timedelta(minutes=5)
LONGEST = timedelta(hours=1)
#: Mails fetched at one time.
CHUNK = 20
#: So many refusals by policy within a day are the editor's business.
POLICY_ALARM = 10
UNREADABLE = "mail that comes back cannot be read"
REFUSED = "other servers refuse our mail"
#: Under this name the store keeps when the box was looked into, and how often that has failed since.
_STATE = "bounces are read"


@dataclass(slots=True)
class Tally:
    """What was read at one time."""

    #: In the box, unread, at the beginning.
    found: int = 0
    #: Stored before, by a reader that was killed before it could say so.
    known: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    #: Subscriptions.
    ended: int = 0

    @property
    def read(self) -> int:
        """Mails, all in all."""
        return self.known + self.kinds.total()


def is_due(app: App) -> bool:
    """Whether it is time to look into the box; without one, at what other servers refused when we sent."""
    if not app.settings.newsletters and open_mailbox(app.settings.mail.bounces) is None:
        return False
    with app.db.read() as conn:
        state = meta.get_value(conn, _STATE)
    if state is None:
        return True
    doublings = min(int(state["failures"]), 10)
    looked_at = datetime.fromisoformat(str(state["at"]))
    return app.now() >= looked_at + min(EVERY * (1 << doublings), LONGEST)


def read_due(app: App, *, pause: Callable[[float], bool]) -> None:
    """For the daemon: read what is there; a box that cannot be read is said and tried again later."""
    try:
        tally = read_returned(app, is_stopping=lambda: pause(0))
    except MailboxError as error:
        log.error("bounces.unreadable", reason=str(error))
        _note_look(app, str(error))
        return
    if tally.read:
        log.info("bounces.read", mails=tally.read, known=tally.known, ended=tally.ended, **tally.kinds)


def _note_look(app: App, reason: str) -> None:
    """``reason``: why it failed; empty: it did not."""
    with app.db.write() as conn:
        state = meta.get_value(conn, _STATE) or {"failures": 0}
        failures = state["failures"] + 1 if reason else 0
        meta.set_value(conn, _STATE, {"at": app.now().isoformat(), "failures": failures})
        if reason:
            troubles.note_trouble(conn, UNREADABLE, reason, now=app.now())
        else:
            troubles.end_trouble(conn, UNREADABLE)
        _watch_policy(conn, app.now())


def read_returned(
    app: App,
    *,
    box: Mailbox | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Tally], object] = lambda _: None,
) -> Tally:
    """Everything that is unread in the box now. Raises `MailboxError`; what was read until then is stored and done.

    ``box``: when it is open already. Without a box nothing is read. That it can be read (again) is noted.
    """
    tally = Tally()
    box = box or open_mailbox(app.settings.mail.bounces)
    if box is not None:
        _read_box(app, box, tally, is_stopping, on_progress)
    _note_look(app, "")
    return tally


def _read_box(
    app: App, box: Mailbox, tally: Tally, is_stopping: Callable[[], bool], on_progress: Callable[[Tally], object]
) -> None:
    with app.db.read() as conn:
        key = meta.get_identity(conn).signing_key
    try:
        names = box.find()
        tally.found = len(names)
        for start in range(0, len(names), CHUNK):
            if is_stopping():
                break
            mails = box.load(names[start : start + CHUNK])
            for mail in mails:
                _store(app, mail, box, key, tally)
            box.mark_done([mail.name for mail in mails])
            on_progress(tally)
    finally:
        box.close()


def _store(app: App, mail: BoxedMail, box: Mailbox, key: bytes, tally: Tally) -> None:
    """One mail that we cannot digest costs itself only: it is kept, and nothing follows from it."""
    try:
        done = _record(app, mail, box, read_bounce(mail.raw, key))
    except (DatabaseUnavailable, SchemaMismatch):
        raise
    except Exception as error:
        log.exception("bounces.mail_not_understood", mail=mail.name)
        words = f"could not be understood: {type(error).__name__}"
        done = _record(app, mail, box, Bounce(kind="other", diagnostic=words))
    if done is None:
        tally.known += 1
        return
    tally.kinds[done.kind] += 1
    tally.ended += done.ended
    if done.ended or done.suppressed:
        log.info("bounces.acted", bounce=done.id, kind=done.kind, ended=done.ended, suppressed=done.suppressed)


def _record(app: App, mail: BoxedMail, box: Mailbox, bounce: Bounce) -> Consequence | None:
    rule = get_rule(app.settings.mail)
    with app.db.write() as conn:
        return bounces.record(conn, bounce, raw=mail.raw, origin=box.origin, now=app.now(), rule=rule)


def _watch_policy(conn: Connection, now: datetime) -> None:
    """Many refusals that are about us: no reader can help it, the editor can."""
    latest = bounces.list_bounces(conn, kind="policy", since=now - timedelta(days=1), limit=POLICY_ALARM)
    if len(latest) < POLICY_ALARM:
        troubles.end_trouble(conn, REFUSED)
        return
    reason = f"{POLICY_ALARM} refusals or more within a day, the last: {latest[0].diagnostic}"
    if troubles.note_trouble(conn, REFUSED, reason, now=now):
        log.error("bounces.policy", reason=reason)


def note_refused(
    conn: Connection, delivery_id: int, *, code: int, text: str, now: datetime, mail: MailSettings
) -> BounceKind:
    """A server would not take this delivery when it was handed over, for good: the same follows as from a bounce.

    In the transaction that marks the row as failed, after that; the row becomes ``bounced``.
    """
    words, status = to_line(text), find_status(text)
    kind = judge(status, code, words)
    bounce = Bounce(kind=kind, about="delivery", about_id=delivery_id, status=status, code=code, diagnostic=words)
    bounces.record_refusal(conn, bounce, now=now, rule=get_rule(mail))
    return kind


def get_rule(mail: MailSettings) -> SoftRule:
    """How many soft bounces are too many."""
    if mail.bounces is None:
        return SoftRule()
    return SoftRule(limit=mail.bounces.soft_limit, within=mail.bounces.soft_within)
