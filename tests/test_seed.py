"""The seed post, one Markdown file in Japanese, through the whole program."""

from __future__ import annotations

import re
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
    assert entry["title"] == "AI業界を揺るがす二つの波：Anthropic IPOとAWS Nova AIの真意は何か？"
    assert entry["excerpt"] == "AWS Nova AI、Anthropic IPO準備について詳細に分析します。"
    assert entry["author"] == "ALLFORCES編集部"
    assert entry["reading_minutes"] == 8
    assert set(WANTED) <= {tag["slug"] for tag in entry["tags"]}


def test_its_reading_time_and_excerpt_are_found_when_the_front_matter_gives_none(
    corpus: Path, program: Program, tmp_path: Path
) -> None:
    posts = tmp_path / "posts"
    shutil.copytree(corpus / "site", posts)
    for path in posts.iterdir():
        path.chmod(0o644)
        text = path.read_text(encoding="utf-8").replace("reading_time: 8\n", "")
        text = re.sub(r"^excerpt: .*\n", "", text, flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")
    posts.chmod(0o755)
    program.configure(feeds=[{"folder": "posts"}])

    program.json("fetch", "--all")
    (entry,) = program.json("entries", "list")

    assert 7 <= entry["reading_minutes"] <= 9
    assert entry["excerpt"].startswith("あなたも感じているかもしれませんが")
    assert entry["excerpt"].endswith("。")


def test_a_plain_japanese_article_beside_it_takes_its_characters_by_the_minute(program: Program) -> None:
    """2,060 characters, no repeats, no claim of a reading time: at 600 a minute it takes three and a half."""
    program.configure(feeds=[{"folder": str(Path(__file__).parent / "pipeline" / "data" / "posts")}])

    program.json("fetch", "--all")
    (entry,) = program.json("entries", "list")

    assert entry["language"] == "ja"
    assert entry["reading_minutes"] == 3
    assert entry["excerpt"].endswith("。")
