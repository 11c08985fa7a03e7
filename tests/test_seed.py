"""The seed post, one Markdown file in Japanese, through the whole program."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.fixtures.program import Program

WANTED = """anthropic amazon aws openai google microsoft nvidia salesforce linkedin wilson-sonsini claude claude-code
amazon-nova amazon-bedrock trainium inferentia bun kiro agents ipo funding chips""".split()


def test_the_seed_post_is_one_japanese_entry_with_its_tags(corpus: Path, program: Program) -> None:
    program.configure(feeds=[{"folder": str(corpus / "site")}])

    done = program.json("fetch", "--all")
    (entry,) = program.json("entries", "list")

    assert (done["new"], done["failed"]) == (1, 0)
    assert entry["language"] == "ja"
    assert entry["published_at"] == "2025-12-04T20:39:38Z"
    assert entry["effective_at"] == "2025-12-04T20:39:38Z"
    assert entry["title"] == "AI業界を揺るがす二つの波："
    assert entry["author"] == "ALLFORCES編集部"
    assert entry["reading_minutes"] == 8
    assert set(WANTED) <= {tag["slug"] for tag in entry["tags"]}


def test_its_reading_time_is_reckoned_when_the_front_matter_gives_none(
    corpus: Path, program: Program, tmp_path: Path
) -> None:
    posts = tmp_path / "posts"
    shutil.copytree(corpus / "site", posts)
    for path in posts.iterdir():
        path.chmod(0o644)
        text = path.read_text(encoding="utf-8").replace("reading_time: 8\n", "")
        path.write_text(text, encoding="utf-8")
    posts.chmod(0o755)
    program.configure(feeds=[{"folder": "posts"}])

    program.json("fetch", "--all")
    (entry,) = program.json("entries", "list")

    assert 8 <= entry["reading_minutes"] <= 16
