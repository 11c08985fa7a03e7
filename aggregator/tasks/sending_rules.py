"""How long a delivery waits, and when it is given up. Never looks at a clock or a row."""

from __future__ import annotations

from datetime import datetime, timedelta

from aggregator.model.newsletter import Issue
from aggregator.model.subscriber import Delivery

#: Longer than a slice takes: it is as large as what was sent of late in a quarter of `PATIENCE`.
LEASE = timedelta(minutes=15)
#: A server may take ten minutes to answer the final dot (RFC 5321 4.5.3.2.6).
ANSWER = timedelta(minutes=12)
#: Rows claimed at a time: at first, and at most.
SLICES = (50, 800)
#: For so many seconds at most claimed rows wait for their turn.
PATIENCE = 60
#: A row whose domain has a limit is looked at again after so long at the latest.
LONGEST_WAIT = timedelta(hours=1)
#: Waits after the first, second... temporary refusal.
RETRIES = (
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=12),
    timedelta(hours=24),
)
#: A row fails for good when all of them are used up and its issue is older than this: tries that our own wrong
#: password cost are not the recipient's fault.
GIVE_UP = timedelta(hours=48)
#: After three temporary refusals in a row a domain is left alone; after three more twice as long.
DOMAIN_REST = timedelta(minutes=5)
MAX_DOMAIN_REST = timedelta(hours=1)
#: When the server refuses us, not a recipient, the issue rests: no login a second. Each time twice as long.
SENDER_PAUSE = timedelta(minutes=15)
MAX_SENDER_PAUSE = timedelta(hours=4)
#: When the line is lost or the server asks for rest (421).
LINE_PAUSE = timedelta(minutes=1)
#: Waits between two tries to note what was sent, in seconds: a mail that is not noted would be sent again.
NOTE_AGAIN = (1.0, 4.0, 10.0)


def get_next_try(row: Delivery, now: datetime) -> datetime:
    """After a try that has failed."""
    return now + RETRIES[min(row.attempts, len(RETRIES)) - 1]


def is_given_up(row: Delivery, issue: Issue, now: datetime) -> bool:
    """Whether a row that is put off once more fails for good."""
    return row.attempts > len(RETRIES) and now >= (issue.frozen_at or issue.slot_at) + GIVE_UP
