"""The configuration that is shipped, and the page that explains it: complete, and as first-hand as promised."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aggregator.config import load_config
from aggregator.config.environment import PASSWORD_VARIABLES, get_variables
from aggregator.config.feeds import read_feed_lists
from aggregator.config.problems import iter_keys
from aggregator.config.settings import build_settings
from aggregator.model.tag import TagRules
from aggregator.pipeline.opml import parse_opml

PROJECT = Path(__file__).resolve().parents[2]
SHIPPED = PROJECT / "config.yaml"
PAGE = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
#: Services that make feeds of other people's pages, or hand on other people's feeds.
BRIDGES = (
    "rsshub", "rss.app", "feedburner", "kill-the-newsletter", "githubusercontent", "nitter", "openrss", "news.google",
    "anyfeeder", "feedx", "fetchrss", "politepol", "morss", "hnrss", "rss-bridge", "feed43", "wechat2rss", "youtube",
    "reddit",
)  # fmt: skip


def test_the_shipped_file_has_no_mistake() -> None:
    """The one thing that is left to the editor is a contact."""
    warnings = load_config(SHIPPED, {}).warnings

    assert [problem.key for problem in warnings] == ["site.contact"]


def test_the_shipped_feeds_are_many_and_of_many_languages() -> None:
    """Each with title and language."""
    specs = read_feed_lists(load_config(SHIPPED, {}), parse_opml).specs

    assert len(specs) >= 60
    assert len({spec.language.partition("-")[0] for spec in specs}) >= 8
    assert all(spec.title and spec.language for spec in specs)
    assert len({spec.title for spec in specs}) == len(specs)


def test_the_shipped_feeds_come_from_their_publishers() -> None:
    """No bridge, no copy, one feed a publisher."""
    hosts = [urlsplit(spec.url).hostname or "" for spec in read_feed_lists(load_config(SHIPPED, {}), parse_opml).specs]

    assert [host for host in hosts if any(bridge in host for bridge in BRIDGES)] == []
    assert len(set(hosts)) == len(hosts)


def test_the_shipped_newsletter_comes_on_monday_morning() -> None:
    """In a named zone."""
    (newsletter,) = load_config(SHIPPED, {}).newsletters

    assert (newsletter.schedule, newsletter.timezone) == ("0 8 * * 1", "Europe/Berlin")


@pytest.mark.parametrize("path", iter_keys(), ids=".".join)
def test_every_key_is_in_the_shipped_file(path: tuple[str, ...]) -> None:
    """With its value, or behind a # with its default."""
    pattern = rf"^[ #-]*{re.escape(path[-1])}:"
    text = SHIPPED.read_text(encoding="utf-8")

    assert re.search(pattern, text, re.M) or f"{path[-1]}," in text or f", {path[-1]}" in text


def test_every_key_behind_a_hash_may_be_uncommented(tmp_path: Path) -> None:
    """It shows its default, so that nothing changes."""
    text, count = re.subn(r"^( *)# ([a-z_]+:)", r"\1\2", SHIPPED.read_text(encoding="utf-8"), flags=re.M)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")

    files = (tmp_path / "config.yaml", SHIPPED)
    rules = TagRules()
    shown, hidden = (build_settings(load_config(file, {}), feeds=(), tag_rules=rules) for file in files)

    assert count >= 8
    assert shown == hidden


def name_key(path: tuple[str, ...]) -> str:
    """As the page calls it, which explains what rules hold once: for the list and ``when``."""
    name = ".".join(part for part in path if not part.startswith("<")).replace(".[]", "[]")
    return name.replace("feeds[].rules[].", "rules[].").replace("rules[].not.", "rules[].when.")


@pytest.mark.parametrize("path", iter_keys(), ids=".".join)
def test_every_key_is_explained(path: tuple[str, ...]) -> None:
    """A row of a table, or the heading of a section."""
    assert f"| `{name_key(path)}` |" in PAGE or f"## `{name_key(path)}`" in PAGE


def test_the_page_explains_no_key_that_is_gone() -> None:
    """Every key named in the first column of a table exists."""
    named = set(re.findall(r"^\| `([a-z_.\[\]]+)` \|", PAGE, re.M))

    assert named <= {name_key(path) for path in iter_keys()}


def test_the_page_names_every_variable() -> None:
    """In a list that can be copied."""
    for name in [*get_variables(), *PASSWORD_VARIABLES.values()]:
        assert f"`{name}`" in PAGE


def test_the_examples_of_error_lines_are_real(tmp_path: Path) -> None:
    """They stand among the expectations of `bad/`."""
    expected = "\n".join(path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "bad").glob("*.yaml"))
    examples = re.findall(r"^config\.yaml:\d+: (.+)$", PAGE, re.M)

    assert len(examples) >= 4
    for example in examples:
        assert example in expected
