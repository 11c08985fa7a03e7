"""The editor's rules about entries, and what they made of one. Never looks at an entry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from aggregator.model.tag import TagEvidence, TagKind

RuleAction = Literal["tag", "drop", "weight", "section", "stop"]
#: What the evidence of a tag begins with that a rule has put.
RULE_EVIDENCE = "rule:"
#: How expressions are compiled, here and where they are checked: bytes that one may take, and its instructions.
EXPRESSION_MEMORY = 2 * 1024 * 1024
MAX_INSTRUCTIONS = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """What one field must hold: any of a few patterns."""

    #: As the editor wrote them.
    written: tuple[str, ...]
    #: All of them as one RE2 expression, to be searched for without regard to case.
    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What is asked of an entry; what is None or empty is not asked."""

    title: Patterns | None = None
    text: Patterns | None = None
    author: Patterns | None = None
    url: Patterns | None = None
    #: BCP 47; a primary tag (``pt``) stands for its regions too (``pt-BR``). Any of them.
    languages: tuple[str, ...] = ()
    #: Slugs; any of them.
    tags: tuple[str, ...] = ()
    #: How old the entry was when it came here.
    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    min_words: int | None = None
    max_words: int | None = None
    min_characters: int | None = None
    max_characters: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose entries: of any of these feeds, or bearing any of these tags; of all when both are empty."""

    tags: tuple[str, ...] = ()
    #: Addresses or titles.
    feeds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Entries of ``scope`` that meet all of ``when`` and nothing of ``unless``, and what is done to them."""

    name: str
    scope: Scope = Scope()
    when: Conditions = Conditions()
    unless: Conditions = Conditions()
    #: (slug, kind) of the tags put on the entry.
    tags: tuple[tuple[str, TagKind], ...] = ()
    drop: bool = False
    weight: float | None = None
    section: str = ""
    #: No later rule is asked.
    stop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All rules in their order."""

    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDecision:
    """One thing that a rule did to an entry; ``value`` is the tag, the weight or the section, else empty."""

    rule: str
    action: RuleAction
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What all rules together made of one entry."""

    #: Those that rules added, each with its evidence.
    tags: tuple[TagEvidence, ...] = ()
    hidden: bool = False
    weight: float = 1.0
    section: str = ""
    #: In the order in which they were taken.
    decisions: tuple[RuleDecision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStep:
    """What one rule said of one entry."""

    rule: str
    holds: bool
    #: Why it does not hold: the entry is not in its scope, does not meet a condition, or meets one that must not be.
    part: Literal["", "scope", "when", "not"] = ""
    #: That condition; of a rule that holds the field whose words are in ``found``.
    condition: str = ""
    found: str = ""
    #: A rule before it that said ``stop``: it was not asked, and would have said this.
    stopped_by: str = ""
