"""An address, its ties to newsletters, and the deliveries of issues to it. Never sends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aggregator.model.ids import DeliveryId, IssueId, SubscriberId, SubscriptionId

SubscriptionState = Literal["pending", "confirmed", "ended"]
#: ``committing``: the final dot may have been sent, no answer was seen. ``unknown``: so it was found after a crash.
DeliveryState = Literal[
    "queued", "sending", "committing", "sent", "deferred", "failed", "bounced", "suppressed", "unknown"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscriber:
    """A person to add, from the command line or a CSV file."""

    email: str
    newsletter: str
    language: str = ""
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A stored tie between an address and a newsletter."""

    id: SubscriptionId
    subscriber_id: SubscriberId
    email: str
    newsletter: str
    state: SubscriptionState
    #: Random; what tokens and Message-IDs are made of, so that they tell nothing.
    public_id: str
    language: str
    topics: tuple[str, ...]
    consent: str
    created_at: datetime
    ended_at: datetime | None
    ended_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One issue to one subscriber, claimed for sending."""

    id: DeliveryId
    issue_id: IssueId
    subscription_id: SubscriptionId
    public_id: str
    address: str
    state: DeliveryState
    attempts: int
    #: Counts the claims: a worker whose fence is old has lost the row.
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A rendered e-mail, complete with headers, CRLF line ends, 7-bit."""

    sender: str
    recipient: str
    message_id: str
    data: bytes
