"""What a look at the mail's surroundings found: DNS records and servers, each with a light. Never looks itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

#: Green, yellow, red: as it should be; works, but not as receivers wish; mail will be refused or lost.
Light = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A line to paste into the zone."""

    name: str
    type: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}. {self.type} {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    light: Light
    #: ``SPF``, ``DKIM``, ``DMARC``, ``PTR``, ``MX``, ``server``...
    about: str
    #: The name or address that was asked about.
    name: str
    text: str
    #: What would make it good.
    record: Record | None = None

    def __str__(self) -> str:
        return f"{self.light}: {self.about} of {self.name}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What DNS said: texts of the records of one name and type."""

    records: tuple[str, ...] = ()
    #: Why there is no answer at all (time out, the servers' fault); empty: there is one, maybe of no record.
    failure: str = ""


#: (name, type) -> answer.
Ask = Callable[[str, str], Answer]
