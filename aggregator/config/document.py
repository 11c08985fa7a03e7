"""Reads a YAML file into plain values and remembers the line of every key. Never knows which keys there should be."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from aggregator.config.kinds import show_value
from aggregator.errors import ConfigError, Problem

MAX_BYTES = 1_048_576
#: Aliases can make a small file enormous.
MAX_VALUES = 200_000
MAX_DEPTH = 16

Location = tuple[str | int, ...]


@dataclass(slots=True, kw_only=True)
class Document:
    """The values of a file, the line of each key and item (from 1), and what is wrong so far."""

    file: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def get_mapping(self, *path: str) -> dict[str, Any]:
        """The mapping at ``path``; empty when there is none, or something else in its place."""
        value: Any = self.values
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    def blame(self, location: Location, message: str) -> None:
        """Note a mistake at a key."""
        self.problems.append(self._at(location, message))

    def warn(self, location: Location, message: str) -> None:
        """Note something odd at a key."""
        self.warnings.append(self._at(location, message))

    def _at(self, location: Location, message: str) -> Problem:
        line = self.find_line(location)
        return Problem(file=self.file, line=line, key=format_location(location), message=message)

    def find_line(self, location: Location) -> int:
        """The line of the key, or of the nearest thing around it; 0 when the file says nothing of it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 0)


def read_document(path: Path) -> Document:
    """The file's top mapping; raises `ConfigError` when there is none to go on with."""
    file = str(path)
    text = _read_text(path, file)
    document = Document(file=file)
    yaml = YAML(typ="rt")
    try:
        try:
            root = yaml.load(text)
        except DuplicateKeyError:
            document.problems += _find_duplicates(file, text)
            yaml = YAML(typ="rt")
            yaml.allow_duplicate_keys = True
            root = yaml.load(text)
    except (YAMLError, RecursionError, ValueError) as error:
        raise ConfigError((_describe_yaml_error(file, text, error),)) from None
    if root is None:
        raise ConfigError((Problem(file=file, line=0, key="", message="found an empty file, expected settings"),))
    if not isinstance(root, CommentedMap):
        found = show_value(list(root) if isinstance(root, CommentedSeq) else root)
        message = f"found {found} at the top, expected keys such as site: and feeds:"
        raise ConfigError((Problem(file=file, line=1, key="", message=message),))
    document.values = _Plainer(document).convert(root, ())
    return document


def _read_text(path: Path, file: str) -> str:
    try:
        with path.open("rb") as stream:
            # A pipe or a device would never end, or never begin.
            regular = stat.S_ISREG(path.stat().st_mode)
            data = stream.read(MAX_BYTES + 1) if regular else b""
    except OSError as error:
        message = f"found no readable file ({(error.strerror or str(error)).lower()}), expected a YAML file"
        raise ConfigError((Problem(file=file, line=0, key="", message=message),)) from None
    if not regular:
        raise ConfigError((Problem(file=file, line=0, key="", message="found no regular file, expected a YAML file"),))
    if len(data) > MAX_BYTES:
        message = f"found more than {MAX_BYTES:,} bytes, expected less (long lists of feeds belong in an OPML file)"
        raise ConfigError((Problem(file=file, line=0, key="", message=message),))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"found the byte 0x{data[error.start]:02x}, expected UTF-8 text"
        raise ConfigError((Problem(file=file, line=line, key="", message=message),)) from None


#: What usually lies behind ruamel's words.
_HINTS = {
    "mapping values are not allowed": "quotes around a value that holds a colon, or other indentation",
    "character '\\t'": "spaces instead of tabs",
}


def _describe_yaml_error(file: str, text: str, error: Exception) -> Problem:
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem, context = error.problem or "", error.context or ""
        words = f"{context}, {problem}" if problem.startswith("but ") else f"{problem} {context}".strip()
        begin = error.context_mark
        if begin and mark and begin.line != mark.line and context.startswith("while "):
            words += f" that begins on line {begin.line + 1}"
        expected = next((hint for part, hint in _HINTS.items() if part in problem), "valid YAML")
        message = f"found broken YAML ({words}), expected {expected}"
        return Problem(file=file, line=mark.line + 1 if mark else 0, key="", message=message)
    position = getattr(error, "position", None)
    if isinstance(position, int):
        found = f"found the character U+{ord(text[position]):04X}"
        return Problem(
            file=file, line=text.count("\n", 0, position) + 1, key="", message=f"{found}, expected printable text"
        )
    if isinstance(error, RecursionError):
        return Problem(file=file, line=0, key="", message="found lists within lists without end, expected valid YAML")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return Problem(file=file, line=0, key="", message=f"found {reason}, expected valid YAML")


def _find_duplicates(file: str, text: str) -> Iterator[Problem]:
    """All keys that stand twice in one mapping; the loader itself stops at the first."""
    stack: list[tuple[Node, Location]] = [(YAML(typ="rt").compose(text), ())]
    while stack:
        node, location = stack.pop()
        if isinstance(node, SequenceNode):
            stack += [(item, (*location, index)) for index, item in enumerate(node.value)]
        elif isinstance(node, MappingNode):
            first: dict[str, int] = {}
            for key_node, value_node in node.value:
                key = str(key_node.value)
                line = key_node.start_mark.line + 1
                if key in first:
                    message = f'found a second "{key}" (the first is on line {first[key]}), expected each key once'
                    yield Problem(file=file, line=line, key=format_location((*location, key)), message=message)
                first.setdefault(key, line)
                stack.append((value_node, (*location, key)))


def format_location(location: Location) -> str:
    """``("feeds", 2, "url")`` -> ``feeds[2].url``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _Plainer:
    """Turns ruamel's values into plain ones and notes their lines; stops at bombs made of aliases."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0

    def convert(self, value: Any, location: Location) -> Any:
        self.count += 1
        if self.count > MAX_VALUES or len(location) > MAX_DEPTH:
            message = "found too many values or levels, expected fewer (are there aliases that repeat themselves?)"
            self.document.blame(location[:3], message)
            raise ConfigError(tuple(self.document.problems))
        if isinstance(value, CommentedMap):
            return self._convert_mapping(value, location)
        if isinstance(value, CommentedSeq):
            for index in range(len(value)):
                self.document.lines[(*location, index)] = value.lc.data[index][0] + 1
            return [self.convert(item, (*location, index)) for index, item in enumerate(value)]
        if isinstance(value, TaggedScalar):
            self.document.blame(location, f"found the YAML tag {value.tag}, expected a plain value")
            return value.value
        return _convert_scalar(value)

    def _convert_mapping(self, mapping: CommentedMap, location: Location) -> dict[str, Any]:
        plain = {}
        for key, value in mapping.items():
            name = key if isinstance(key, str) else str(key)
            place = (mapping.lc.data or {}).get(key)  # keys that a merge (<<) brought have none
            if place:
                self.document.lines[(*location, name)] = place[0] + 1
            plain[str(name)] = self.convert(value, (*location, name))
        return plain


def _convert_scalar(value: Any) -> Any:
    """ruamel's own kinds of text and number (they remember quotes and width) as Python's."""
    for plain in (bool, int, float, str):
        if isinstance(value, plain):
            return plain(value)
    return value
