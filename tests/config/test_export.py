"""The file with what was said elsewhere in it: what stays keeps its bytes, and all of it means what is meant."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from aggregator.config.desk import read_rule_text
from aggregator.config.lines import Item, set_list
from aggregator.errors import ConfigError

FILE = """\
# Ours.
feeds:   # all of them
  # Laboratories
  - url: https://a.example/feed   # the first
    title: 'A'
    # it is slow
    interval: 2h

  # Press
  - {url: https://b.example/feed, weight: 2}
  -
    url: https://c.example/feed

# What is done.
rules:
web: {listen: "127.0.0.1:8000"}
"""
A = {"url": "https://a.example/feed", "title": "A", "interval": "2h"}
B = {"url": "https://b.example/feed", "weight": 2}
C = {"url": "https://c.example/feed"}
OLD = [A, B, C]


def change(items: list[Item], text: str = FILE, key: str = "feeds", old: object = OLD) -> tuple[str, object]:
    assert isinstance(old, list)
    changed = set_list(text, key, old, items)
    return changed, YAML(typ="safe", pure=True).load(changed)[key]


def test_nothing_is_other_where_nothing_changed() -> None:
    assert change([*enumerate(OLD)]) == (FILE, OLD)


def test_an_item_keeps_its_remarks_and_its_neighbours_their_bytes() -> None:
    """Keys are changed, taken and added in place, in brackets as well."""
    first = {"url": "https://a.example/new", "title": "A", "tags": ["x", "y"]}
    new = {"url": "https://d.example/feed", "headers": {"X-Key": "on"}}
    text, found = change([(0, first), (1, B | {"weight": 3}), (2, C | {"title": "no"}), (None, new)])

    assert found == [first, B | {"weight": 3}, C | {"title": "no"}, new]
    for line in (
        "feeds:   # all of them\n  # Laboratories\n  - url: https://a.example/new    # the first\n",
        "    title: 'A'\n    # it is slow\n",
        "    tags: [x, y]\n\n  # Press\n  - {url: https://b.example/feed, weight: 3}\n",
        "  - url: https://d.example/feed\n    headers:\n      X-Key: on\n\n# What is done.\nrules:\n",
    ):
        assert line in text, text


@pytest.mark.parametrize("empty", ["feeds:", "feeds: []", "feeds: ~", "feeds: # none", "feeds: [{url: x}]  # one"])
def test_a_list_that_is_empty_or_in_brackets_is_written_below_its_key(empty: str) -> None:
    text, found = change([(None, C)], text=f"site: {{}}\n{empty}\nweb: 1\n", old=[])

    assert found == [C] and text.endswith("\nweb: 1\n") and empty.partition("#")[2] in text


def test_a_key_that_is_missing_comes_last() -> None:
    text, found = change([(None, C)], text="site: 1", old=[])

    assert found == [C] and text.startswith("site: 1\n\nfeeds:\n")


def test_items_move_with_the_remarks_above_them() -> None:
    """And a list need not be indented."""
    text = "rules:\n# about a\n- name: a\n# about b\n- name: b\n  drop: true\n# not about any\nx: 1\n"
    old = [{"name": "a"}, {"name": "b", "drop": True}]
    moved, found = change([(1, old[1]), (0, old[0])], text=text, key="rules", old=old)

    assert found == [old[1], old[0]]
    assert moved == "rules:\n# about b\n- name: b\n  drop: true\n# about a\n- name: a\n# not about any\nx: 1\n"


def test_an_alias_is_written_out() -> None:
    text = "d: &d {weight: 2}\nfeeds:\n  - <<: *d\n    url: https://a.example/feed\n"
    old = [{"weight": 2, "url": "https://a.example/feed"}]
    _, found = change([(0, old[0] | {"weight": 3})], text=text, old=old)

    assert found == [old[0] | {"weight": 3}]


def test_odd_ends_of_lines_part_nothing_and_a_missing_one_adds_nothing() -> None:
    text = 'site: {title: "A\u2028B"}\nfeeds:\n  - url: https://a.example/feed  # ours'
    old = [{"url": "https://a.example/feed"}]
    new = [(0, old[0]), (None, {"url": "https://b.example/feed"})]
    written = set_list(text, "feeds", old, new)

    assert "# ours" in written and "A\u2028B" in written
    assert written.index("a.example") < written.index("b.example")


@pytest.mark.parametrize(
    "text",
    [
        "name: a\nwhen: &a [*a]",
        "name: &n a\nsection: *n",
        "name: a\nwhen: {2026-01-01: y}",
        "name: a\nwhen: {? [a, b] : c}",
        "name: a\nsection: !!binary aGVsbG8=",
        "name: a\nweight: .inf",
        "- a\n- b",
        "[" * 5000,
    ],
)
def test_a_rule_is_plain_and_no_larger_than_its_text(text: str) -> None:
    with pytest.raises(ConfigError):
        read_rule_text(text)
