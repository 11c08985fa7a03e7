"""What the mailer asks while an issue goes out: which mails, which dots, and what became of them. Never sends.

Rows are claimed in slices, mails are written when they are asked for, and each commit settles what was heard and allows
what comes next in one transaction. What was claimed and not settled is handed back at the end.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from aggregator.app import App
from aggregator.errors import MailError, MailUnavailable, MailUncertain, RecipientRefused, SenderRefused, StorageError
from aggregator.log import get_logger
from aggregator.metrics import MAILS
from aggregator.model.mailing import Ledger, Outcome, Outgoing, Supply
from aggregator.model.subscriber import Delivery, get_domain
from aggregator.storage import ledger, sending
from aggregator.storage.deliveries import MAX_UNCERTAIN, NO_ANSWER
from aggregator.storage.ledger import Mark
from aggregator.tasks.bounces import note_refused
from aggregator.tasks.issue_mails import IssueMails
from aggregator.tasks.pace import RENEW_SECONDS, Pace
from aggregator.tasks.sending_rules import (
    ANSWER,
    DOMAIN_REST,
    LEASE,
    LINE_PAUSE,
    LONGEST_WAIT,
    MAX_DOMAIN_REST,
    NOTE_AGAIN,
    PATIENCE,
    SLICES,
    get_next_try,
    is_given_up,
)
from aggregator.tasks.worker import worker_name

log = get_logger(__name__)


class IssueLedger:
    """Of one issue, for one run of a mailer. ``take`` and ``commit`` are called by two threads."""

    def __init__(
        self,
        app: App,
        mails: IssueMails,
        *,
        is_stopping: Callable[[], bool],
        on_result: Callable[[Delivery, str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """``wait`` waits so many seconds when the database is away."""
        self._app, self._mails, self._policy = app, mails, app.settings.mail.uncertain
        self._asked_to_stop, self._on_result, self._wait, self._clock = is_stopping, on_result, wait, clock
        self._pace = Pace(app, clock=clock)
        self._slice, self._claimed_at = SLICES[0], clock()
        #: Claimed; `_parked` by the domain whose limit they wait for; `_taken` by the mailer, by id.
        self._rows: deque[Delivery] = deque()
        self._parked: dict[str, deque[Delivery]] = {}
        self._taken: dict[int, Delivery] = {}
        self._lock = threading.Lock()
        #: To be written down with the next commit.
        self._marks: list[Mark] = []
        #: Temporary refusals in a row, and until when nothing goes there, by domain.
        self._strikes: Counter[str] = Counter()
        self._resting: dict[str, datetime] = {}
        #: Until when rows of a domain with a limit are spread.
        self._later: dict[str, datetime] = {}
        #: In this very `_take`: at most one claim, and whether it found nothing.
        self._has_claimed = self._is_dry = False
        self._goes_out = True
        self.counts: Counter[str] = Counter()

    @property
    def rows(self) -> Ledger:
        """What the mailer is handed."""
        return Ledger(take=self._take, commit=self._commit, is_stopping=self._is_stopping)

    def hand_back(self) -> None:
        """Free what was claimed and not settled: it costs no attempt, and keeps its place. Our rates, too."""
        self._pace.leave()
        rest = [*self._rows, *(row for parked in self._parked.values() for row in parked), *self._taken.values()]
        self._marks += [Mark(delivery=row, result="queued") for row in rest]
        self._rows.clear()
        self._parked.clear()
        self._taken.clear()
        if self._marks:
            try:
                with self._app.db.write() as conn:
                    ledger.settle(conn, self._marks, now=self._app.now())
            except StorageError as error:
                log.warning("deliveries.not_handed_back", rows=len(rest), reason=str(error))  # their lease ends
            self._marks = []

    def _is_stopping(self) -> bool:
        self._pace.keep()
        return not self._goes_out or self._asked_to_stop()

    # What may be sent

    def _take(self, limit: int) -> Supply:
        found: list[Outgoing] = []
        now = self._app.now()
        wait: float | None = None
        self._has_claimed, self._is_dry = False, False
        while len(found) < limit and self._goes_out:
            # Nobody is counted for the rates who has nothing to send.
            has_rows = bool(self._rows or self._parked) or (not self._has_claimed and self._claim())
            wait = self._pace.get_wait() if has_rows else 0.0
            if wait:
                break
            row = self._find_row(now)
            if row is None:
                # Asked again at once when there may be more: the lines are not kept waiting for many claims in a row.
                wait = min(map(self._pace.get_domain_wait, self._parked), default=None) if self._is_dry else 0.0
                break
            if (mail := self._write(row, now)) is not None:
                self._pace.spend(get_domain(row.address))
                found.append(mail)
        # Not longer than until our part may have grown.
        wait = None if found or wait is None else min(wait, RENEW_SECONDS)
        return Supply(mails=tuple(found), wait_seconds=wait)

    def _find_row(self, now: datetime) -> Delivery | None:
        """The next whose domain takes mail now; None: there is none, or it has to wait (`_parked`)."""
        for domain, parked in self._parked.items():
            if not self._pace.get_domain_wait(domain):
                row = parked.popleft()
                if not parked:
                    del self._parked[domain]
                return row
        while self._rows or (not self._has_claimed and self._claim()):
            domain = get_domain(self._rows[0].address)
            rests_until = self._resting.get(domain)
            wait = self._pace.get_domain_wait(domain) if self._pace.has_domains else 0.0
            row = self._rows.popleft()  # not before: to count may raise, and only what is in our lists is handed back
            if rests_until is not None and rests_until > now:
                self._put_off(row, rests_until)
            elif not wait:
                return row
            elif len(self._parked.get(domain, ())) * self._pace.get_interval(domain) < PATIENCE:
                self._parked.setdefault(domain, deque()).append(row)
            else:
                self._put_off(row, self._find_later(domain, now))
        return None

    def _find_later(self, domain: str, now: datetime) -> datetime:
        """When a row that cannot have its turn soon is due again: one after the other, at the domain's pace."""
        earliest, latest = now + timedelta(seconds=PATIENCE), now + LONGEST_WAIT
        later = max(self._later.get(domain, earliest), earliest)
        self._later[domain] = min(later + timedelta(seconds=self._pace.get_interval(domain)), latest)
        return min(later, latest)

    def _put_off(self, row: Delivery, until: datetime) -> None:
        with self._lock:
            self._marks.append(Mark(delivery=row, result="queued", next_try_at=until))

    def _claim(self) -> bool:
        """A slice, as large as what is sent in a moment; False: nothing is due, or nothing more shall be."""
        self._has_claimed = True
        if self._is_stopping():
            self._is_dry = True
            return False
        now, elapsed = self._clock(), self._clock() - self._claimed_at
        interval = self._pace.get_interval()
        most = max(1, min(SLICES[1], int(PATIENCE / interval))) if interval else SLICES[1]
        self._slice = min(self._slice * 2 if elapsed < PATIENCE / 4 else max(self._slice // 2, 1), most)
        self._claimed_at = now
        marks = self._swap_marks()
        try:
            with self._app.db.write() as conn:
                ledger.settle(conn, marks, now=self._app.now())
                self._rows += ledger.claim(
                    conn,
                    self._mails.issue.id,
                    owner=worker_name(),
                    now=self._app.now(),
                    limit=self._slice,
                    lease=LEASE,
                )
        except BaseException:
            with self._lock:
                self._marks = marks + self._marks
            raise
        self._is_dry = not self._rows
        return bool(self._rows)

    def _swap_marks(self) -> list[Mark]:
        with self._lock:
            marks, self._marks = self._marks, []
        return marks

    def _write(self, row: Delivery, now: datetime) -> Outgoing | None:
        """A row whose mail cannot be written costs itself only."""
        try:
            message = self._mails.write(row, now)
        except (SenderRefused, StorageError):
            self._rows.appendleft(row)
            raise
        except RecipientRefused as error:
            mark = Mark(delivery=row, result="failed", code=error.code, reply=error.text)
        except Exception as error:
            log.exception("delivery.fault", delivery=row.id)
            words = f"{type(error).__name__}: {error}"
            mark = Mark(delivery=row, result="deferred", reply=words, next_try_at=get_next_try(row, now))
        else:
            self._taken[row.id] = row
            return Outgoing(key=row.id, message=message)
        with self._lock:
            self._marks.append(mark)
        self._tell(mark)
        return None

    # What became of them

    def _commit(self, about: Sequence[int], settled: Sequence[Outcome]) -> Collection[int]:
        now = self._app.now()
        marks = [self._judge(outcome, now) for outcome in settled]
        rows = [self._taken[key] for key in about]
        waiting = self._swap_marks()
        try:
            allowed = self._write_down([*waiting, *marks], rows)
        except BaseException:
            with self._lock:
                self._marks = waiting + self._marks
            raise
        for mark in marks:
            self._taken.pop(mark.delivery.id, None)
            self._tell(mark)
        return allowed

    def _write_down(self, marks: Sequence[Mark], rows: Sequence[Delivery]) -> Collection[int]:
        """One transaction; worth waiting for, because a mail that is not noted would be sent again."""
        for seconds in (*NOTE_AGAIN, None):
            try:
                return self._write_once(marks, rows)
            except StorageError as error:
                if seconds is None:
                    raise
                log.warning("delivery.not_noted", reason=str(error))
                self._wait(seconds)
        raise AssertionError

    def _write_once(self, marks: Sequence[Mark], rows: Sequence[Delivery]) -> Collection[int]:
        now = self._app.now()
        with self._app.db.write() as conn:
            if marks:
                ledger.settle(conn, marks, now=now)
            for mark in marks:
                if mark.result == "failed" and mark.code:
                    mail = self._app.settings.mail
                    note_refused(conn, mark.delivery.id, code=mark.code, text=mark.reply, now=now, mail=mail)
            if not rows:
                return ()
            allowed = ledger.mark_committing(conn, rows, now=now, until=now + ANSWER)
            if len(allowed) < len(rows):
                self._goes_out = sending.is_going_out(conn, self._mails.issue.id)
        return allowed

    def _judge(self, outcome: Outcome, now: datetime) -> Mark:
        row, error = self._taken[outcome.key], outcome.error
        if error is None:
            self._strikes.pop(get_domain(row.address), None)
            return Mark(delivery=row, result="sent", code=250, reply=outcome.reply)
        log.warning("delivery.refused", delivery=row.id, code=error.code, reason=error.text, kind=type(error).__name__)
        code, reply = max(error.code, 0), error.text
        match error:
            case MailUncertain() if self._policy == "hold" or row.uncertain >= MAX_UNCERTAIN:
                return Mark(delivery=row, result="unknown", reply=f"{NO_ANSWER}: {reply}")
            case MailUncertain():
                return Mark(delivery=row, result="again", reply=f"{NO_ANSWER}: {reply}", next_try_at=now + LINE_PAUSE)
            case SenderRefused():
                # It says us and may mean this one mail: a mail that is refused again waits longer each time, so that
                # it holds up nobody. It never fails: the fault is ours to mend.
                again = get_next_try(row, now) if row.attempts > 1 else now
                return Mark(delivery=row, result="deferred", code=code, reply=reply, next_try_at=again)
            case _ if isinstance(error, RecipientRefused) or is_given_up(row, self._mails.issue, now):
                return Mark(delivery=row, result="failed", code=code, reply=reply)
        self._note_temporary(row, error, now)
        return Mark(delivery=row, result="deferred", code=code, reply=reply, next_try_at=get_next_try(row, now))

    def _note_temporary(self, row: Delivery, error: MailError, now: datetime) -> None:
        """A domain that puts off one after the other gets a rest; 421 and a lost line are about the server."""
        if not isinstance(error, MailUnavailable) or error.code in (0, 421):
            return
        domain = get_domain(row.address)
        self._strikes[domain] += 1
        doublings, rest = divmod(self._strikes[domain], 3)
        if rest == 0:
            self._resting[domain] = now + min(DOMAIN_REST * 2 ** (doublings - 1), MAX_DOMAIN_REST)
            log.info("delivery.domain_rests", domain=domain, until=self._resting[domain].isoformat())

    def _tell(self, mark: Mark) -> None:
        self.counts[mark.result] += 1
        MAILS.add(mark.result)
        if self._on_result:
            self._on_result(mark.delivery, mark.result)
