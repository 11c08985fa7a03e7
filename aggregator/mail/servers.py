"""Which of the mail servers is used now: the first, or the second while the first cannot be. Never opens a line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from aggregator.errors import MailError, SenderRefused
from aggregator.log import get_logger
from aggregator.mail.opening import get_place
from aggregator.model.settings import SmtpSettings

log = get_logger(__name__)

#: After so long the first server is tried again while the second one is used.
TRY_AGAIN_SECONDS = 300.0
#: After a login or a certificate that was refused, which time does not mend: servers lock out whoever tries often.
TRY_LOGIN_AGAIN_SECONDS = 3600.0


class Servers:
    """The first server and perhaps a second one; may be asked by several threads."""

    def __init__(self, servers: Sequence[SmtpSettings], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._servers = tuple(servers)
        self._clock = clock
        self._lock = threading.Lock()
        self._used = 0
        self._try_again_at = 0.0
        self._was_refused = False

    def get_used(self) -> SmtpSettings:
        """The server that new lines are opened to."""
        with self._lock:
            return self._servers[self._used]

    def get_due(self) -> SmtpSettings | None:
        """The first server when the second one is used and it is time to try the first again. Says so once."""
        with self._lock:
            if self._used == 0 or self._clock() < self._try_again_at:
                return None
            self._try_again_at = self._clock() + TRY_AGAIN_SECONDS
            return self._servers[0]

    def note_down(self, server: SmtpSettings, error: MailError) -> bool:
        """``server`` cannot be used; whether there is another one to turn to."""
        with self._lock:
            place = get_place(server)
            if server is not self._servers[0]:
                log.error("mail.server_down", server=place, reason=error.text)
                if not self._was_refused:
                    self._used = 0  # both are away: whoever comes next asks both again
                return False
            self._was_refused = isinstance(error, SenderRefused)
            wait = TRY_LOGIN_AGAIN_SECONDS if self._was_refused else TRY_AGAIN_SECONDS
            self._try_again_at = self._clock() + wait
            if len(self._servers) == 1:
                log.error("mail.server_down", server=place, reason=error.text)
                return False
            if self._used == 0:
                log.error("mail.server_changed", server=place, reason=error.text, used=get_place(self._servers[1]))
            self._used = 1
            return True

    def note_up(self, server: SmtpSettings) -> None:
        """A server that was due could be reached."""
        with self._lock:
            if server is self._servers[0] and self._used == 1:
                self._used = 0
                log.info("mail.server_changed", used=get_place(server), reason="the first server answers again")
