"""One mail by itself: a ledger of one row. Never decides what follows from the answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from aggregator.errors import MailUnavailable
from aggregator.model.mailing import Ledger, Outcome, Outgoing, Supply
from aggregator.model.subscriber import Message


def send_one(
    deliver: Callable[[Ledger], str], message: Message, about_to_commit: Callable[[], object] = lambda: None
) -> str:
    """Hand ``message`` to ``deliver`` (a mailer's) and return the server's words.

    Calls ``about_to_commit`` just before the mail can count as accepted; its exception passes and nothing is sent.
    Raises the `MailError` that became of it instead.
    """
    supplies = [Supply(mails=(Outgoing(key=0, message=message),))]
    outcomes: list[Outcome] = []

    def commit(about: Sequence[int], settled: Sequence[Outcome]) -> Collection[int]:
        if about:
            about_to_commit()
        outcomes.extend(settled)
        return about

    deliver(Ledger(take=lambda _: supplies.pop() if supplies else Supply(), commit=commit, is_stopping=lambda: False))
    if not outcomes:
        raise MailUnavailable(0, "the mail was not sent")
    if outcomes[0].error is not None:
        raise outcomes[0].error
    return outcomes[0].reply
