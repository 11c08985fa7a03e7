"""What the editor cares for: as written in the configuration, and what was made of it. Never applied here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

InterestKind = Literal["tag", "feed", "word"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interests:
    """`interests:` of the configuration."""

    #: A few sentences in plain words; empty: none.
    text: str = ""
    #: Word or words -> points, each as the editor wrote it.
    words: tuple[tuple[str, float], ...] = ()
    #: Tag slug or feed address -> points.
    points: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """One thing that the editor cares for, or wants less of (``points`` below 0)."""

    #: The tag's slug, the feed's address, or the words in lower case.
    name: str
    kind: InterestKind
    points: float
    #: The words of the paragraph that it was made of; empty: the editor set its points.
    said: str = ""
