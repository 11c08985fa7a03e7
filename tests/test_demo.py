"""`make demo` runs the whole way on the sample posts: folders in; stories, pages, a feed and three mails out."""

from __future__ import annotations

import email
import email.policy
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from examples.demo import EXAMPLES, date_post

PROJECT = EXAMPLES.parent


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the demo ran."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, str(EXAMPLES / "demo.py"), str(folder)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return folder


def read_stories(folder: Path) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "aggregator", "stories", "list", "--json", "--limit", "0", "--config"]
    done = subprocess.run([*command, folder / "config.yaml"], cwd=PROJECT, capture_output=True, text=True, check=True)
    stories: list[dict[str, object]] = json.loads(done.stdout)
    return stories


def test_posts_are_dated_relative_to_now() -> None:
    """An age in days becomes a date in UTC; the rest of a post stays as it is."""
    text = "---\ntitle: A\ndays_ago: 1.5\n---\ndays_ago: as prose\n"

    dated = date_post(text, now=datetime(2026, 3, 1, 12, 0, tzinfo=UTC))

    assert dated == "---\ntitle: A\ndate: 2026-02-28T00:00:00Z\n---\ndays_ago: as prose\n"


def test_every_post_bears_its_age_and_language() -> None:
    """Enough posts, in enough languages, all of the last week."""
    texts = [path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*/*.md")]
    ages = [float(found[1]) for text in texts if (found := re.search(r"^days_ago: ([\d.]+)$", text, re.MULTILINE))]

    assert len(ages) == len(texts) >= 24
    assert max(ages) < 7
    assert {re.findall(r"^lang: (\w+)$", text, re.MULTILINE)[0] for text in texts} == {"en", "ja", "zh", "fr", "de"}


def test_events_told_by_several_are_one_story(demo: Path) -> None:
    """The three events that several publications tell are stories with 'also covered by', across languages too."""
    sizes = sorted(len(story["entries"]) for story in read_stories(demo))  # type: ignore[arg-type]

    assert sizes[-3:] == [3, 4, 4]
    assert set(sizes[:-3]) == {1}


def test_pages_and_feed_are_written(demo: Path) -> None:
    """The static site has its front page and the combined feed, Japanese included."""
    front = (demo / "site" / "index.html").read_text(encoding="utf-8")
    feed = (demo / "site" / "feed.atom").read_text(encoding="utf-8")

    assert "AWS Trainium と Inferentia の使い分けメモ" in front
    assert "AWS Trainium と Inferentia の使い分けメモ" in feed
    assert "Lanternfish 12B" in front


def test_each_subscriber_has_one_mail(demo: Path) -> None:
    """Three subscribers, three different mails, each in HTML and in plain text."""
    paths = sorted((demo / "var" / "outbox").glob("**/*.eml"))
    mails = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]

    assert sorted(mail["To"] for mail in mails) == ["ada@example.org", "haruki@example.org", "margot@example.org"]
    assert {mail.get_content_type() for mail in mails} == {"multipart/alternative"}
    assert len({mail["Message-ID"] for mail in mails}) == len({mail["List-Unsubscribe"] for mail in mails}) == 3
