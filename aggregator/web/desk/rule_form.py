"""A rule as a form: its fields, the rule as the file would have it, and back. Never asks the database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from aggregator.config.desk import MAX_TEXT, read_rule_text
from aggregator.config.lines import write_yaml
from aggregator.errors import ConfigError
from aggregator.web.desk.visit import Fields, Visit
from aggregator.web.desk.words import FieldError, Said, quote

Lines = Annotated[str, Field(max_length=5_000, description="One a line; any of them.")]
_Word = Annotated[str, Field(max_length=100)]


class RuleFields(Fields):
    """One rule: by fields, or as YAML; ``way`` says which of the two counts."""

    way: Annotated[Literal["fields", "yaml"], Field(description="Which counts: the fields, or `yaml`.")] = "fields"
    yaml: Annotated[str, Field(max_length=MAX_TEXT, description="The rule as config.yaml would have it.")] = ""
    name: Annotated[str, Field(max_length=200, description="Each name once.")] = ""
    feeds: Annotated[str, Field(max_length=5_000, description="Addresses or titles of feeds, one a line.")] = ""
    about: Annotated[str, Field(max_length=1_000, description="Only entries of these tags, by commas.")] = ""
    title: Lines = ""
    text: Lines = ""
    author: Lines = ""
    url: Lines = ""
    language: Annotated[str, Field(max_length=300, description="By commas.")] = ""
    bears: Annotated[str, Field(max_length=1_000, description="Tags, by commas.")] = ""
    older_than: _Word = ""
    newer_than: _Word = ""
    min_words: _Word = ""
    max_words: _Word = ""
    not_title: Lines = ""
    not_text: Lines = ""
    not_author: Lines = ""
    not_url: Lines = ""
    not_language: Annotated[str, Field(max_length=300, description="By commas.")] = ""
    not_bears: Annotated[str, Field(max_length=1_000, description="Tags, by commas.")] = ""
    drop: Annotated[bool, Field(description="Keep it from readers.")] = False
    tag: Annotated[str, Field(max_length=1_000, description="Tags to put on it, by commas.")] = ""
    weight: _Word = ""
    section: Annotated[str, Field(max_length=200)] = ""
    stop: Annotated[bool, Field(description="No later rule is asked.")] = False
    off: Annotated[bool, Field(description="It is kept, and not asked.")] = False
    seen: Annotated[str, Field(max_length=64, description="Of the rule that was changed.")] = ""
    number: Annotated[str, Field(max_length=6, pattern="^[0-9]*$", description="Tried in place of this one.")] = ""
    whole: Annotated[bool, Field(description="The whole page, not only what it would do.")] = False


#: Field of the form -> where it stands in the rule.
_LINES = {"title": "title", "text": "text", "author": "author", "url": "url"}
_COMMAS = {"language": "language", "bears": "tag"}
_PLAIN = ("older_than", "newer_than", "min_words", "max_words")
#: Names of all fields that make a rule.
NAMES = tuple(name for name in RuleFields.model_fields if name not in ("way", "yaml", "seen", "number", "whole"))
#: Without one of these a rule does nothing.
ACTIONS = ("drop", "tag", "weight", "section", "stop")
SWITCHES = ("drop", "stop", "off")


def make_raw(sent: RuleFields) -> dict[str, Any]:
    """The rule as the file would have it. Raises `FieldError` for a text that is no YAML."""
    if sent.way == "yaml":
        try:
            return read_rule_text(sent.yaml)
        except ConfigError as error:
            raise FieldError({"yaml": quote(_say(error))}) from error
    raw: dict[str, Any] = {"name": sent.name}
    scope = [f"feed:{name}" for name in _split(sent.feeds, "\n")] + [f"tag:{slug}" for slug in _split(sent.about)]
    parts = {
        "scope": _shorten(scope),
        "when": _make_conditions(sent, ""),
        "not": _make_conditions(sent, "not_"),
        "tag": _shorten(_split(sent.tag)),
        "drop": sent.drop,
        "weight": _read_number(sent.weight),
        "section": sent.section,
        "stop": sent.stop,
        "off": sent.off,
    }
    return raw | {name: value for name, value in parts.items() if value not in ("", [], {}, False)}


def _make_conditions(sent: RuleFields, prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, key in _LINES.items():
        found[key] = _shorten(_split(getattr(sent, prefix + field), "\n"))
    for field, key in _COMMAS.items():
        found[key] = _shorten(_split(getattr(sent, prefix + field)))
    if not prefix:
        found |= {key: _read_number(getattr(sent, key)) for key in _PLAIN}
    return {key: value for key, value in found.items() if value not in ("", [])}


def _split(text: str, by: str = ",") -> list[str]:
    parts = text.split(by) if by == "\n" else re.split(r"[,、\n]", text)
    return [part.strip() for part in parts if part.strip()]


def _shorten(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else values


def _read_number(text: str) -> Any:
    """What is no number stays what it is, and is named as a mistake."""
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    return float(text) if re.fullmatch(r"[0-9]{0,9}\.[0-9]{1,9}", text) else text


def spread(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields that make this rule; None: it says more than they can."""
    values: dict[str, Any] = {"name": _show(raw.get("name"))}
    scope = _list(raw.get("scope"))
    values["feeds"] = "\n".join(one.removeprefix("feed:").strip() for one in scope if one.startswith("feed:"))
    values["about"] = ", ".join(one.removeprefix("tag:").strip() for one in scope if one.startswith("tag:"))
    for prefix, part in (("", raw.get("when") or {}), ("not_", raw.get("not") or {})):
        if not isinstance(part, Mapping):
            return None
        values |= {prefix + field: "\n".join(_list(part.get(key))) for field, key in _LINES.items()}
        values |= {prefix + field: ", ".join(_list(part.get(key))) for field, key in _COMMAS.items()}
        if not prefix:
            values |= {key: _show(part.get(key)) for key in _PLAIN}
    values |= {"tag": ", ".join(_list(raw.get("tag"))), "section": _show(raw.get("section"))}
    values |= {"weight": _show(raw.get("weight"))} | {name: raw.get(name) is True for name in SWITCHES}
    try:
        again = make_raw(RuleFields(**values))
    except ValueError:
        return None
    return values if _normal(again) == _normal(raw) else None


def _list(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [_show(one) for one in values if one not in (None, "")]


def _show(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _normal(raw: Mapping[str, Any]) -> Any:
    """Without what says nothing, each word as a list."""
    found = {}
    for key, value in raw.items():
        if isinstance(value, Mapping):
            value = _normal(value)
        if value in (None, "", [], {}, False) or value == ["all"] or (key == "scope" and value == "all"):
            continue
        found[str(key)] = value if isinstance(value, dict) else [_show(one) for one in _list(value)]
    return found


def show_yaml(raw: Mapping[str, Any]) -> str:
    """As an editor would write it into the file, without the dash."""
    return write_yaml(dict(raw)) if raw else ""


def get_values(visit: Visit, otherwise: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows: what was sent, else ``otherwise``."""
    if not visit.sent:
        return {name: otherwise.get(name, "") for name in NAMES}
    return {name: name in visit.sent if name in SWITCHES else visit.get_sent(name) for name in NAMES}


def blame(error: ConfigError, index: int, way: str) -> FieldError:
    """Each mistake at its field. ``index``: of the rule in its list."""
    errors: dict[str, Said | str] = {}
    for problem in error.problems:
        inside, _, key = problem.key.partition(f"rules[{index}]")
        field = ("yaml" if way == "yaml" else _find_field(key.lstrip("."))) if key or not inside else ""
        known = errors.get(field)
        text = f"{key.lstrip('.')}: {problem.message}" if way == "yaml" and key else problem.message
        errors[field] = f"{known.text if isinstance(known, Said) else known}; {text}" if known else text
    return FieldError(errors)


def _find_field(key: str) -> str:
    part, _, rest = re.sub(r"\[\d+\]", "", key).partition(".")
    prefix = "not_" if part == "not" else ""
    if part in ("when", "not"):
        names: Sequence[str] = (*_LINES, *_COMMAS, *_PLAIN)
        keys = {**_LINES, **_COMMAS, **dict.fromkeys(_PLAIN)}
        return next((prefix + name for name in names if (keys[name] or name) == rest), "")
    if part == "scope":
        return "feeds"
    return part if part in NAMES else ""


def _say(error: ConfigError) -> str:
    found = error.problems[0]
    return f"line {found.line}: {found.message}" if found.line else found.message
