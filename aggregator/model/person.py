"""Everything that is kept about one person, and what an import makes of a line. Never mails, never stores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aggregator.model.subscriber import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that gets no mail, and why."""

    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDelivery:
    """An issue that was mailed, or was to be."""

    id: int
    issue_id: int
    newsletter: str
    issue: str
    address: str
    state: str
    reply: str
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLetter:
    """A mail that asked "is this you?" or told of a change."""

    kind: str
    address: str
    state: str
    newsletters: tuple[str, ...]
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBounce:
    """A mail that came back."""

    kind: str
    status: str
    diagnostic: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """All of it."""

    email: str
    #: None: nobody who ever subscribed; only letters or the suppression list know the address.
    since: datetime | None
    suppression: Suppression | None
    subscriptions: tuple[Subscription, ...]
    deliveries: tuple[KeptDelivery, ...]
    letters: tuple[KeptLetter, ...]
    bounces: tuple[KeptBounce, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How many rows went."""

    subscriptions: int
    deliveries: int
    letters: int
    bounces: int


#: What a line of a list is to the database: new; subscribes; ended it; on the list of those who want no mail.
Standing = Literal["new", "known", "left", "suppressed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Somebody to be subscribed, from a checked line."""

    #: Checked, in its normal form.
    email: str
    newsletter: str
    language: str
    #: Sorted.
    topics: tuple[str, ...]
    consent: str
