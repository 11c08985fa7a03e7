"""The file as it would be with everything in it that was said elsewhere: of feeds, of rules, of tags.

What is not changed stays as it is written, remarks and ways to secrets included. Never expands a variable or a file
that the configuration points to, and never writes anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from aggregator.config.desk import read_rules, read_tags
from aggregator.config.document import read_document
from aggregator.config.feeds import build_spec
from aggregator.config.lines import Item, set_list, write_yaml
from aggregator.config.schema import Config, FolderFeed, OpmlFeeds, UrlFeed
from aggregator.config.words import format_duration
from aggregator.errors import ConfigError
from aggregator.model.account import DeskSettings
from aggregator.model.feed import FOLDER_SCHEME, Feed, FeedSpec
from aggregator.model.feed_edit import EDITED_FIELDS, EditedField, get_field
from aggregator.model.said import say_count
from aggregator.model.tag import TagRules

_HEAD = "# Tags that were added at the desk.\n"
_BLOCK_HEAD = "\n# {name}, which belongs beside this file (without the # before each line):\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The file, and what belongs beside it."""

    text: str
    #: Name of the file of tags, and what it holds; empty: the desk adds none.
    tags_name: str = ""
    tags_text: str = ""
    #: What the file cannot say, and what one should know about it.
    notes: tuple[str, ...] = ()

    @property
    def whole(self) -> str:
        """All of it as one text: the file of tags as remarks at the end."""
        if not self.tags_text:
            return self.text
        remarks = "".join(f"# {line}".rstrip() + "\n" for line in self.tags_text.splitlines())
        return f"{self.text}{_BLOCK_HEAD.format(name=self.tags_name)}{remarks}"


def export_config(config: Config, feeds: Sequence[Feed], desk: DeskSettings) -> Exported:
    """``feeds``: all that are read, and those that were paused by hand. Raises `ConfigError` for a file that cannot be
    read any more.
    """
    text = config.path.read_text(encoding="utf-8-sig")
    values = read_document(config.path).values
    wanted, notes = dict(values), list[str]()
    good = _pick_readable(config, desk, notes)
    changes = {"feeds": _set_feeds(config, values.get("feeds") or [], feeds, notes)}
    if (rules := good.get("rules")) is not None:
        changes["rules"] = _find_places(values.get("rules") or [], rules)
    name = tags_text = ""
    if (tags := good.get("tags")) is not None:
        name, tags_text = _name_tags(config), _HEAD + write_yaml(tags)
        changes["tags"] = [*enumerate(values.get("tags") or []), (None, name)]
    for key, items in changes.items():
        old, new = values.get(key) or [], [value for _, value in items]
        if new != old:
            text = _set(text, key, old, items)
            wanted[key] = new
    text = _prove(text, wanted, notes)
    return Exported(text=text, tags_name=name, tags_text=tags_text, notes=tuple(notes))


def _set(text: str, key: str, old: Sequence[Any], items: Sequence[Item]) -> str:
    """A file that is written in an odd way (as JSON, with an end mark) stays as it is: `_prove` writes it anew."""
    try:
        return set_list(text, key, old, items)
    except (YAMLError, IndexError, ValueError):
        return text


def _pick_readable(config: Config, desk: DeskSettings, notes: list[str]) -> dict[str, Any]:
    """Section -> what the desk says of it, as far as this program obeys it."""
    found: dict[str, Any] = {}
    for name, setting in desk.items():
        try:
            if name == "rules":
                read_rules(config, setting.value, TagRules(rules=()))
            elif name == "tags":
                read_tags(config, setting.value)
        except ConfigError as error:
            notes.append(f"what the desk says of {name} cannot be read any more, and is left out: {error}")
        else:
            found[name] = setting.value
    return found


def is_written(config: Config, name: str, value: Any) -> bool:
    """Whether the file itself says by now what the desk says of a section."""
    found = [list(config.raw_rules)] if name == "rules" else []
    found += [_read_plain(path) for path in config.tag_files] if name == "tags" else []
    return value in found


def _read_plain(path: Path) -> Any:
    """None: it cannot be read, which whoever needs it will tell."""
    try:
        return _plain(path.read_text(encoding="utf-8-sig"))
    except (OSError, YAMLError, ValueError):
        return None


def _plain(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _prove(text: str, wanted: Mapping[str, Any], notes: list[str]) -> str:
    """``text`` if it says what it is meant to, else the same without the remarks of the file."""
    try:
        if _drop_empty(_plain(text)) == _drop_empty(wanted):
            return text
    except (YAMLError, ValueError):  # what was put in made it unreadable: anchors, brackets around all of it
        pass
    notes.append("the remarks of the file could not be kept")
    return write_yaml(dict(wanted))


def _drop_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


# Feeds


def _set_feeds(config: Config, raw: Sequence[Any], feeds: Sequence[Feed], notes: list[str]) -> list[Item]:
    """The list of the file with what was said of each, then those that it does not name."""
    named: dict[str, int] = {}
    for place, item in enumerate(config.feeds):
        if not isinstance(item, OpmlFeeds):
            named.setdefault(build_spec(config, item).url, place)
    values = [dict(item) for item in raw]
    added: list[Item] = []
    for feed in feeds:
        known = [named[url] for url in (feed.asked_url, feed.spec.url) if url in named]
        if known:
            _set_options(values[known[0]], feed)
        elif feed.spec.origin == "added":
            added += _fit(_write_spec(feed.spec, feed.spec.url), notes)
        elif feed.spec.origin == "opml":
            if feed.edits:
                added += _fit(_write_spec(feed.spec, feed.asked_url or feed.spec.url), notes)
            if feed.asked_url:
                notes.append(f"a list names {feed.asked_url}, which has moved: mend it in the list: {feed.spec.url}")
    paused = sum(feed.state == "paused" for feed in feeds)
    if paused:
        notes.append(f"{say_count(paused, 'feed')} paused: the file has no word for that")
    if any("headers" in feed.edits or (feed.spec.origin == "added" and feed.spec.headers) for feed in feeds):
        notes.append("it holds the values of headers that were set at the desk: keep it to yourself")
    return [*enumerate(values), *added]


def _fit(values: dict[str, Any], notes: list[str]) -> list[Item]:
    """A new feed without what the file would be refused for: commands and lists take a longer title, for one."""
    form, place = (UrlFeed, "url") if "url" in values else (FolderFeed, "folder")
    try:
        form.model_validate(values)
    except ValidationError as error:
        wrong = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
        notes.append(f"{values[place]}: the file would be refused for its {', '.join(sorted(wrong))}, left out")
        return [(None, {key: value for key, value in values.items() if key not in wrong})] if place not in wrong else []
    return [(None, values)]


def _set_options(values: dict[str, Any], feed: Feed) -> None:
    """What the file says of a feed with what was said of it elsewhere."""
    if feed.asked_url and "url" in values:
        values["url"] = feed.spec.url
    for name, edit in feed.edits.items():
        if edit.value != edit.base:
            _set_option(values, name, feed.spec)


def _set_option(values: dict[str, Any], name: EditedField, spec: FeedSpec) -> None:
    value = _write_option(name, spec)
    if value in ("", None, [], {}):
        values.pop(name, None)
    else:
        values[name] = value


def _write_option(name: EditedField, spec: FeedSpec) -> Any:
    if name == "interval":
        return None if spec.interval is None else format_duration(spec.interval)
    if name == "headers":
        return dict(spec.headers)
    value = get_field(spec, name)
    return int(value) if name == "weight" and value == int(value) else value


def _write_spec(spec: FeedSpec, url: str) -> dict[str, Any]:
    """A feed that the file does not name yet."""
    plain = FeedSpec(url=url)
    folder = url.removeprefix(FOLDER_SCHEME)
    values: dict[str, Any] = {"url": url} if folder == url else {"folder": folder}
    for name in EDITED_FIELDS:
        if get_field(spec, name) != get_field(plain, name):
            _set_option(values, name, spec)
    if spec.page is not None:
        parts = {"items": spec.page.items, "title": spec.page.title, "link": spec.page.link, "date": spec.page.date}
        values["page"] = {name: selector for name, selector in parts.items() if selector}
    others = {"url_prefix": spec.url_prefix, "points": spec.points, "full_content": spec.full_content}
    return values | {name: value for name, value in others.items() if value}


# Rules and tags


def _find_places(old: Sequence[Any], new: Sequence[Any]) -> list[Item]:
    """Each rule with its place in the file's list: the same one, else the one of its name."""
    left = dict(enumerate(old))
    found: list[Item] = []
    for rule in new:
        same = [place for place, one in left.items() if one == rule]
        alike = [place for place, one in left.items() if isinstance(one, dict) and one.get("name") == rule.get("name")]
        place = next(iter([*same, *alike]), None)
        if place is not None:
            del left[place]
        found.append((place, rule))
    return found


def _name_tags(config: Config) -> str:
    """Of a file that is not there yet."""
    names = (f"desk-tags{'' if number == 1 else f'-{number}'}.yaml" for number in count(1))
    return next(name for name in names if name not in config.tags and not (config.folder / name).exists())
