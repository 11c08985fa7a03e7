"""The taxonomy's files: what a tag may hold, what each mistake is answered with, how one file changes another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aggregator.config import taxonomy
from aggregator.config.taxonomy import SHIPPED, load_tag_rules
from aggregator.errors import ConfigError
from aggregator.model.tag import Alias, TagRule
from aggregator.pipeline.tag import find_tags


def load(tmp_path: Path, text: str) -> dict[str, TagRule]:
    """The rules by slug, with ``text`` laid over the shipped file."""
    path = tmp_path / "tags.yaml"
    path.write_text(text, encoding="utf-8")
    return {rule.tag.slug: rule for rule in load_tag_rules([path]).rules}


@pytest.fixture
def little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shipped file of two tags, for tests of many files: the real one takes a tenth of a second each time."""
    path = tmp_path / "shipped.yaml"
    path.write_text(
        "contexts: {robots: robot*}\ntags: {openai: {org: OpenAI}, apple: {org: Apple}}\n", encoding="utf-8"
    )
    monkeypatch.setattr(taxonomy, "SHIPPED", path)


def test_the_shipped_taxonomy_is_large() -> None:
    kinds = [rule.tag.kind for rule in load_tag_rules([]).rules]
    assert kinds.count("org") >= 200
    assert kinds.count("product") >= 300
    assert kinds.count("topic") >= 100


def test_naming_the_shipped_file_reads_it_once() -> None:
    assert len(load_tag_rules([SHIPPED]).rules) == len(load_tag_rules([]).rules)


def test_a_tag_is_read_with_everything_it_may_hold(tmp_path: Path) -> None:
    rule = load(
        tmp_path,
        r"""
        contexts:
          fruit: pie, juice
        tags:
          pear-4.1:
            product: Pear 4.1
            ja: ペア
            zh: 梨子
            case: exact
            aliases: ~pear phone, ja:洋梨, zh:=PEAR
            patterns:
              - 'Pear[- ]?\d'
            parents: apple, google
            not_when: <fruit>, "orchard*"
            only_with: '#openai, phone'
            hosts: pear.example
        """,
    )["pear-4.1"]
    assert (rule.tag.kind, rule.tag.name, rule.tag.names) == ("product", "Pear 4.1", (("ja", "ペア"), ("zh", "梨子")))
    assert rule.aliases == (
        Alias(text="Pear 4.1", exact_case=True),
        Alias(text="ペア", exact_case=True),
        Alias(text="梨子", exact_case=True),
        Alias(text="pear phone"),
        Alias(text="洋梨", exact_case=True, languages=("ja",)),
        Alias(text="PEAR", exact_case=True, languages=("zh",)),
        Alias(text=r"Pear[- ]?\d", exact_case=True, pattern=True),
    )
    assert rule.parents == ("apple", "google")
    assert rule.not_when[:2] == ("pie", "juice")
    assert rule.only_with == ("#openai", "phone")
    assert rule.hosts == ("pear.example",)


def test_a_name_need_not_be_an_alias(tmp_path: Path) -> None:
    rule = load(tmp_path, "tags: {x-topic: {topic: Money, match_name: no, aliases: [venture debt, bridge loan]}}")[
        "x-topic"
    ]
    assert [alias.text for alias in rule.aliases] == ["venture debt", "bridge loan"]


def test_a_later_file_adds_to_a_known_tag_renames_it_replaces_it_or_removes_it(tmp_path: Path) -> None:
    before = {rule.tag.slug: rule for rule in load_tag_rules([]).rules}
    after = load(
        tmp_path,
        """
        tags:
          openai: {aliases: [Sam's shop], ja: オープンＡＩ社}
          nvidia: {replace: yes, org: NVIDIA}
          reddit: {remove: yes}
          meta: {topic: Meta matters}
          our-lab: {org: Our Lab}
        """,
    )
    assert {alias.text for alias in after["openai"].aliases} > {"OpenAI", "Sam's shop", "オープンＡＩ社"}
    assert after["openai"].hosts == before["openai"].hosts
    assert [alias.text for alias in after["nvidia"].aliases] == ["NVIDIA"]
    assert "reddit" not in after
    assert (after["meta"].tag.kind, after["meta"].tag.name) == ("topic", "Meta matters")
    assert set(after) == set(before) - {"reddit"} | {"our-lab"}


def test_a_short_row_holds_a_name_aliases_parents_hosts_and_contexts(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        """
        contexts: {fruit: "pie, juice"}
        orgs:
          pear: =Pear, ja=ペア, zh=梨, ~pear phone, ja:洋梨 < apple @ pear.example, pear.test ? <fruit>, tea ! orchard*
        products:
          pearl: (Pearl models), Pearl#, Pearl#-Max < pear
        topics:
          pearing: Pearing
        """,
    )
    pear, pearl = rules["pear"], rules["pearl"]
    assert (pear.tag.kind, pear.tag.name, pear.tag.names) == ("org", "Pear", (("ja", "ペア"), ("zh", "梨")))
    assert pear.aliases == (
        Alias(text="Pear", exact_case=True),
        Alias(text="ペア"),
        Alias(text="梨"),
        Alias(text="pear phone"),
        Alias(text="洋梨", languages=("ja",)),
    )
    assert (pear.parents, pear.hosts) == (("apple",), ("pear.example", "pear.test"))
    assert (pear.only_with, pear.not_when) == (("pie", "juice", "tea"), ("orchard*",))
    assert (pearl.tag.name, [alias.pattern for alias in pearl.aliases]) == ("Pearl models", [True, True])
    assert rules["pearing"].tag.kind == "topic"


@pytest.mark.parametrize(
    ("alias", "text", "matches"),
    [
        ("Pearl#", "Pearl3", True),
        ("Pearl#", "Pearl-V4", True),
        ("Pearl#", "pearl 2.5", True),
        ("Pearl#", "Pearl3:27b", True),
        ("Pearl#", "Pearl3-235B-A22B", True),
        ("Pearl#", "Pearl 4 Fast", True),
        ("Pearl#", "Pearl3Omni", True),
        ("Pearl#", "Pearl", False),
        ("Pearl#", "Pearls 3", False),
        ("=Pearl#", "pearl 2", False),
        ("Pearl#-Max", "Pearl 3 Max", True),
        ("Pearl#-Max", "Pearl3.5-Max", True),
        ("Pearl#-Max", "Pearl 3", False),
    ],
)
@pytest.mark.usefixtures("little")
def test_a_number_sign_in_a_name_stands_for_a_version(tmp_path: Path, alias: str, text: str, matches: bool) -> None:
    path = tmp_path / "tags.yaml"
    path.write_text(f"products:\n  pearl: (Pearl), {alias}\n", encoding="utf-8")
    values: dict[str, Any] = {"text": "", "categories": (), "url": "", "language": "en", "feed_tags": ()}
    found = find_tags(title=f"So {text} it is", rules=load_tag_rules([path]), **values)
    assert [one.found for one in found] == ([text] if matches else [])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("orgs:\n  a-b: A\ntags:\n  a-b: {org: A}", 4, "stands twice, first on line 2"),
        ("orgs:\n  a-b: A < opnai", 2, "there is no tag 'opnai'; did you mean 'openai'?"),
        ("orgs:\n  a-b: A ? <robot>", 2, "context '<robot>' is not known"),
        ("orgs:\n  a-b: Bee, OPENAI", 2, "'OPENAI' belongs to 'openai' already"),
        ("orgs:\n  a-b: ''", 2, "found none, expected exactly one of"),
        ("products:\n  a-b: (A), A#", 2, "two plain letters or more stand before a '#'"),
        ("org:\n  a-b: A", 1, "did you mean 'orgs'?"),
        ("tags:\n  opnai: {remove: yes}", 2, "there is no tag 'opnai'; did you mean 'openai'?"),
        ("tags:\n  a-b:\n    org: A\n    alias: x", 4, "a-b.alias: is not known; did you mean 'aliases'?"),
        ("tags:\n  a-b:\n    org: A\n    kind: org", 4, "a kind is org, product or topic"),
        ("tag:\n  a-b: {org: A}", 1, "did you mean 'tags'?"),
        ("tags:\n  a-b: {org: A}\n  a-b: {org: B}", 3, "stands twice, first on line 2"),
        ("tags:\n  a-b:\n    org: A\n    org: B", 4, "stands twice, first on line 3"),
        ("tags:\n\n  a-b: {aliases: x y}", 3, "found none, expected exactly one of org, product, topic"),
        ("tags:\n  a-b: {org: A, topic: B}", 2, "found org and topic"),
        ("tags:\n  A_b: {org: A}", 2, "is no slug"),
        ("tags:\n  package.json: {topic: Packages}", 2, "ends like an address of its own feed"),
        ("tags:\n  a-b:\n    org: A\n    parents: opnai", 4, "there is no tag 'opnai'; did you mean 'openai'?"),
        ("tags:\n  a-b:\n    org: A\n    only_with: ['#nothing-like-it']", 4, "there is no tag 'nothing-like-it'"),
        (
            "tags:\n  a-b:\n    org: A\n    only_with: <robot>",
            4,
            "context '<robot>' is not known; did you mean 'robots'?",
        ),
        ("tags:\n  a-b: {org: A, parents: c-d}\n  c-d: {org: C, parents: a-b}", 2, "its own ancestor"),
        ("tags:\n  a-b:\n    org: A\n    aliases: OPENAI", 4, "'OPENAI' belongs to 'openai' already"),
        ("tags:\n  a-b:\n    org: A\n    aliases: '!!, x'", 4, "'!!' holds no letter"),
        ("tags:\n  a-b: {org: A, case: loud}", 2, "found 'loud', expected exact or any"),
        ("tags:\n  a-b: {org: A, remove: true}", 2, "found 'true', expected yes or no"),
        ("tags:\n  a-b: {org: A, hosts: 'https://a.b'}", 2, "is no host name"),
        ("tags:\n  a-b: {org: [A]}", 2, "expected a text"),
        ("tags:\n  a-b:\n    org: A\n    aliases: {x: y}", 4, "expected texts"),
        ("tags: [a, b]", 1, "expected keys and values"),
        ("tags:\n  a-b: {org: 'A}", 2, "is not YAML"),
        ("tags:\n\t- a", 2, "is not YAML"),
    ],
)
@pytest.mark.usefixtures("little")
def test_each_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    found = [problem for problem in caught.value.problems if problem.line == line and words in str(problem)]
    assert found, str(caught.value)
    assert str(found[0]).startswith(f"{tmp_path / 'tags.yaml'}:{line}: ")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("GPT-(", "is no regular expression"),
        (r"\d+B", "must begin with two plain characters"),
        ("G.T", "must begin with two plain characters"),
        ("GP*T", "must begin with two plain characters"),
        ("GPT(a+)+", "repeats what repeats already"),
        ("GPT(?:a*b)*", "repeats what repeats already"),
        ("GPT((a{2,})|b){3,}", "repeats what repeats already"),
        (r"GPT(\d)-\1", "without references"),
        ("GPT(?<=T)x", "may group with"),
        ("GPT|Qwen", "needs its alternatives inside"),
    ],
)
@pytest.mark.usefixtures("little")
def test_a_pattern_that_could_take_for_ever_or_never_begin_is_refused(tmp_path: Path, pattern: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"tags:\n  a-b:\n    org: A\n    patterns:\n      - '{pattern}'\n")
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.line == 5


@pytest.mark.usefixtures("little")
def test_all_mistakes_of_all_files_come_at_once(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("tags:\n  a-b: {org: A, colour: red}\n  c-d: {}\n", encoding="utf-8")
    second.write_bytes(b"\xff\xfe\x00")
    missing = tmp_path / "c.yaml"
    with pytest.raises(ConfigError) as caught:
        load_tag_rules([first, second, missing])
    places = [(Path(problem.file).name, problem.line) for problem in caught.value.problems]
    assert places == [("a.yaml", 2), ("a.yaml", 3), ("b.yaml", 0), ("c.yaml", 0)]


@pytest.mark.parametrize("text", ["", "# nothing\n", "tags:\n", "\ufefftags:\n"])
@pytest.mark.usefixtures("little")
def test_an_empty_file_changes_nothing(tmp_path: Path, text: str) -> None:
    assert len(load(tmp_path, text)) == len(load_tag_rules([]).rules)
