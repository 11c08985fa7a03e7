"""Many mails over a few lines at once: one thread serves all lines, one asks the ledger. Never decides who gets what.

The order that the ledger is promised, on each line:

1. a mail's envelope and text are sent, all but the final dot;
2. `Ledger.commit` allows it, in one transaction with what became of that line's mail before;
3. the dot is sent, and with it the envelope of the next mail;
4. the answer is heard, and goes into the next commit.

So a kill leaves at most one mail of each line in doubt. What is lost before the dot was certainly not accepted, and is
tried on another line before anybody hears of it.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Callable

from aggregator.errors import MailError, MailUnavailable, SenderRefused
from aggregator.log import get_logger
from aggregator.mail.committer import Answer, Committer
from aggregator.mail.conversation import Conversation, Held
from aggregator.mail.lines import Lines
from aggregator.mail.replies import ACCEPTED
from aggregator.mail.servers import Servers
from aggregator.model.mailing import Ledger, Outcome
from aggregator.model.settings import SmtpSettings

log = get_logger(__name__)

#: The serving thread looks around at least so often: at `Ledger.is_stopping`, and at lines that take too long.
LOOK_SECONDS = 1.0
#: A mail that has collected so many on new lines is settled as MailUnavailable: five for a line that was lost without a
#: word, so that the mail is the likely cause; one where the server said that it is about itself.
MAX_STRIKES = 10
STRIKES_FOR_LOST, STRIKES_FOR_TOLD = 5, 1
#: So many lines in a row that were lost without a mail accepted on them: the server is as good as away.
MAX_BARREN = 3
#: What is under way when the ledger stops has so long to finish.
STOP_SECONDS = 12.0
#: So long the answers to QUIT are waited for.
GOODBYE_SECONDS = 2.0
#: So long a commit waits for further lines, at most: as long as the last one took.
GATHER_SECONDS = 0.005
#: So much longer while the lines that are missing wait for their mails to be written.
WRITE_SECONDS = 0.05
#: A ledger that has nothing now is not asked again before this.
LEAST_WAIT_SECONDS = 0.01
#: Mails asked of the ledger at a time: each costs a signature, and the lines wait meanwhile.
_TAKE = 4

NOTHING_DUE = "nothing more is due"
STOPPED = "asked to stop"
_NEVER = float("inf")


class Engine:
    """One run: made, `run` once, thrown away. Listens to its conversations."""

    def __init__(self, ledger: Ledger, servers: Servers, get_tls: Callable[[], ssl.SSLContext]) -> None:
        self._ledger, self._servers = ledger, servers
        self._lines = Lines(servers, get_tls, self)
        self._committer = Committer(ledger.commit, self._lines.waker)
        #: Taken from the ledger, and on no line.
        self._waiting: deque[Held] = deque()
        #: Row -> the line on which its dot waits; `_asked`: those that the ledger is being asked about.
        self._ready: dict[int, Conversation] = {}
        self._asked: dict[int, Conversation] = {}
        #: What the ledger has not heard yet; `_noting`: what it is being told.
        self._settled: list[Outcome] = []
        self._noting: list[Outcome] = []
        self._barren = 0
        self._is_dry = False
        self._take_at = 0.0
        #: Lines wait for mails that are being written: it is our own work that takes the time.
        self._is_writing = False
        #: Until then a commit waits for lines that are not ready yet.
        self._ask_at = 0.0
        self._look_at = 0.0
        self._look_seconds = min(LOOK_SECONDS, self._lines.used.timeout_seconds)
        #: Why nothing more is begun; empty: it goes on.
        self._ended = ""
        self._end_by = _NEVER
        self._error: BaseException | None = None
        self._cannot_commit = False

    def run(self) -> str:
        """Send until the ledger has no more or stops; what is under way then is finished. Return why it ended.

        Raises SenderRefused or MailUnavailable when no server takes mail, and what the ledger raised.
        """
        try:
            while not self._is_finished():
                self._serve(self._get_patience())
                self._look_around()
                self._take()
                self._hand_out()
                self._ask_ledger()
            self._lines.part_from_all(GOODBYE_SECONDS)
        finally:
            self._close()
        if self._error is not None:
            raise self._error
        return self._ended

    # What the conversations say

    def on_ready(self, conversation: Conversation) -> None:
        """Ask for the dot at the next opportunity."""
        assert conversation.mail is not None
        self._ready[conversation.mail.key] = conversation

    def on_settled(self, outcome: Outcome) -> None:
        """Tell the ledger with the next commit."""
        self._settled.append(outcome)
        if outcome.error is None:
            self._barren = 0
            ACCEPTED.inc()
        elif isinstance(outcome.error, SenderRefused):
            self._end_with(outcome.error)

    def on_lost(self, conversation: Conversation, error: MailError, *, was_in_doubt: bool) -> None:
        """Try its mail elsewhere, if the ledger has not been asked about it yet."""
        self._lines.forget(conversation)
        if conversation.is_leaving:
            return
        log.info("mail.line_lost", server=conversation.place, reason=error.text, accepted=conversation.accepted)
        held = conversation.mail
        if (held is not None or was_in_doubt) and not conversation.accepted:
            self._barren += 1
        if held is not None and held.key not in self._asked:  # else it is settled when the ledger has answered
            conversation.mail = None
            self._ready.pop(held.key, None)
            if not (was_in_doubt or conversation.accepted):  # such a line may be lost for any reason
                held.strikes += STRIKES_FOR_TOLD if error.code else STRIKES_FOR_LOST
            if held.strikes >= MAX_STRIKES:
                self.on_settled(Outcome(key=held.key, error=error))
            else:
                self._waiting.appendleft(held)
        if self._barren >= MAX_BARREN:
            self._leave(conversation.settings, error)

    # What happens in each turn

    def _serve(self, seconds: float) -> None:
        self._lines.wait(seconds)
        if (answer := self._committer.take_answer()) is not None:
            self._hear_ledger(answer)
        while (failed := self._lines.welcome()) is not None:
            server, error = failed
            if not isinstance(error, MailError):
                self._end_with(error)
            elif not self._ended:
                self._leave(server, error)

    def _look_around(self) -> None:
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + self._look_seconds
        if self._end_by == _NEVER and self._is_stopping():
            self._ended = self._ended or STOPPED
            self._end_by = now + STOP_SECONDS
        for conversation in self._lines:
            if now >= conversation.deadline:
                conversation.lose("no answer in time")
            elif now >= self._end_by:
                conversation.lose("no answer in the time left for it")
        if self._waiting:
            self._lines.try_more(now)

    def _is_stopping(self) -> bool:
        try:
            return self._ledger.is_stopping()
        except Exception as error:  # noqa: BLE001  (raised when what is under way is finished)
            self._end_with(error)
            return False

    def _take(self) -> None:
        """Have a mail at hand for each line that will soon be free."""
        wanted = max(len(self._lines), 1) - len(self._waiting)
        self._is_writing = False
        if wanted <= 0 or self._is_dry or self._ended or time.monotonic() < self._take_at:
            return
        try:
            supply = self._ledger.take(min(wanted, _TAKE))
        except Exception as error:  # noqa: BLE001  (raised when what is under way is finished)
            self._end_with(error)
            return
        self._waiting += map(Held, supply.mails)
        self._is_writing = wanted > len(supply.mails) > 0
        if not supply.mails:
            self._is_dry = supply.wait_seconds is None
            self._take_at = time.monotonic() + max(supply.wait_seconds or 0.0, LEAST_WAIT_SECONDS)

    def _hand_out(self) -> None:
        """Give mails to lines that have room, and open lines for those that are left."""
        if self._ended:
            self._waiting.clear()  # untouched: they are the ledger's again
            self._end_lines()
            return
        self._lines.use_current_server()
        for conversation in self._lines:
            if conversation.settings is not self._lines.used:
                if conversation.is_idle:
                    self._lines.part_from(conversation)
            elif self._waiting and conversation.can_begin:
                conversation.begin(self._waiting.popleft())
                self._lines.watch(conversation)
        if self._waiting:
            self._lines.open_for(len(self._waiting))

    def _ask_ledger(self) -> None:
        """Begin a commit, for as many lines as will be ready very soon: it costs little more than one for a single."""
        if not self._committer.is_idle or self._cannot_commit or not (self._ready or self._settled):
            return
        gather_until = self._ask_at + (WRITE_SECONDS if self._is_writing else 0.0)
        if len(self._ready) < len(self._lines) and time.monotonic() < gather_until:
            return
        self._asked, self._ready = self._ready, {}
        self._noting, self._settled = self._settled, []
        self._committer.ask(tuple(self._asked), self._noting)

    def _hear_ledger(self, answer: Answer) -> None:
        """Send the dots that are allowed; hang up on the others, which takes their mails back."""
        if answer.error is not None:
            self._cannot_commit = True
            self._settled = self._noting + self._settled
            self._end_with(answer.error)
        allowed = set(answer.allowed)
        self._ask_at = time.monotonic() + min(answer.seconds, GATHER_SECONDS)
        for key in answer.about:
            conversation = self._asked.pop(key)
            if key not in allowed:
                conversation.mail = None
                self._lines.hang_up(conversation)
            elif conversation.is_closed:
                error = MailUnavailable(0, f"{conversation.place}: the line was lost before the final dot")
                self.on_settled(Outcome(key=key, error=error))
            else:
                is_going_on = conversation.is_pipelining and conversation.settings is self._lines.used
                has_next = is_going_on and self._waiting and not self._ended
                conversation.finish(self._waiting.popleft() if has_next else None)
                self._lines.watch(conversation)

    def _get_patience(self) -> float:
        now, until = time.monotonic(), self._look_at
        if (self._ready or self._settled) and self._committer.is_idle:
            until = min(until, self._ask_at)
        if not self._is_dry and not self._ended and len(self._waiting) < max(len(self._lines), 1):
            until = min(until, self._take_at)
        return max(0.0, until - now)

    # The end

    def _leave(self, server: SmtpSettings, error: MailError) -> None:
        """Turn to the other server, or end when there is none; mails without a dot are taken back."""
        self._barren = 0
        for conversation in self._lines:
            held = conversation.mail
            if conversation.settings is server and conversation.doubtful is None and held is not None:
                if held.key not in self._asked:
                    conversation.mail = None
                    self._ready.pop(held.key, None)
                    self._waiting.appendleft(held)
                self._lines.hang_up(conversation)
        if not self._servers.note_down(server, error):
            self._end_with(error)

    def _end_with(self, error: BaseException) -> None:
        """Take nothing more; `run` raises the error when what is under way is finished."""
        self._ended = self._ended or str(error)
        if self._error is None:
            self._error = error

    def _end_lines(self) -> None:
        """Let go of the lines on which nothing is under way, or nothing that may still be finished."""
        for conversation in self._lines:
            if conversation.is_idle:
                self._lines.part_from(conversation)
            elif self._cannot_commit and conversation.doubtful is None:
                self._lines.hang_up(conversation)

    def _is_finished(self) -> bool:
        if not self._ended and not (self._is_dry and not self._waiting):
            return False
        if not self._committer.is_idle or (self._settled and not self._cannot_commit):
            return False
        if not all(line.is_idle for line in self._lines):
            return False
        self._ended = self._ended or NOTHING_DUE
        return True

    def _close(self) -> None:
        """Whatever happened: what was heard is noted, and nothing stays open."""
        try:
            self._note_last()
        finally:
            self._committer.close()
            self._lines.close()

    def _note_last(self) -> None:
        """Only after an error or an interruption there is something left to note."""
        if not self._committer.is_idle:
            answer = self._committer.wait()
            if answer.error is not None:
                self._settled = self._noting + self._settled
            error = MailUnavailable(0, "sending was interrupted before the final dot")
            self._settled += [Outcome(key=key, error=error) for key in answer.allowed]
        for conversation in self._lines:
            if conversation.doubtful is not None:
                conversation.lose("sending was interrupted")
        if self._settled:
            self._committer.ask((), self._settled)
            answer = self._committer.wait()
            self._error = self._error or answer.error
