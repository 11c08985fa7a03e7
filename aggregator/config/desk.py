"""What the desk sets beside the file, read as the file's own sections are: `rules`, which stand in place of the file's
list, and `tags`, which come on top of its files. Never writes anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from aggregator.config.document import Document
from aggregator.config.feeds import list_feed_rules
from aggregator.config.lines import write_yaml
from aggregator.config.problems import find_problems
from aggregator.config.rules import Rule, build_rules, check_rules
from aggregator.config.schema import Config
from aggregator.config.section import Section
from aggregator.config.taxonomy import DESK, load_tag_rules
from aggregator.errors import ConfigError, Problem
from aggregator.model.account import DeskSettings
from aggregator.model.rule import Rules
from aggregator.model.settings import Settings
from aggregator.model.tag import TagRules

#: A longer text of a rule is refused; and so many brackets within brackets take seconds to be read.
MAX_TEXT, MAX_BRACKETS = 10_000, 100


class _RuleList(Section):
    rules: tuple[Rule, ...] = Field((), description="As in the file.")


def read_rules(config: Config, raw: Sequence[Any], tag_rules: TagRules) -> Rules:
    """All rules with ``raw`` in place of the file's list; those of single feeds stay. Raises `ConfigError`."""
    document = Document(file=DESK, values={"rules": list(raw)})
    check_rules(document)
    taken = {rule.name for _, own in list_feed_rules(config) for rule in own}
    for index, rule in enumerate(raw):
        if isinstance(rule, dict) and str(rule.get("name", "")).strip() in taken:
            message = f'found "{rule["name"]}", expected another name: a feed of the file has a rule of this name'
            document.blame(("rules", index, "name"), message)
    listed: tuple[Rule, ...] = ()
    try:
        listed = _RuleList.model_validate({"rules": list(raw)}).rules
    except ValidationError as error:
        document.problems += find_problems(error, document, {})
    if document.problems:
        raise ConfigError(tuple(dict.fromkeys(document.problems)))
    return build_rules(listed, list_feed_rules(config), {rule.tag.slug: rule.tag.kind for rule in tag_rules.rules})


def read_tags(config: Config, added: Mapping[str, Any]) -> TagRules:
    """The taxonomy with ``added``, which is as a tag file is, on top. Raises `ConfigError`."""
    return load_tag_rules(config.tag_files, added=write_yaml(added))


def layer_settings(config: Config, base: Settings, desk: DeskSettings) -> tuple[Settings, tuple[Problem, ...]]:
    """``base``, made of the file alone, with the desk's word on top, and what of that word cannot be read any more:
    there the file's own holds.
    """
    problems: list[Problem] = []
    tag_rules, rules = base.tag_rules, base.rules
    if (tags := desk.get("tags")) is not None:
        try:
            tag_rules = read_tags(config, tags.value)
        except ConfigError as error:
            problems += error.problems
    if (listed := desk.get("rules")) is not None:
        try:
            rules = read_rules(config, listed.value, tag_rules)
        except ConfigError as error:
            problems += error.problems
    return replace(base, tag_rules=tag_rules, rules=rules), tuple(problems)


def read_rule_text(text: str) -> dict[str, Any]:
    """One rule as it stands in the file, without the dash before it. Raises `ConfigError`."""
    if len(text) > MAX_TEXT:
        raise ConfigError((Problem(file=DESK, line=0, key="", message=f"a rule has at most {MAX_TEXT:,} characters"),))
    if sum(map(text.count, "[{")) > MAX_BRACKETS:
        message = f"a rule has at most {MAX_BRACKETS} brackets"
        raise ConfigError((Problem(file=DESK, line=0, key="", message=message),))
    try:
        # An alias makes much of little text, and a loop of none.
        if any(getattr(event, "anchor", None) for event in YAML(typ="safe", pure=True).parse(text)):
            raise ValueError("anchors and aliases are not taken here")
        found = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, RecursionError, ValueError) as error:
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        raise ConfigError((Problem(file=DESK, line=line, key="", message=f"is not YAML: {problem}"),)) from None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        message = "expected one rule: keys such as name:, when: and tag:"
        raise ConfigError((Problem(file=DESK, line=1, key="", message=message),))
    if not _is_plain(found):
        message = "expected texts, numbers, yes and no, and lists and keys of these"
        raise ConfigError((Problem(file=DESK, line=0, key="", message=message),))
    return found


def _is_plain(value: Any) -> bool:
    """Only what JSON has, too: dates and binaries are none."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and isfinite(value))
