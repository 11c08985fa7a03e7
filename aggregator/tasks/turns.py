"""The job ``deliver``: issues that are due go out in turn; where many mails wait, one more process is asked to help.
Never sends by itself.

Each process asks the next, so as many help as are free; the ledger's rows are leased, so that nothing is sent twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.log import get_logger
from aggregator.model.newsletter import Issue
from aggregator.storage import deliveries, issues
from aggregator.tasks.deliver import is_paused
from aggregator.tasks.senders import MANY, Senders

log = get_logger(__name__)

#: Where several issues are being sent, each has so long before the next one's turn.
TURN_SECONDS = 120.0
#: So many processes send at one time, where several share the queue; each opens lines of its own.
MOST_SENDING = 64
#: One is asked again so often: an idle process may have come, or who was asked sends already.
ASK_SECONDS = 2.0
#: One process alone sends so many mails a second at least; a ``mail.rate`` below that needs no other.
ALONE = 500.0


class Turns:
    """Of one process."""

    def __init__(self, app: App, config: Path | None, pause: Callable[[float], bool]) -> None:
        """``config``: the file for helpers on this machine (`Senders`)."""
        self._app, self._config, self._pause = app, config, pause
        self._lock = threading.Lock()
        self._running = 0

    def run(self, number: int = 1) -> None:
        """``number``: how many send by then, ourselves included. Only the first has helpers on its machine.

        The others are here for their processors: nothing to do where this process sends already.
        """
        with self._lock:
            if number > 1 and self._running:
                return
            self._running += 1
        try:
            if number == 1 or not is_paused(self._app):
                self._run(number)
        finally:
            with self._lock:
                self._running -= 1

    def _run(self, number: int) -> None:
        with self._app.db.read() as conn:
            due = [
                issue
                for found in deliveries.find_due_issues(conn, now=self._app.now())
                if (issue := issues.get_by_id(conn, found))
            ]
        for issue in due:
            if self._pause(0):
                return
            try:
                self._send(issue, number, monotonic() + TURN_SECONDS if len(due) > 1 else None)
            except StorageError:
                raise
            except Exception:
                log.exception("issue.not_delivered", issue=issue.slug)  # the other issues go on

    def _send(self, issue: Issue, number: int, until: float | None) -> None:
        ask_at = monotonic()

        def is_stopping() -> bool:
            nonlocal ask_at
            if self._pause(0) or (until is not None and monotonic() > until):
                return True
            if monotonic() >= ask_at:
                ask_at = monotonic() + ASK_SECONDS
                with suppress(StorageError):  # it is we who send; whoever comes later is asked later
                    ask_one_more(self._app, issue, number)
            return False

        Senders(self._app, issue, self._config if number == 1 else None).deliver(is_stopping=is_stopping)


def ask_one_more(app: App, issue: Issue, number: int) -> None:
    """For the ``number``-th that sends: while many rows wait that nobody has claimed, one beside it would help."""
    if not app.queue.is_shared or number >= MOST_SENDING or 0 < app.settings.mail.rate <= number * ALONE:
        return
    with app.db.read() as conn:
        are_many = deliveries.has_due(conn, issue.id, MANY, now=app.now())
    if are_many and not is_paused(app):
        app.queue.defer("deliver", key=f"deliver-{number + 1}", number=number + 1)
