"""What the editor's rules make of an entry: tags, out of sight or not, weight, section. Never reads a clock.

Each expression is searched for once an entry, in at most `TEXT_LIMIT` characters, by RE2, whose time is linear in both:
no text and no expression can make it slow. The same entry and rules always give the same verdict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

from aggregator.model.rule import (
    EXPRESSION_MEMORY,
    RULE_EVIDENCE,
    Conditions,
    Patterns,
    Rule,
    RuleDecision,
    Rules,
    RuleStep,
    Scope,
    Verdict,
)
from aggregator.model.tag import Field, TagEvidence

#: To be raised when `decide` reads the same rules otherwise: stored entries are judged again then.
READING = 1
#: What stands further down is not searched, in characters.
TEXT_LIMIT = 50_000
LINE_LIMIT = 2_000
#: Of the words found that evidence quotes.
_QUOTED = 80
#: What was found in an entry that is looked at again and again; then it is searched anew.
_MOST_FOUND = 500
#: Rules multiply weights; beyond this nothing is gained.
MAX_WEIGHT = 100.0
#: Scripts that are written without spaces, or join endings to words: a character is counted as half a word.
_WIDE = (("\u3040", "\u30ff"), ("\u3400", "\u9fff"), ("\uac00", "\ud7af"), ("\u0e00", "\u0eff"))
#: Full-width letters and signs as plain ones, odd spaces as spaces: one character for one.
_PLAIN = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | dict.fromkeys((0xA0, 0x2009, 0x202F, 0x3000), 0x20)

FieldName = Literal["title", "text", "author", "url"]
_FIELDS: tuple[FieldName, ...] = ("title", "text", "author", "url")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSubject:
    """What rules look at of one entry, all of it plain text."""

    title: str
    text: str
    author: str
    url: str
    #: BCP 47, or ``und``.
    language: str
    #: By the taxonomy, without any that a rule put there.
    tags: tuple[TagEvidence, ...]
    #: All that its feed is known by: addresses and title.
    feed_names: tuple[str, ...]
    #: When its publisher says that it was published; None: not at all.
    published_at: datetime | None
    first_seen_at: datetime


def decide(subject: RuleSubject, rules: Rules) -> Verdict:
    """Ask every rule in its order, until one that holds says ``stop``.

    A tag that a rule puts is there for the rules after it. Weights multiply, the last section stays, and what one rule
    has dropped no other brings back (let an earlier one stop).
    """
    return judge(Sight(subject), rules) if rules.rules else Verdict()


def judge(sight: Sight, rules: Rules) -> Verdict:
    """As `decide`, of an entry that is looked at more than once."""
    sight.forget_rules()
    added: list[TagEvidence] = []
    decisions: list[RuleDecision] = []
    weight, section, hidden = 1.0, "", False
    for rule in rules.rules:
        if _find_objection(rule, sight)[0]:
            continue
        for tag in _make_tags(rule, sight):
            sight.tags.add(tag.slug)
            added.append(tag)
        decisions += _list_decisions(rule)
        hidden = hidden or rule.drop
        section = rule.section or section
        if rule.weight is not None:
            weight = min(weight * rule.weight, MAX_WEIGHT)
        if rule.stop:
            break
    return Verdict(tags=tuple(added), hidden=hidden, weight=weight, section=section, decisions=tuple(decisions))


def _list_decisions(rule: Rule) -> Iterator[RuleDecision]:
    for slug, _ in rule.tags:
        yield RuleDecision(rule=rule.name, action="tag", value=slug)
    if rule.drop:
        yield RuleDecision(rule=rule.name, action="drop")
    if rule.weight is not None:
        yield RuleDecision(rule=rule.name, action="weight", value=f"{rule.weight:g}")
    if rule.section:
        yield RuleDecision(rule=rule.name, action="section", value=rule.section)
    if rule.stop:
        yield RuleDecision(rule=rule.name, action="stop")


@dataclass(slots=True)
class Sight:
    """One entry as the rules see it; what costs something is made when it is first asked for."""

    subject: RuleSubject
    #: Those of the taxonomy, and of the rules that were asked so far.
    tags: set[str] = field(default_factory=set)
    feed_names: frozenset[str] = frozenset()
    _bytes: dict[FieldName, bytes] = field(default_factory=dict)
    _length: tuple[int, int] | None = None
    _found: dict[tuple[FieldName, str], str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.forget_rules()
        self.feed_names = frozenset(name.casefold() for name in self.subject.feed_names)

    def forget_rules(self) -> None:
        """No rule has been asked."""
        self.tags = {tag.slug for tag in self.subject.tags}

    def find(self, name: FieldName, patterns: Patterns) -> str | None:
        """What was found in a field, in a few characters; None when nothing was."""
        key = (name, patterns.expression)
        if key not in self._found:
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[key] = _find(patterns, self.get_bytes(name))
        return self._found[key]

    def get_bytes(self, name: FieldName) -> bytes:
        """The field as it is searched: cut, made plain, UTF-8."""
        if name not in self._bytes:
            self._bytes[name] = prepare_text(getattr(self.subject, name), TEXT_LIMIT if name == "text" else LINE_LIMIT)
        return self._bytes[name]

    def count(self) -> tuple[int, int]:
        """(words, characters) of the text, however long it is."""
        if self._length is None:
            self._length = count_text(self.subject.text)
        return self._length

    def get_age(self) -> timedelta:
        """How old it was when it came; without a date it had just been written."""
        published = self.subject.published_at
        return self.subject.first_seen_at - published if published else timedelta()


def prepare_text(text: str, limit: int) -> bytes:
    """At most ``limit`` characters of ``text`` as expressions are searched for in it."""
    cut = text[:limit]
    return (cut if cut.isascii() else cut.translate(_PLAIN)).encode("utf-8", "replace")


def count_text(text: str) -> tuple[int, int]:
    """(words, characters without spaces). Of scripts without spaces two characters count as a word."""
    pieces = text.split()
    characters = sum(map(len, pieces))
    if text.isascii():
        return len(pieces), characters
    wide = sum(1 for character in text if character >= "\u0e00" and any(a <= character <= b for a, b in _WIDE))
    spaced = sum(1 for piece in pieces if not _is_wide(piece))
    return spaced + (wide + 1) // 2, characters


def _is_wide(piece: str) -> bool:
    return any(a <= character <= b for character in (piece[0], piece[-1]) for a, b in _WIDE)


def _find_objection(rule: Rule, sight: Sight) -> tuple[Literal["", "scope", "when", "not"], str]:
    """Why a rule does not hold: the part of it, and which condition; two empty texts: it holds."""
    if not _is_in_scope(rule.scope, sight):
        return "scope", ""
    for name, holds in _iter_answers(rule.when, sight):
        if not holds:
            return "when", name
    for name, holds in _iter_answers(rule.unless, sight):
        if holds:
            return "not", name
    return "", ""


def _is_in_scope(scope: Scope, sight: Sight) -> bool:
    if not scope.tags and not scope.feeds:
        return True
    named = any(name.casefold() in sight.feed_names for name in scope.feeds)
    return named or any(slug in sight.tags for slug in scope.tags)


def _iter_answers(asked: Conditions, sight: Sight) -> Iterator[tuple[str, bool]]:
    """Of each condition that is asked whether it holds; what costs least comes first."""
    if asked.languages:
        yield "language", any(_speaks(sight.subject.language, language) for language in asked.languages)
    if asked.tags:
        yield "tag", any(slug in sight.tags for slug in asked.tags)
    if asked.older_than is not None:
        yield "older_than", sight.get_age() > asked.older_than
    if asked.newer_than is not None:
        yield "newer_than", sight.get_age() <= asked.newer_than
    for name in _FIELDS:
        patterns: Patterns | None = getattr(asked, name)
        if patterns is not None:
            yield name, sight.find(name, patterns) is not None
    if asked.min_words is not None:
        yield "min_words", sight.count()[0] >= asked.min_words
    if asked.max_words is not None:
        yield "max_words", sight.count()[0] <= asked.max_words
    if asked.min_characters is not None:
        yield "min_characters", sight.count()[1] >= asked.min_characters
    if asked.max_characters is not None:
        yield "max_characters", sight.count()[1] <= asked.max_characters


def _speaks(spoken: str, asked: str) -> bool:
    spoken, asked = spoken.lower(), asked.lower()
    return spoken == asked or spoken.startswith(f"{asked}-")


def _find(patterns: Patterns, text: bytes) -> str | None:
    """What was found, in a few characters; None when nothing was."""
    found = compile_expression(patterns.expression).search(text)
    if found is None:
        return None
    words: str = found.group()[: _QUOTED * 4].decode("utf-8", "ignore")
    return " ".join(words.split())[:_QUOTED].strip(" \"'()[]{}<>,.;:!?-")


@lru_cache(maxsize=2_000)
def compile_expression(expression: str) -> Any:
    """An RE2 expression as rules search for it: whatever the case, bounded in memory. Raises `re2.error`."""
    import re2

    options = re2.Options()
    options.log_errors = False  # or it writes to standard error
    options.case_sensitive = False
    options.never_capture = True
    options.max_mem = EXPRESSION_MEMORY
    return re2.compile(expression, options)


def _make_tags(rule: Rule, sight: Sight) -> Sequence[TagEvidence]:
    """Those that the entry does not bear yet."""
    wanted = [(slug, kind) for slug, kind in rule.tags if slug not in sight.tags]
    if not wanted:
        return ()
    where, found = _find_reason(rule, sight)
    return [
        TagEvidence(slug=slug, kind=kind, field=where, found=found, rule=f"{RULE_EVIDENCE}{rule.name}")
        for slug, kind in wanted
    ]


def _find_reason(rule: Rule, sight: Sight) -> tuple[Field, str]:
    """The strongest field that the rule looked at, and the words in it."""
    fields: tuple[Literal["title", "text", "url"], ...] = ("title", "text", "url")
    for name in fields:
        patterns: Patterns | None = getattr(rule.when, name)
        if patterns is not None:
            return name, sight.find(name, patterns) or ""
    return "feed", ""


def trace(sight: Sight, rules: Rules) -> tuple[RuleStep, ...]:
    """What became of each rule when it was asked about this entry, and what of those that a ``stop`` kept from it."""
    sight.forget_rules()
    steps: list[RuleStep] = []
    stopped = ""
    for rule in rules.rules:
        step = _look(rule, sight, stopped)
        steps.append(step)
        if step.holds and not stopped:
            sight.tags |= {slug for slug, _ in rule.tags}
            stopped = rule.name if rule.stop else ""
    sight.forget_rules()
    return tuple(steps)


def _look(rule: Rule, sight: Sight, stopped: str) -> RuleStep:
    part, condition = _find_objection(rule, sight)
    found = ""
    if part == "not":
        found = _quote(rule.unless, condition, sight)
    elif not part:
        condition = next((name for name in _FIELDS if getattr(rule.when, name) is not None), "")
        found = _quote(rule.when, condition, sight)
    return RuleStep(rule=rule.name, holds=not part, part=part, condition=condition, found=found, stopped_by=stopped)


def _quote(asked: Conditions, name: str, sight: Sight) -> str:
    """The words that a pattern of this field found."""
    for known in _FIELDS:
        patterns: Patterns | None = getattr(asked, known)
        if known == name and patterns is not None:
            return sight.find(known, patterns) or ""
    return ""


def get_fingerprint(rules: Rules) -> str:
    """Another text when other verdicts may be given; empty when there is no rule."""
    return hashlib.sha256(f"{READING} {rules!r}".encode()).hexdigest() if rules.rules else ""
