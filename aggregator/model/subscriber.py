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


#: ``confirm``: is this you? ``known``: you asked again; ``change``: is this your new address? ``changed``: to the old.
LetterKind = Literal["confirm", "known", "change", "changed"]
LetterState = Literal["queued", "sending", "committing", "sent", "failed"]
BounceKind = Literal["hard", "soft", "policy", "complaint", "unsubscribe", "reply", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a subscriber wants of a newsletter beyond the whole of it."""

    #: Of the mail's own words; empty: the newsletter's.
    language: str = ""
    #: Slugs of tags, sorted; empty: all stories.
    topics: tuple[str, ...] = ()

    @property
    def variant(self) -> str:
        """The same for all who wish the same; empty for no wish."""
        return f"{self.language}|{' '.join(sorted(self.topics))}" if self.language or self.topics else ""


def read_variant(variant: str) -> Wishes:
    """The wishes that `Wishes.variant` was made of."""
    language, _, topics = variant.partition("|")
    return Wishes(language=language, topics=tuple(topics.split()))


def get_domain(address: str) -> str:
    """What stands behind the @ of a mail address, lower case."""
    return address.rpartition("@")[2].lower()


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
    #: Which `newsletter.RenderedIssue` it is sent; one that was not rendered means the whole issue.
    variant: str = ""
    #: How often its dot was sent, no answer seen, and it was sent again.
    uncertain: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A rendered e-mail, complete with headers, CRLF line ends, 7-bit."""

    sender: str
    recipient: str
    message_id: str
    data: bytes
