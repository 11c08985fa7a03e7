"""One lane of the job queue in numbers: how much waits in it, and how long. Never a job itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Jobs that are taken in turn by the same threads."""

    name: str
    #: Whose turn has come: whoever is free takes them.
    waiting: int
    #: Whose time has not come, or of whose key another one runs.
    later: int
    running: int
    #: Since when the first of those that wait could have been taken; 0: none waits.
    oldest_seconds: float
