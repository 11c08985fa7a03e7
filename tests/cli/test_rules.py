"""``aggregator rules``, and that what rules hide is in no output: through the program, from posts to pages and mail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aggregator.storage import entries
from aggregator.storage.entries import EntryQuery
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.refresh import refresh_feeds
from aggregator.tasks.site.found import Page
from aggregator.tasks.site.routes import find_page
from aggregator.tasks.tag import plan_retagging, retag_stored
from tests.fixtures.program import Program

DROP = {"name": "no gossip", "when": {"title": "gossip"}, "drop": True}
MARK = {
    "name": "robots",
    "when": {"text": "robot*"},
    "not": {"title": "gossip"},
    "tag": "machines",
    "weight": 2,
    "section": "Machines",
}
NEWSLETTER = {"slug": "weekly", "title": "AI Weekly", "schedule": "0 8 * * 1", "min_stories": 1}
TITLES = ("Gossip from the harbour", "A violin for robots", "Glaciers and pepper")
FEED = "https://blog.example.org/"


@pytest.fixture
def posts(program: Program) -> Program:
    """Three posts, fetched."""
    folder = program.folder / "posts"
    folder.mkdir()
    for number, title in enumerate(TITLES):
        head = f'---\ntitle: "{title}"\ndate: 2025-12-02T0{number}:00:00Z\nurl: {FEED}{number}\n---\n'
        (folder / f"{number}.md").write_text(f"{head}\nOpenAI and a robot, {title.lower()}.\n", encoding="utf-8")
    return program


def configure(program: Program, *rules: dict[str, Any]) -> Program:
    program.configure(
        feeds=[{"folder": "posts"}],
        rules=list(rules),
        combined={"window": "3000d"},
        newsletters=[NEWSLETTER],
        mail={"from": "AI Weekly <news@example.org>"},
    )
    return program


def list_titles(program: Program, *options: str) -> list[str]:
    return sorted(entry["title"] for entry in program.json("entries", "list", *options))


def read_outputs(program: Program) -> dict[str, str]:
    """All that readers may get, as text."""
    assert program.run("issues", "build", "--until", "2025-12-04").code == 0
    program.run("issues", "preview", "--out", "look")
    program.run("publish", "--out", "site")
    with program.app() as app:
        pages = {path: find_page(app, path) for path in ("/", "/feed.atom", "/tags/openai", "/tags/openai.atom")}
    outputs = {path: page.body.decode() for path, page in pages.items() if isinstance(page, Page)}
    for folder in ("look", "site"):
        files = [path for path in Path(program.folder / folder).rglob("*") if path.is_file()]
        outputs[folder] = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files)
    outputs["stories"] = str(program.json("stories", "list"))
    outputs["entries"] = str(program.json("entries", "list"))
    return outputs


def test_what_is_dropped_is_in_no_output_and_never_lost(posts: Program) -> None:
    """Front page, feed, tag page, tag feed, static site, issue, stories, entries; `entries list --hidden` has it."""
    configure(posts, DROP)
    posts.run("fetch", "--all")

    outputs = read_outputs(posts)

    assert set(outputs) == {
        "/", "/feed.atom", "/tags/openai", "/tags/openai.atom", "look", "site", "stories", "entries"
    }  # fmt: skip
    for place, text in outputs.items():
        assert "violin" in text, place
        assert "Gossip" not in text, place
    assert list_titles(posts, "--hidden") == [TITLES[0]]
    counts = {tag["slug"]: tag["entries"] for tag in posts.json("tags", "list")}
    assert counts["openai"] == 2
    assert [feed["entries"] for feed in posts.json("feeds", "list")] == [2]


def test_the_page_of_a_dropped_entry_and_of_its_story_is_gone(posts: Program) -> None:
    """Also when it had a story before the rule came."""
    configure(posts)
    posts.run("fetch", "--all")
    (gossip,) = [entry for entry in posts.json("entries", "list") if entry["title"] == TITLES[0]]
    configure(posts, DROP)
    posts.run("rules", "apply")

    with posts.app() as app:
        pages = [find_page(app, path) for path in (f"/entries/{gossip['id']}", f"/stories/{gossip['story_id']}")]

    assert pages == [None, None]


def test_new_entries_show_nowhere_before_the_rules_have_seen_them(posts: Program) -> None:
    """A round that was killed after saving leaves entries that no list for readers holds."""
    configure(posts, DROP)
    posts.run("feeds", "list")
    with posts.app() as app:
        with app.db.read() as conn:
            ids = [feed["id"] for feed in posts.json("feeds", "list")]
        refresh_feeds(app, ids)
        with app.db.read() as conn:
            stored = entries.list_entries(conn, EntryQuery())
            shown = entries.list_entries(conn, EntryQuery(combined_only=True))
        front = find_page(app, "/")
        regroup_stories(app)
        with app.db.read() as conn:
            later = entries.list_entries(conn, EntryQuery(combined_only=True))

    assert len(stored) == 3
    assert shown == ()
    assert isinstance(front, Page)
    assert "Gossip" not in front.body.decode()
    assert len(later) == 2


def test_a_rule_that_is_gone_gives_back_what_it_hid(posts: Program) -> None:
    """With `rules apply`; in feeds and stories again."""
    configure(posts, DROP)
    posts.run("fetch", "--all")
    configure(posts)

    applied = posts.json("rules", "apply")

    assert (applied["entries"], applied["changed"], applied["decisions"]) == (3, 1, [])
    assert list_titles(posts, "--hidden") == []
    assert all("Gossip" in text for text in read_outputs(posts).values())


def test_a_dry_run_counts_and_names_and_writes_nothing(posts: Program) -> None:
    """What each rule would do, and what would be other than it is."""
    configure(posts)
    posts.run("fetch", "--all")
    configure(posts, DROP, MARK)

    report = posts.json("rules", "test")
    of_one = posts.json("rules", "test", "--rule", "no gossip")
    none = posts.json("rules", "test", "--since", "2025-12-03")
    text = posts.run("rules", "test")
    unknown = posts.run("rules", "test", "--rule", "nothing")

    by_name = {rule["name"]: rule for rule in report["rules"]}
    assert report["entries"] == 3
    assert by_name["no gossip"]["actions"] == {"drop": 1}
    assert [sample["title"] for sample in by_name["no gossip"]["samples"]] == [TITLES[0]]
    assert (by_name["robots"]["entries"], by_name["robots"]["actions"]) == (2, {"tag": 2, "weight": 2, "section": 2})
    changes = {name: change["entries"] for name, change in report["changes"].items()}
    assert changes == {"hide": 1, "show": 0, "tag": 2, "untag": 0, "weight": 2, "section": 2}
    assert [rule["name"] for rule in of_one["rules"]] == ["no gossip"]
    assert none["entries"] == 0
    assert "1 would go out of sight, such as" in text.out
    assert (unknown.code, "no rule nothing; configured: no gossip, robots" in unknown.err) == (1, True)
    assert list_titles(posts, "--hidden") == []


def test_applying_twice_changes_nothing_the_second_time(posts: Program) -> None:
    """And a dry run after it finds nothing to change."""
    configure(posts)
    posts.run("fetch", "--all")
    configure(posts, DROP, MARK)

    first, second = posts.json("rules", "apply"), posts.json("rules", "apply")
    after = posts.json("rules", "test")

    assert (first["entries"], first["changed"]) == (3, 3)
    assert (second["entries"], second["changed"]) == (3, 0)
    assert first["decisions"] == second["decisions"]
    assert not any(change["entries"] for change in after["changes"].values())


def test_an_entry_shows_what_rules_decided(posts: Program) -> None:
    """With tag, weight and section; `rules list` counts, `tags explain` says which rule."""
    configure(posts, DROP, MARK)
    posts.run("fetch", "--all")
    (violin,) = [entry for entry in posts.json("entries", "list") if "violin" in entry["title"]]

    shown = posts.json("entries", "show", str(violin["id"]))
    text = posts.run("entries", "show", str(violin["id"])).out
    listed = posts.json("rules", "list")
    reasons = posts.json("tags", "explain", str(violin["id"]))["tags"]

    assert shown["rules"] == [
        {"rule": "robots", "action": "tag", "value": "machines"},
        {"rule": "robots", "action": "weight", "value": "2"},
        {"rule": "robots", "action": "section", "value": "Machines"},
    ]
    assert (shown["hidden"], shown["weight"], shown["section"]) == (False, 2.0, "Machines")
    assert "rules: robots: tag machines; robots: weight 2; robots: section Machines" in text
    assert [(rule["name"], rule["decisions"]) for rule in listed] == [
        ("no gossip", {"drop": 1}),
        ("robots", {"section": 2, "tag": 2, "weight": 2}),
    ]
    assert ("machines", "rule:robots", "robot") in [
        (reason["slug"], reason["rule"], reason["found"]) for reason in reasons
    ]


def test_a_bad_pattern_stops_at_load_and_nothing_is_lost(posts: Program) -> None:
    """File, line, key and what is wrong; the next good file finds everything as it was."""
    configure(posts, DROP)
    posts.run("fetch", "--all")
    configure(posts, DROP, {"name": "bad", "when": {"title": "/a(?!b)/"}, "drop": True})

    refused = posts.run("rules", "apply")
    configure(posts, DROP)

    assert refused.code == 2
    assert 'rules[1].when.title[0]: found "/a(?!b)/", expected an expression without (?!...)' in refused.err
    assert list_titles(posts, "--hidden") == [TITLES[0]]
    assert len(list_titles(posts)) == 2


def test_a_daemon_applies_other_rules_beside_its_rounds(posts: Program) -> None:
    """What it plans when it starts; with the same rules there is nothing to do."""
    configure(posts)
    posts.run("fetch", "--all")
    configure(posts, DROP)

    with posts.app() as app:
        planned = plan_retagging(app)
        retag_stored(app, pause=lambda seconds: False)
        again = plan_retagging(app)

    assert (planned, again) == (3, 0)
    assert list_titles(posts, "--hidden") == [TITLES[0]]
