"""Our labels on entries, and the evidence that put them there. Never the publisher's categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TagKind = Literal["org", "product", "topic"]
Field = Literal["title", "text", "category", "feed", "url"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One entry of the taxonomy. ``slug``: lower case, hyphens between words, dots kept (``gpt-4.1``)."""

    slug: str
    kind: TagKind
    name: str
    #: Display names by language (``ja``, ``zh``); ``name`` serves the rest.
    names: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TagEvidence:
    """Why an entry bears a tag: where, which alias, which rule."""

    slug: str
    kind: TagKind
    field: Field
    #: The words found, as they stand in the text.
    found: str
    #: Which rule of the taxonomy matched (``alias``, ``pattern``, ``parent:claude-code``, ``host``, ``feed``), or
    #: of the editor (``rule:`` and its name).
    rule: str
    #: How often, in title and text together.
    count: int = 1

    @property
    def origin(self) -> tuple[str, str]:
        """What put it there, and whose that is: (``parent``, a tag), (``rule``, its name); (``alias``, "") and such."""
        kind, _, whose = self.rule.partition(":")
        return kind, whose

    @property
    def is_speaker(self) -> bool:
        """Whether it is the company itself that speaks: its feed bears the tag, or the entry lies on its own site.

        Of a company that the text names, too, the evidence says only that: ask `pipeline.tag` without the text.
        """
        return self.kind == "org" and self.field in ("feed", "url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """One way to write a tag's name."""

    text: str
    #: True: upper and lower case must match (``Claude``, ``Apple``); False: any case.
    exact_case: bool = False
    #: Only in entries of these languages (BCP 47 primary tags); empty: in all.
    languages: tuple[str, ...] = ()
    #: ``text`` is a regular expression (versioned names, ``GPT-5.6``) that begins with at least two plain characters.
    pattern: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRule:
    """A tag with what puts it on an entry."""

    tag: Tag
    aliases: tuple[Alias, ...] = ()
    #: Tags that this one brings along (``claude-code`` -> ``claude``, ``anthropic``).
    parents: tuple[str, ...] = ()
    #: Words found do not count when one of these stands close by ("apple pie"); a ``*`` at the end takes any ending.
    not_when: tuple[str, ...] = ()
    #: The tag is put only when one of these (or another tag's slug, written ``#slug``) is in the entry too.
    only_with: tuple[str, ...] = ()
    #: The tag is put on entries whose own address is at one of these hosts or beneath it ("openai.com").
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TagRules:
    """The whole taxonomy. Compared by identity, so that a matcher built from it can be kept."""

    rules: tuple[TagRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TagActivity:
    """How often a tag was put on entries, by day, oldest day first."""

    tag: Tag
    by_day: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.by_day)
