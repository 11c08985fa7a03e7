"""How long things about people are kept. The privacy page, `db prune` and the daemon all read it here."""

from __future__ import annotations

from datetime import timedelta

#: One row for each issue and subscriber, with the address that it went to.
DELIVERIES_DAYS = 400
#: What came back, with the mail itself.
BOUNCES_DAYS = 400
#: A link that asks "is this you?" can be followed for so long,
CONFIRM_HOURS = 72
#: and the caps on such letters look back so far.
CAPS_DAYS = 30
#: Letters, and people who never confirmed.
UNCONFIRMED_DAYS = CAPS_DAYS + CONFIRM_HOURS // 24
FETCH_LOG_DAYS = 90
#: Who was told of what has happened.
NOTICES_DAYS = 90

DELIVERIES = timedelta(days=DELIVERIES_DAYS)
BOUNCES = timedelta(days=BOUNCES_DAYS)
UNCONFIRMED = timedelta(days=UNCONFIRMED_DAYS)
FETCH_LOG = timedelta(days=FETCH_LOG_DAYS)
NOTICES = timedelta(days=NOTICES_DAYS)
