"""How mails leave in numbers: what is handed to a mailer, and what it says of each. Never sends, never stores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from aggregator.errors import MailError
from aggregator.model.subscriber import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One mail and the row that it is for."""

    key: int
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one mail: the server's reply when it was accepted, else ``error``."""

    key: int
    reply: str = ""
    #: RecipientRefused, SenderRefused or MailUnavailable: certainly not accepted; MailUncertain: nobody knows.
    error: MailError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What may be sent now; when that is nothing, in how many seconds to ask again (None: there is no more)."""

    mails: tuple[Outgoing, ...] = ()
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What a mailer asks while it sends. The mailer never sends a final dot that ``commit`` did not allow."""

    #: At most so many mails. Called by the thread that sends: it may claim rows, and must not wait for anything else.
    take: Callable[[int], Supply]
    #: One transaction: ``settled`` are noted, and of the rows ``about`` (all but their dot is sent) it returns those
    #: that may get it, noted as ``committing``. The others are taken back by hanging up. Another thread may call it
    #: than the one that sends, never two at once. When it raises, no dot is sent and sending ends with the error.
    commit: Callable[[Sequence[int], Sequence[Outcome]], Collection[int]]
    #: Whether to end: what is under way is finished, nothing more is taken.
    is_stopping: Callable[[], bool]
