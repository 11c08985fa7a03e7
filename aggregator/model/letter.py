"""A mail to one person that is no issue: is this you? Never sends, never decides who gets one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aggregator.model.subscriber import LetterKind, LetterState


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a wish came from: evidence of consent, and what the caps count."""

    #: Of the asker's network, made with our key: tells nobody who it was.
    network_hash: str = ""
    #: Which text of the form the person saw.
    form: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLetter:
    """A letter to queue."""

    kind: LetterKind
    address: str
    newsletters: tuple[str, ...]
    language: str = ""
    topics: tuple[str, ...] = ()
    #: Whose address changes.
    subscriber_id: int | None = None
    origin: Origin = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A stored one."""

    id: int
    public_id: str
    kind: LetterKind
    address: str
    subscriber_id: int | None
    newsletters: tuple[str, ...]
    language: str
    topics: tuple[str, ...]
    origin: Origin
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    state: LetterState
    attempts: int
