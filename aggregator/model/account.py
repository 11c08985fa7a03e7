"""Who works at the desk, and what was done there. Never holds a password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from aggregator.model.ids import AccountId

#: An editor decides; a viewer looks.
Role = Literal["editor", "viewer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person who may log in."""

    id: AccountId
    #: As it is typed at the login, in lower case.
    name: str
    role: Role
    #: BCP 47, of the desk's own words; empty: the site's.
    language: str = ""
    created_at: datetime
    #: When the password was set.
    changed_at: datetime

    @property
    def may_edit(self) -> bool:
        """Whether the account may change anything."""
        return self.role == "editor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of the audit log."""

    id: int
    at: datetime
    #: Name of the account; ``command`` for what was done by command line.
    who: str
    #: What was done, by the name of the action: ``issue.edit``.
    action: str
    #: What it was done to: ``issue:12``, ``feed:3``.
    subject: str
    #: For people: the subject's name or title when it was done.
    title: str
    #: What stood there, and what stands there since: JSON values; None: nothing, or nothing that can be put back.
    before: Any = None
    after: Any = None
    #: The line that took it back.
    undone_by: int | None = None

    @property
    def number(self) -> int:
        """Of what it was done to: 12 of ``issue:12``."""
        return int(self.subject.partition(":")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a program shows instead of a login; the secret itself is not kept."""

    id: int
    label: str
    role: Role
    created_at: datetime
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the desk says in place of, or beside, a section of the configuration."""

    name: str
    value: Any
    made_at: datetime
    made_by: str


#: By name of the section.
DeskSettings = Mapping[str, Setting]
