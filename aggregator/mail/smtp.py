"""Mail to a server over SMTP. Never decides about a delivery: it says what the server said.

Our own conversation, because the ledger needs the moment before the final dot: everything up to it can be taken back
by hanging up, nothing after it can (RFC 1047).
"""

from __future__ import annotations

import ssl
import threading

from aggregator.mail.engine import Engine
from aggregator.mail.opening import check_line
from aggregator.mail.servers import Servers
from aggregator.model.mailing import Ledger
from aggregator.model.settings import SmtpSettings


class SmtpMailer:
    """Opens its lines when there is something to send, and closes them when there is no more."""

    def __init__(
        self, first: SmtpSettings, second: SmtpSettings | None = None, *, tls_context: ssl.SSLContext | None = None
    ) -> None:
        """``second`` is used while ``first`` cannot be. ``tls_context``: whom to trust; None: as the machine does."""
        self._all = (first,) if second is None else (first, second)
        self._servers = Servers(self._all)
        self._tls_context = tls_context
        self._tls_lock = threading.Lock()

    def deliver(self, ledger: Ledger) -> str:
        """Send what ``ledger`` gives until it has no more or stops; return why it ended.

        Raises SenderRefused when the server refuses us (or a mail for what we are; that outcome is committed),
        MailUnavailable when no server can be used, and what the ledger raised. In each case what was under way is
        finished and committed; a mail that was taken and neither allowed nor settled is as if it had not been taken.
        """
        return Engine(ledger, self._servers, self._get_tls_context).run()

    def check(self) -> str:
        """Connect to each server, say hello, log in and quit; return a sentence about it. Raises MailError."""
        tls = self._get_tls_context()
        return "; ".join(check_line(server, tls) for server in self._all)

    def close(self) -> None:
        """Nothing is held open between deliveries."""

    def _get_tls_context(self) -> ssl.SSLContext:
        with self._tls_lock:
            if self._tls_context is None:
                self._tls_context = ssl.create_default_context()
            return self._tls_context
