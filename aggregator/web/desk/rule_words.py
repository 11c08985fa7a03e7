"""What the rooms of rules call things: a rule in words, what it shares with others. Never asks anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aggregator.config.words import format_duration
from aggregator.model.rule import Conditions, Rule
from aggregator.web.desk.words import N_, Said, say

#: Of a condition in a trace: the key that stands in the file.
CONDITIONS: Mapping[str, str] = {
    "title": N_("title"),
    "text": N_("text"),
    "author": N_("author"),
    "url": N_("address"),
    "language": N_("language"),
    "tag": N_("tag"),
    "older_than": N_("age"),
    "newer_than": N_("age"),
    "min_words": N_("words of its text"),
    "max_words": N_("words of its text"),
    "min_characters": N_("characters of its text"),
    "max_characters": N_("characters of its text"),
}

CHANGES: Mapping[str, str] = {
    "hide": N_("would go out of sight"),
    "show": N_("would come back into sight"),
    "tag": N_("would bear a tag more"),
    "untag": N_("would lose a tag"),
    "weight": N_("would count otherwise"),
    "section": N_("would be in another section"),
}

CONFLICTS: Mapping[str, str] = {
    "stopped": N_("stands before this one and says stop: this one is not asked"),
    "stops": N_("is not asked any more, because this one says stop"),
    "hidden": N_("hides what this one does something to"),
    "hides": N_("does something to what this one hides"),
    "both_hide": N_("hides these as well"),
    "section": N_("puts these into another section; the later rule wins"),
    "weight": N_("weighs these, too; both weights are multiplied"),
    "tags": N_("puts other tags on these"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One condition: what is asked, and the words of which any will do."""

    said: Said
    values: tuple[str, ...] = ()


def list_scope(rule: Rule) -> list[Clause]:
    """Whose entries; of all: nothing."""
    found = [Clause(said=say(N_("comes from")), values=rule.scope.feeds)] if rule.scope.feeds else []
    return found + ([Clause(said=say(N_("is about")), values=rule.scope.tags)] if rule.scope.tags else [])


def list_conditions(asked: Conditions) -> list[Clause]:
    """In the order of the form."""
    return list(_iter_conditions(asked))


def _iter_conditions(asked: Conditions) -> Iterator[Clause]:
    for patterns, message in (
        (asked.title, N_("has in its title")),
        (asked.text, N_("has in its text")),
        (asked.author, N_("has in its author's name")),
        (asked.url, N_("has in its address")),
    ):
        if patterns is not None:
            yield Clause(said=say(message), values=patterns.written)
    if asked.languages:
        yield Clause(said=say(N_("is in")), values=asked.languages)
    if asked.tags:
        yield Clause(said=say(N_("bears")), values=asked.tags)
    if asked.older_than is not None:
        yield Clause(said=say(N_("was older, when it came, than")), values=(format_duration(asked.older_than),))
    if asked.newer_than is not None:
        yield Clause(said=say(N_("was at most so old, when it came:")), values=(format_duration(asked.newer_than),))
    for number, message in (
        (asked.min_words, N_("has at least %(number)s words")),
        (asked.max_words, N_("has at most %(number)s words")),
        (asked.min_characters, N_("has at least %(number)s characters")),
        (asked.max_characters, N_("has at most %(number)s characters")),
    ):
        if number is not None:
            yield Clause(said=say(message, number=number))


def list_actions(rule: Rule) -> list[Said]:
    """What it does, in the order in which it does it."""
    found = [say(N_("puts the tag %(tag)s on it"), tag=slug) for slug, _ in rule.tags]
    if rule.drop:
        found.append(say(N_("hides it")))
    if rule.weight == 1:
        found.append(say(N_("nothing yet")))
    elif rule.weight is not None:
        found.append(say(N_("weighs it × %(weight)s"), weight=f"{rule.weight:g}"))
    if rule.section:
        found.append(say(N_("puts it into the section %(section)s"), section=rule.section))
    if rule.stop:
        found.append(say(N_("lets no later rule ask")))
    return found
