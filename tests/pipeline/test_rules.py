"""Rules as they are read from the file, and what they make of an entry: in their order, the same twice, bounded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.config.patterns import make_patterns
from aggregator.config.rules import Rule as WrittenRule
from aggregator.config.rules import build_rules
from aggregator.model.rule import RuleDecision, Rules, Verdict
from aggregator.model.tag import TagEvidence
from aggregator.pipeline import rules as stage
from aggregator.pipeline.rules import (
    RuleSubject,
    Sight,
    compile_expression,
    count_text,
    decide,
    get_fingerprint,
    judge,
    prepare_text,
    trace,
)

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
OPENAI = TagEvidence(slug="openai", kind="org", field="title", found="OpenAI", rule="alias")
SUBJECT = RuleSubject(
    title="OpenAI sponsors a chess club",
    text="A few words about the club in Réunion, and 日本のAI技術 too.",
    author="Jane Doe",
    url="https://news.example.org/2026/chess",
    language="en-GB",
    tags=(OPENAI,),
    feed_names=("https://news.example.org/feed.xml", "Example News"),
    published_at=NOW - timedelta(days=3),
    first_seen_at=NOW,
)


def make_rules(*written: dict[str, Any]) -> Rules:
    named = [{"name": f"rule {number}", **rule} for number, rule in enumerate(written)]
    return build_rules([WrittenRule.model_validate(rule) for rule in named], (), {"openai": "org"})


def holds(when: dict[str, Any], subject: RuleSubject = SUBJECT, **rule: Any) -> bool:
    return decide(subject, make_rules({"when": when, "drop": True, **rule})).hidden


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"title": "sponsors"},
        {"title": ["nothing", "CHESS  club"]},
        {"title": "spons*"},
        {"title": "/^openai .* club$/"},
        {"text": ["AI"]},
        {"text": "技術"},
        {"text": "réunion"},
        {"author": "jane"},
        {"url": "/2026/"},
        {"language": "en"},
        {"language": ["ja", "en-GB"]},
        {"tag": ["nvidia", "openai"]},
        {"older_than": "2d"},
        {"newer_than": "3d"},
        {"min_words": 8, "max_words": 20},
        {"min_characters": 10, "max_characters": 100},
        {"title": "chess", "author": "doe"},
    ],
    ids=str,
)
def test_conditions_that_hold(when: dict[str, Any]) -> None:
    assert holds(when)
    assert not decide(SUBJECT, make_rules({"when": when, "not": {"language": "en"}, "drop": True})).hidden


@pytest.mark.parametrize(
    "when",
    [
        {"title": "sponsor"},
        {"title": "penAI"},
        {"title": "/(?-i)openai/"},
        {"text": "r"},
        {"text": "union"},
        {"author": "john"},
        {"language": "de"},
        {"tag": "nvidia"},
        {"older_than": "3d"},
        {"newer_than": "2d"},
        {"min_words": 200},
        {"max_characters": 3},
        {"title": "chess", "author": "john"},
    ],
    ids=str,
)
def test_conditions_that_do_not_hold(when: dict[str, Any]) -> None:
    assert not holds(when)
    if len(when) == 1:
        assert decide(SUBJECT, make_rules({"not": when, "drop": True})).hidden


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("all", True),
        ("tag:openai", True),
        ("tag:nvidia", False),
        ("feed:example news", True),
        ("feed:https://news.example.org/feed.xml", True),
        ("feed:Other News", False),
        (["tag:nvidia", "feed:Example News"], True),
    ],
)
def test_the_scope_says_whose_entries(scope: Any, expected: bool) -> None:
    """Of a feed by address or title, or bearing a tag; of several any."""
    assert holds({}, scope=scope) is expected


def test_a_verdict_has_all_actions_with_their_decisions() -> None:
    """Tags join with the words that brought them, weights multiply, the last section stays."""
    verdict = decide(
        SUBJECT,
        make_rules(
            {"when": {"title": "chess"}, "tag": ["games", "openai"], "weight": 1.5, "section": "Play"},
            {"scope": "tag:games", "drop": True, "weight": 2, "section": "Other", "stop": True},
            {"tag": "never"},
        ),
    )

    assert verdict == Verdict(
        tags=(TagEvidence(slug="games", kind="topic", field="title", found="chess", rule="rule:rule 0"),),
        hidden=True,
        weight=3.0,
        section="Other",
        decisions=(
            RuleDecision(rule="rule 0", action="tag", value="games"),
            RuleDecision(rule="rule 0", action="tag", value="openai"),
            RuleDecision(rule="rule 0", action="weight", value="1.5"),
            RuleDecision(rule="rule 0", action="section", value="Play"),
            RuleDecision(rule="rule 1", action="drop"),
            RuleDecision(rule="rule 1", action="weight", value="2"),
            RuleDecision(rule="rule 1", action="section", value="Other"),
            RuleDecision(rule="rule 1", action="stop"),
        ),
    )


def test_an_entry_without_a_date_has_just_been_written() -> None:
    assert holds({"newer_than": "1s"}, replace(SUBJECT, published_at=None))


WORDS = st.sampled_from(["chess", "club", "nothing", "/a.*b/"])
RULES = st.fixed_dictionaries(
    {"when": st.one_of(st.just({}), WORDS.map(lambda word: {"title": word}), st.just({"tag": "t1"}))},
    optional={
        "tag": st.sampled_from(["t1", "t2"]),
        "drop": st.booleans(),
        "weight": st.sampled_from([0.5, 2]),
        "section": st.sampled_from(["A", "B"]),
        "stop": st.booleans(),
    },
)


@given(st.lists(RULES, max_size=6))
def test_two_runs_give_the_same(written: list[dict[str, Any]]) -> None:
    """However often, and from rules that were read anew."""
    assert decide(SUBJECT, make_rules(*written)) == decide(SUBJECT, make_rules(*written))
    assert get_fingerprint(make_rules(*written)) == get_fingerprint(make_rules(*written))


@given(st.lists(RULES, max_size=5), st.lists(RULES, max_size=5))
def test_nothing_behind_a_stop_counts(before: list[dict[str, Any]], behind: list[dict[str, Any]]) -> None:
    """A rule that holds and stops ends it; so do the rules before it whatever follows."""
    stopped = [*before, {"when": {}, "stop": True}]

    assert decide(SUBJECT, make_rules(*stopped, *behind)) == decide(SUBJECT, make_rules(*stopped))


@given(st.lists(RULES, max_size=6))
def test_the_order_is_the_one_that_is_written(written: list[dict[str, Any]]) -> None:
    """Decisions come in the order of the rules, and one more rule at the end changes nothing of those before."""
    short = decide(SUBJECT, make_rules(*written))
    longer = decide(SUBJECT, make_rules(*written, {"tag": "last"}))
    numbers = [int(said.rule.split()[1]) for said in longer.decisions]

    assert numbers == sorted(numbers)
    assert longer.decisions[: len(short.decisions)] == short.decisions
    assert (longer.hidden, longer.weight, longer.section) == (short.hidden, short.weight, short.section)


@given(st.text(max_size=300))
def test_any_words_can_be_searched_for(text: str) -> None:
    """What `PATTERN` takes as plain words compiles, and is found in a text that is just that."""
    from aggregator.config.kinds import Unfit
    from aggregator.config.patterns import PATTERN

    try:
        word = str(PATTERN.read(text))
    except Unfit:
        return
    found = make_patterns([word])
    assert found is not None
    expression = compile_expression(found.expression)
    if not word.startswith("/") and "*" not in word:
        assert expression.search(prepare_text(f"« {word} »", 1_000))


def test_hostile_texts_are_searched_once_a_condition_and_only_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a text of five million characters, by twenty rules, each sees the first 50,000 once."""
    seen: list[int] = []

    class Counting:
        def search(self, text: bytes) -> None:
            seen.append(len(text))

    monkeypatch.setattr(stage, "compile_expression", lambda expression: Counting())
    rules = make_rules(*({"when": {"text": f"/(a+)+{number}$/"}, "drop": True} for number in range(20)))
    hostile = replace(SUBJECT, text="a" * 5_000_000, title="ﷺ" * 1_000_000)

    assert decide(hostile, rules) == Verdict()
    assert seen == [stage.TEXT_LIMIT] * 20


def test_words_of_scripts_without_spaces_are_counted_by_characters() -> None:
    """Two characters are a word, about."""
    assert count_text("one two three") == (3, 11)
    assert count_text("日本の技術 is new") == (5, 10)
    assert count_text("") == (0, 0)


def test_a_trace_says_of_each_rule_why_it_holds_or_not_and_what_a_stop_kept_from_it() -> None:
    rules = make_rules(
        {"scope": "feed:Other News", "drop": True},
        {"when": {"text": "réunion"}, "tag": "islands"},
        {"when": {"title": "chess", "language": "ja"}, "drop": True},
        {"when": {"tag": "islands"}, "not": {"url": ["2025", "2026"]}, "drop": True},
        {"when": {"tag": "islands"}, "stop": True},
        {"when": {"author": "doe"}, "weight": 2},
    )
    sight = Sight(SUBJECT)
    steps = trace(sight, rules)
    assert [(one.holds, one.part, one.condition, one.found) for one in steps] == [
        (False, "scope", "", ""),
        (True, "", "text", "Réunion"),
        (False, "when", "language", ""),
        (False, "not", "url", "/2026/"),
        (True, "", "", ""),
        (True, "", "author", "Doe"),
    ]
    assert [one.stopped_by for one in steps] == ["", "", "", "", "", "rule 4"]
    assert judge(sight, rules) == judge(sight, rules) == decide(SUBJECT, rules)


def test_what_is_turned_off_is_not_asked() -> None:
    assert make_rules({"drop": True, "off": True}, {"weight": 2}).rules == make_rules({}, {"weight": 2}).rules[1:]
