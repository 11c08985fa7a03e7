"""The page about metrics: it names what is served and nothing else, and its alerts are rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ruamel.yaml import YAML

from aggregator.app import App
from tests.fixtures.program import Program
from tests.web.conftest import Door
from tests.web.test_metrics import PAGE, ask, list_documented, list_served


def list_rules() -> Sequence[Mapping[str, Any]]:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (group,) = YAML(typ="safe").load(block)["groups"]
    assert group["name"] == "aggregator"
    rules: Sequence[Mapping[str, Any]] = group["rules"]
    return rules


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_page_names_what_is_served_and_nothing_else(site: tuple[Program, App, Door]) -> None:
    _, _, door = site
    served = {name for name in list_served(ask(door)) if not name.startswith("aggregator_test_")}

    assert served == set(list_documented())
    assert len(list_documented()) == len(set(list_documented()))


def test_the_alerts_are_rules_and_ask_for_metrics_that_exist() -> None:
    rules = list_rules()
    known = {"up", *list_documented()}

    assert len({rule["alert"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["annotations"]["summary"] and rule["labels"]["severity"] in ("page", "ticket")
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "0m"))
        bare = re.sub(r'"[^"]*"', '""', rule["expr"])
        named = set(re.findall(r"\b(?:up|(?:aggregator|process)_[a-z_]+)\b", bare))
        assert named and named <= known, rule["alert"]
        for opening, closing in ("()", "{}", "[]"):
            assert bare.count(opening) == bare.count(closing)
        assert re.search(r" (==|>=|>|<) \S+$", bare)
