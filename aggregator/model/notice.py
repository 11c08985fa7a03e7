"""What has happened that the editor, or another program, is told of. Never tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

EventKind = Literal[
    "story.new",
    "issue.sent",
    "issue.draft",
    "issue.paused",
    "feed.broken",
    "feed.moved",
    "mail.trouble",
    "disk.low",
]
EVENTS: tuple[EventKind, ...] = get_args(EventKind)
#: What waits for a hand of the editor's: the rest is good to know at most.
URGENT: tuple[EventKind, ...] = EVENTS[2:]
#: It waits, was taken, or was given up.
NoticeState = Literal["waiting", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that has happened, ready to be told."""

    kind: EventKind
    #: What it is about and since when: two of one kind with the same subject are the same, and told once.
    subject: str
    at: datetime
    #: For people, one sentence, and where it is seen; the address is empty where there is no page.
    text: str
    url: str = ""
    #: For programs: JSON values.
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON document of it."""
        return {
            "type": self.kind,
            "timestamp": write_instant(self.at),
            "text": self.text,
            "url": self.url,
            "data": dict(self.data),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An event that waits to be told to one target."""

    id: int
    kind: EventKind
    subject: str
    #: A webhook's address, or ``mail:`` and an address.
    target: str
    #: `Event.body`.
    body: Mapping[str, Any]
    #: Of this one, so far; the one under way included.
    attempts: int
    created_at: datetime


def write_instant(at: datetime) -> str:
    """``2026-11-27T01:17:33Z``."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
