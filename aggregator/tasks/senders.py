"""Other processes that send the same large issue: one interpreter cannot use two cores. Never sends by itself.

A helper is this program's own ``issues send``. What a killed one had claimed is recovered as after any crash; one that
cannot start leaves its part to the others. It ends when it is asked to, or when who started it is gone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.model.newsletter import Issue
from aggregator.model.subscriber import Delivery
from aggregator.storage import deliveries
from aggregator.tasks.deliver import Sending, deliver_issue, never

log = get_logger(__name__)

#: Starting a process costs half a second: fewer mails than these are faster sent than shared.
MANY = 2_000
#: After they were asked to end; the mailer finishes what is under way within twelve.
END_SECONDS = 20.0
#: While helpers still send and we have nothing more to do, we look so often whether all shall end.
LOOK_SECONDS = 0.5


class Senders:
    """For one issue. ``count`` is how many processes of this machine send it, ourselves included."""

    def __init__(self, app: App, issue: Issue, config: Path | None) -> None:
        """``config``: the file that the helpers read; None: there are none."""
        with app.db.read() as conn:
            waiting = deliveries.sum_waiting(conn, issue.id)
        self._app, self._issue, self._config = app, issue, config
        wanted = app.settings.mail.processes if config is not None and waiting >= MANY else 1
        self.count = max(1, min(wanted, waiting // (MANY // 2)))
        self._helpers: list[subprocess.Popen[bytes]] = []

    def deliver(
        self,
        *,
        is_stopping: Callable[[], bool] = never,
        on_result: Callable[[Delivery, str], None] | None = None,
    ) -> Sending:
        """Send what is due, with the helpers; returns when all have ended. ``on_result`` hears of our own rows only."""

        def is_ending() -> bool:
            if not is_stopping():
                return False
            self._ask_to_end()  # now, not when our own mails are finished: both may take their twelve seconds
            return True

        try:
            for _ in range(self.count - 1):
                self._start()
            done = deliver_issue(self._app, self._issue.id, is_stopping=is_ending, on_result=on_result)
            if not self._helpers:
                return done
            if done.stopped:
                self._ask_to_end()
            self._wait(is_ending)
        finally:
            self._end()
        # What they left or noted last: the issue is closed by who looks after all have ended.
        rest = deliver_issue(self._app, self._issue.id, is_stopping=is_stopping, on_result=on_result)
        return Sending(counts=done.counts + rest.counts, stopped=done.stopped or rest.stopped)

    def _start(self) -> None:
        issue = self._issue
        command = [sys.executable, "-m", "aggregator", "issues", "send", issue.newsletter, "--issue", issue.slug]
        command += ["--config", str(self._config), "--starter", str(os.getpid())]
        log.info("deliver.sender", issue=issue.slug)
        try:
            self._helpers.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
        except OSError as error:
            log.warning("deliver.no_sender", issue=issue.slug, reason=str(error))

    def _ask_to_end(self) -> None:
        for process in self._helpers:
            process.terminate()  # of one that has ended, nothing

    def _wait(self, is_ending: Callable[[], bool]) -> None:
        """Until all have ended, or were asked to."""
        for process in self._helpers:
            while not is_ending():
                try:
                    process.wait(LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue

    def _end(self) -> None:
        """Whatever happened, none is left behind."""
        self._ask_to_end()
        for process in self._helpers:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
