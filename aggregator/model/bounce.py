"""Mail that came back, understood: what it is, and of which row of ours it speaks. Never punishes anybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from aggregator.model.ids import DeliveryId, SubscriberId
from aggregator.model.subscriber import BounceKind

#: What a return path of ours with a right proof names; empty: no such address was found, and nothing follows.
BounceSubject = Literal["delivery", "letter", "subscription", ""]
BounceOrigin = Literal["maildir", "imap", "smtp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """One returned mail."""

    kind: BounceKind
    about: BounceSubject = ""
    #: The row's number.
    about_id: int = 0
    #: Enhanced status code (RFC 3463); empty: none was found.
    status: str = ""
    #: SMTP reply code; 0: none was found.
    code: int = 0
    #: The other server's words.
    diagnostic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftRule:
    """So many soft bounces of one address within so long are as good as a hard one."""

    limit: int = 5
    within: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What one bounce did."""

    id: int
    kind: BounceKind
    #: Subscriptions that were not ended before.
    ended: int = 0
    #: Whether the address is mailed no more.
    suppressed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBounce:
    """One row, with what it was about as far as that is still there."""

    id: int
    kind: BounceKind
    status: str
    diagnostic: str
    origin: BounceOrigin
    received_at: datetime
    delivery_id: DeliveryId | None
    #: Empty when the mail was no issue's, was not proved, or the person is forgotten.
    address: str
    newsletter: str
    issue: str
    #: None: nobody that is known any more.
    subscriber_id: SubscriberId | None = None
