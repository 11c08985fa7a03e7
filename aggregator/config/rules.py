"""The shape of `rules:`, for all entries or for those of one feed, and the `Rules` made of it. Never applies one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, model_validator

from aggregator.config import patterns
from aggregator.config.document import Document, Location
from aggregator.config.kinds import SWITCH, Kind, Unfit, number, read_text, text, whole
from aggregator.config.patterns import PATTERN, make_patterns
from aggregator.config.section import Section
from aggregator.config.words import DURATION, LANGUAGE, TAG, hide_credentials
from aggregator.model import rule as made
from aggregator.model.tag import TagKind

Pattern = Annotated[str, PATTERN]
Patterns = tuple[Pattern, ...]
_COUNT = whole("a length", least=0, most=10_000_000)
_FIELDS = ("title", "text", "author", "url")
_ACTIONS = ("tag", "drop", "weight", "section", "stop")
_CONTRADICTIONS = (
    ("newer_than", "older_than", "more"),
    ("min_words", "max_words", "at least"),
    ("min_characters", "max_characters", "at least"),
)


def _read_scope(value: object) -> str:
    found = read_text(value)
    kind, _, rest = found.partition(":")
    if found == "all":
        return found
    rest = rest.strip()
    if kind == "tag" and rest:
        TAG.read(rest)
        return f"tag:{rest}"
    if kind == "feed" and rest:
        return f"feed:{rest}"
    raise Unfit


SCOPE = Kind("all, tag:SLUG, feed:ADDRESS or feed:TITLE", _read_scope, show=lambda value: _show_scope(value))


def _show_scope(value: object) -> str:
    from aggregator.config.kinds import show_value

    return show_value(hide_credentials(value) if isinstance(value, str) else value)


def _wrap(values: Any, names: Sequence[str]) -> Any:
    if not isinstance(values, dict):
        return values
    single = {name: [values[name]] for name in names if name in values and not isinstance(values[name], list)}
    return {key: value for key, value in values.items() if value is not None} | {
        name: value for name, value in single.items() if value != [None]
    }


class Conditions(Section):
    """What is asked of an entry."""

    title: Patterns = Field((), description="Any of these is in its title.")
    text: Patterns = Field((), description="Any of these is in its text.")
    author: Patterns = Field((), description="Any of these is in its author's name.")
    url: Patterns = Field((), description="Any of these is in its address.")
    language: tuple[Annotated[str, LANGUAGE], ...] = Field((), description="It is in one of these languages.")
    tag: tuple[Annotated[str, TAG], ...] = Field((), description="It bears one of these tags.")
    older_than: Annotated[timedelta, DURATION] | None = Field(
        None, description="It was published longer than this before it came here."
    )
    newer_than: Annotated[timedelta, DURATION] | None = Field(
        None, description="It was published at most so long before it came here."
    )
    min_words: Annotated[int, _COUNT] | None = Field(None, description="Its text has at least so many words.")
    max_words: Annotated[int, _COUNT] | None = Field(None, description="Its text has at most so many words.")
    min_characters: Annotated[int, _COUNT] | None = Field(
        None, description="Its text has at least so many characters, spaces not counted."
    )
    max_characters: Annotated[int, _COUNT] | None = Field(
        None, description="Its text has at most so many characters, spaces not counted."
    )

    @model_validator(mode="before")
    @classmethod
    def take_single(cls, values: Any) -> Any:
        """``title: crypto`` says the same as ``title: [crypto]``."""
        return _wrap(values, (*_FIELDS, "language", "tag"))


class FeedRule(Section):
    """One rule of a feed; those of `rules:` say whose entries they are for as well."""

    name: Annotated[str, text("a name", limit=80)] = Field(
        description="What commands and evidence call it; each name once."
    )
    when: Conditions = Field(Conditions(), description="What must hold, all of it; default: nothing.")
    unless: Conditions = Field(Conditions(), alias="not", description="What must not hold, nothing of it.")
    tag: tuple[Annotated[str, TAG], ...] = Field((), description="Tags put on the entry.")
    drop: Annotated[bool, SWITCH] = Field(False, description="Keep the entry out of everything that readers see.")
    weight: Annotated[float, number("how much it counts", least=0, most=100)] | None = Field(
        None, description="Multiplies how much the entry counts in its story's score."
    )
    section: Annotated[str, text("the name of a section", limit=60)] = Field(
        "", description="The section of an issue that it belongs to."
    )
    stop: Annotated[bool, SWITCH] = Field(False, description="No later rule is asked about the entry.")
    off: Annotated[bool, SWITCH] = Field(False, description="The rule is kept here, and not asked.")

    @model_validator(mode="before")
    @classmethod
    def take_single(cls, values: Any) -> Any:
        """``tag: sponsored`` says the same as ``tag: [sponsored]``."""
        return _wrap(values, ("tag",))


class Rule(FeedRule):
    """One rule of the list."""

    scope: tuple[Annotated[str, SCOPE], ...] = Field((), description="Whose entries; any of them; default: all.")

    @model_validator(mode="before")
    @classmethod
    def take_single_scope(cls, values: Any) -> Any:
        """``scope: tag:openai`` says the same as ``scope: [tag:openai]``."""
        return _wrap(values, ("scope",))


def check_rules(document: Document) -> None:
    """Names that stand twice, rules that do nothing, conditions that nothing can meet. Looks at raw values."""
    first: dict[str, Location] = {}
    for location, rule in _iter_raw(document):
        if not any(rule.get(action) not in (None, False, "", []) for action in _ACTIONS):
            document.blame(location, f"found a rule that does nothing, expected one of {', '.join(_ACTIONS)}")
        name = rule.get("name")
        if isinstance(name, str) and name.strip():
            if name.strip() in first:
                line = document.find_line(first[name.strip()])
                message = f'found "{name.strip()}" again (first on line {line}), expected each name once'
                document.blame((*location, "name"), message)
            first.setdefault(name.strip(), (*location, "name"))
        for part in ("when", "not"):
            asked = rule.get(part)
            if isinstance(asked, dict):
                _check_conditions(document, (*location, part), asked)


def _iter_raw(document: Document) -> Iterator[tuple[Location, dict[str, Any]]]:
    lists: list[tuple[Location, Any]] = [(("rules",), document.values.get("rules"))]
    feeds = document.values.get("feeds")
    for index, feed in enumerate(feeds if isinstance(feeds, list) else []):
        if isinstance(feed, dict):
            lists.append((("feeds", index, "rules"), feed.get("rules")))
    for location, rules in lists:
        for index, rule in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(rule, dict):
                yield (*location, index), rule


def _check_conditions(document: Document, location: Location, asked: Mapping[str, Any]) -> None:
    for name in _FIELDS:
        written = asked.get(name)
        words = [word for word in (written if isinstance(written, list) else [written]) if isinstance(word, str)]
        try:
            found = make_patterns(str(PATTERN.read(word)) for word in words)
        except Unfit:
            continue  # named where it stands
        wrong = patterns.check_whole(found) if found and len(words) > 1 else ""
        if wrong:
            document.blame((*location, name), f"found {len(words)} patterns, expected {wrong}")
    if location[-1] == "when":
        for least, most, words_ in _CONTRADICTIONS:
            low, high = _measure(asked.get(least)), _measure(asked.get(most))
            if low is None or high is None:
                continue
            impossible = low <= high if words_ == "more" else low > high
            if impossible:
                what = f"more than {most}" if words_ == "more" else f"at most {most}"
                document.blame((*location, least), f"found {least} and {most} that nothing can meet, expected {what}")


def _measure(value: Any) -> float | None:
    try:
        if isinstance(value, str):
            found = DURATION.read(value)
            return found.total_seconds() if isinstance(found, timedelta) else None
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else None
    except Unfit:
        return None


def build_rules(
    listed: Sequence[Rule], by_feed: Sequence[tuple[str, Sequence[FeedRule]]], kinds: Mapping[str, TagKind]
) -> made.Rules:
    """Those of single feeds, (address, its rules), before those of the list: who stops a feed's entries does so first.
    Those that are turned off are left out.

    ``kinds``: slug -> kind of every known tag; any other is a topic.
    """
    rules = [_build(rule, made.Scope(feeds=(url,)), kinds) for url, own in by_feed for rule in own if not rule.off]
    rules += [_build(rule, _build_scope(rule.scope), kinds) for rule in listed if not rule.off]
    return made.Rules(rules=tuple(rules))


def _build_scope(scope: Sequence[str]) -> made.Scope:
    if "all" in scope:
        return made.Scope()
    parts = [item.partition(":") for item in scope]
    return made.Scope(
        tags=tuple(rest for kind, _, rest in parts if kind == "tag"),
        feeds=tuple(rest for kind, _, rest in parts if kind == "feed"),
    )


def _build(rule: FeedRule, scope: made.Scope, kinds: Mapping[str, TagKind]) -> made.Rule:
    return made.Rule(
        name=rule.name,
        scope=scope,
        when=_build_conditions(rule.when),
        unless=_build_conditions(rule.unless),
        tags=tuple((slug, kinds.get(slug, "topic")) for slug in dict.fromkeys(rule.tag)),
        drop=rule.drop,
        weight=rule.weight,
        section=rule.section,
        stop=rule.stop,
    )


def _build_conditions(asked: Conditions) -> made.Conditions:
    return made.Conditions(
        title=make_patterns(asked.title),
        text=make_patterns(asked.text),
        author=make_patterns(asked.author),
        url=make_patterns(asked.url),
        languages=asked.language,
        tags=asked.tag,
        older_than=asked.older_than,
        newer_than=asked.newer_than,
        min_words=asked.min_words,
        max_words=asked.max_words,
        min_characters=asked.min_characters,
        max_characters=asked.max_characters,
    )
