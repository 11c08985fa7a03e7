"""Lists of a YAML file, written anew item by item: what stays keeps its bytes, its comments and its place.
Never reads a file, and never knows what an item means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

#: (its place in the list that the file has, or None for a new one; what it is now).
Item = tuple[int | None, Any]

_NO_WORD = re.compile(r"\s*(#.*)?")
#: Longer lines than these are never broken.
_WIDTH = 4096
_SHORT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """One item of a list, and the lines above it that speak of it."""

    remarks: list[str]
    lines: list[str]
    #: Column of the dash, and of what stands behind it.
    dash: int
    column: int


def write_yaml(value: Any) -> str:
    """As an editor would write it."""
    yaml = _make_yaml()
    stream = StringIO()
    yaml.dump([_make_short(one) for one in value] if isinstance(value, list) else _make_short(value), stream)
    return stream.getvalue()


def set_list(text: str, key: str, old: Sequence[Any], items: Sequence[Item]) -> str:
    """The file ``text`` whose top-level list ``key`` holds ``items`` instead of ``old``.

    Whoever calls reads the result again: a text with anchors, or a block of text that looks like a remark, may have
    become another.
    """
    text = text if text.endswith("\n") else f"{text}\n"
    root = YAML().compose(text)
    found = {name.value: (name, node) for name, node in root.value} if isinstance(root, MappingNode) else {}
    if key not in found:
        return f"{text}\n{key}:\n{''.join(_join_items(items, [], old))}"
    name, node = found[key]
    if not isinstance(node, SequenceNode) or node.flow_style or not node.value:
        return _replace_inline(text, name, node, items)
    lines = text.removesuffix("\n").split("\n")  # YAML knows no other ends of lines here: U+2028 stands within one
    lines = [f"{line}\n" for line in lines]
    begin, end, blocks = _find_blocks(lines, name, node)
    return "".join([*lines[:begin], *_join_items(items, blocks, old), *lines[end:]])


def _replace_inline(text: str, name: Node, node: Node, items: Sequence[Item]) -> str:
    """For a list that is empty, or stands in brackets: all of it is written, beneath its key."""
    begin, end = name.end_mark.index, node.end_mark.index
    if isinstance(node, ScalarNode) and node.value == "":  # nothing stands there: what follows the key is a remark
        end = begin + 1
    rest, _, after = text[end:].partition("\n")
    return f"{text[:begin]}:{rest}\n{''.join(_join_items(items, [], []))}{after}"


def _find_blocks(lines: Sequence[str], name: Node, node: SequenceNode) -> tuple[int, int, list[_Block]]:
    """The lines from behind the key to behind the last item, and the items in them."""
    dash = node.start_mark.column
    begins = []
    for item in node.value:
        line = item.start_mark.line
        while lines[line][dash : dash + 1] != "-" or lines[line][:dash].strip():
            line -= 1
        begins.append(line)
    first = name.start_mark.line + 1
    blocks: list[_Block] = []
    behind = first
    for number, begin in enumerate(begins):
        end = begins[number + 1] if number + 1 < len(begins) else min(node.end_mark.line, len(lines))
        while end > begin + 1 and _NO_WORD.fullmatch(lines[end - 1].rstrip("\n")):
            end -= 1
        item = node.value[number]
        column = item.start_mark.column if item.start_mark.line == begin else dash + 2
        remarks, block = list(lines[behind:begin]), list(lines[begin:end])
        blocks.append(_Block(remarks=remarks, lines=block, dash=dash, column=column))
        behind = end
    return first, behind, blocks


def _join_items(items: Sequence[Item], blocks: Sequence[_Block], old: Sequence[Any]) -> Iterator[str]:
    dash = blocks[0].dash if blocks else 2
    for place, value in items:
        block = blocks[place] if place is not None and place < len(blocks) else None
        if block is None or place is None:
            yield from (f"{' ' * dash}{line}" for line in write_yaml([value]).splitlines(keepends=True))
            continue
        yield from block.remarks
        if value == old[place]:
            yield from (line if line.endswith("\n") else f"{line}\n" for line in block.lines)
        else:
            yield from _change(block, old[place], value)


def _change(block: _Block, old: Any, value: Any) -> Iterator[str]:
    """The lines of an item in which some keys are other; in those that are not, nothing is."""
    inner = [" " * block.column + block.lines[0][block.column :], *block.lines[1:]]
    text = "".join(line[min(block.column, len(line) - len(line.lstrip())) :] or "\n" for line in inner)
    yaml = _make_yaml()
    try:
        loaded = yaml.load(text)
    except (YAMLError, ValueError):  # an alias of what stands elsewhere in the file, for one
        loaded = None
    if not isinstance(loaded, CommentedMap) or not isinstance(old, Mapping):
        yield from (f"{' ' * block.dash}{line}" for line in write_yaml([value]).splitlines(keepends=True))
        return
    for key in [key for key in loaded if str(key) not in value]:
        del loaded[key]
    for key, one in value.items():
        if key not in old or old[key] != one:
            loaded[key] = _make_short(one)
    stream = StringIO()
    yaml.dump(loaded, stream)
    yield from _indent(stream.getvalue(), block.dash, block.column)


def _indent(text: str, dash: int, column: int) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(keepends=True)):
        lead = f"{' ' * dash}-{' ' * (column - dash - 1)}" if number == 0 else " " * column
        yield f"{lead}{line}" if line.strip() else line


def _make_short(value: Any) -> Any:
    """Short lists of words stand in brackets."""
    if isinstance(value, dict):
        return {key: _make_short(one) for key, one in value.items()}
    if not isinstance(value, list):
        return value
    made = CommentedSeq(_make_short(one) for one in value)
    if not any(isinstance(one, (list, dict)) for one in value) and len(str(value)) < _SHORT:
        made.fa.set_flow_style()
    return made


def _make_yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.default_flow_style = False
    yaml.width = _WIDTH
    return yaml
