"""Recorded feeds and hostile files: as many entries as feedparser finds, and the stated rules."""

import json
import re
import time
from email.message import EmailMessage
from email.policy import SMTP
from io import BytesIO
from pathlib import Path
from typing import Any

import feedparser
import pytest

from aggregator.errors import ParseError
from aggregator.model.entry import IdentifiedEntry
from aggregator.model.feed import FAILURE_CLASSES
from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.clean import CleanedParts, clean_parts
from aggregator.pipeline.identify import identify_entries
from aggregator.pipeline.parse import parse_feed
from aggregator.pipeline.words import header_text
from tests.pipeline.test_clean import find_faults

DATA = Path(__file__).parent / "data"
#: Documents in which there is no feed, with class and reason.
FAILURES: dict[str, list[str]] = json.loads((DATA / "corpus_failures.json").read_text())
#: Stated rules that we do not follow to the letter, and why.
DEVIATIONS: dict[str, str] = json.loads((DATA / "deviations.json").read_text())
FOLDERS = ("feeds/ai", "feeds/general", "feeds/samples", "feeds/world", "feeds/jsonfeed", "feeds/series")
HOSTILE_FOLDERS = (
    *("bombs", "broken", "dates", "encodings", "encodings-made", "entities", "ids", "illformed"),
    *("not-a-feed", "paired", "sanitize", "text", "urls", "validator", "wellformed"),
)
URL = "https://news.example.org/feed.xml"


def iter_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def count_bare(body: bytes) -> int:
    """What feedparser alone finds. The header is the one a server sends that knows nothing of encodings.

    It reads no JSON Feed: there the items are counted.
    """
    if body.lstrip().startswith(b"{") and b"jsonfeed.org/version" in body:
        return len(json.loads(body)["items"])
    try:
        found: Any = feedparser.parse(
            BytesIO(body),
            response_headers={"content-type": "application/xml"},
            sanitize_html=False,
            resolve_relative_uris=False,
        )
    except Exception:  # noqa: BLE001  (bare feedparser raises whatever it stumbles over)
        return 0
    return len(found["entries"])


def check_counts(corpus: Path, file: Path) -> ParsedFeed | None:
    """The document's entries, counted against feedparser's; None when it is no feed (and should be none)."""
    body = file.read_bytes()
    name = file.relative_to(corpus).as_posix()
    try:
        feed = parse_feed(body, content_type="application/xml", url=URL)
    except ParseError as error:
        assert count_bare(body) == 0, name
        assert [error.failure_class, error.reason] == FAILURES.get(name, [error.failure_class, error.reason])
        assert error.failure_class in FAILURE_CLASSES
        return None
    assert name not in FAILURES
    assert len(feed.entries) + len(feed.rejected) == count_bare(body), name
    found = identify_entries(feed)
    assert len(found.entries) + len(found.rejected) + found.folded == len(feed.entries) + len(feed.rejected), name
    return feed


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_feed_gives_as_many_entries_as_feedparser_finds(corpus: Path, folder: str) -> None:
    files = iter_files(corpus / folder)
    failed = [file.relative_to(corpus).as_posix() for file in files if check_counts(corpus, file) is None]

    assert failed == sorted(name for name in FAILURES if name.startswith(folder + "/"))
    assert len(files) > 4


@pytest.mark.parametrize("folder", HOSTILE_FOLDERS)
def test_a_hostile_file_gives_as_many_entries_as_feedparser_finds_and_no_exception(corpus: Path, folder: str) -> None:
    for file in iter_files(corpus / "hostile" / folder):
        started = time.process_time()
        feed = check_counts(corpus, file)
        for entry in feed.entries if feed else ():
            assert list(find_faults(clean_parts(entry, URL).content_html)) == [], file.name

        assert time.process_time() - started < 10, file.name


@pytest.mark.parametrize("folder", ["feeds/ai", "feeds/world"])
def test_what_real_feeds_show_is_clean_and_has_a_title(corpus: Path, folder: str) -> None:
    for file in iter_files(corpus / folder):
        feed = parse_feed(file.read_bytes(), url=URL)
        for entry in identify_entries(feed).entries[:20]:
            parts = clean_parts(entry.parsed, URL)
            assert list(find_faults(parts.content_html)) == [], file.name
            assert parts.title, file.name


@pytest.mark.parametrize(
    "series", ["anthropic-engineering", "cursor-blog", "xai-news", "wenweipo-zh", "juya-ai-daily-zh"]
)
def test_a_feed_read_twice_changes_no_key(corpus: Path, series: str) -> None:
    for file in iter_files(corpus / "feeds" / "series" / series):
        body = file.read_bytes()
        first, second = (identify_entries(parse_feed(body, url=URL)) for _ in range(2))

        assert [entry.key for entry in first.entries] == [entry.key for entry in second.entries]
        assert first == second


class Stated:
    """One file of the corpus with what it becomes here."""

    def __init__(self, corpus: Path, name: str) -> None:
        self.feed: ParsedFeed | None = None
        self.failure: ParseError | None = None
        self.entries: tuple[IdentifiedEntry, ...] = ()
        self.parts: tuple[CleanedParts, ...] = ()
        try:
            self.feed = parse_feed((corpus / "hostile" / name).read_bytes(), url=URL)
        except ParseError as error:
            self.failure = error
            return
        self.entries = identify_entries(self.feed).entries
        self.parts = tuple(clean_parts(entry.parsed, URL) for entry in self.entries)
        self.titles = [part.title for part in self.parts]
        self.urls = [part.url for part in self.parts]


def test_titles_are_read_as_the_corpus_states(corpus: Path) -> None:
    """Every stated rule that gives titles: encodings, HTML in titles, undeclared entities."""
    rules = [json.loads(line) for line in (corpus / "expectations.jsonl").read_text(encoding="utf-8").splitlines()]
    stated = re.compile(r"(?:titles read as written|titles as text|title|best answer|marked bozo): (.+)")
    checked = 0
    for rule in rules:
        found = stated.search(rule["expect"]) if rule["kind"] == "stated-rule" else None
        if found and rule["file"] not in DEVIATIONS:
            titles = found[1].split(" | ")
            actual = Stated(corpus, rule["file"].removeprefix("hostile/")).titles
            assert actual[: len(titles)] == titles, rule["file"]
            checked += 1
    assert checked >= 17


def test_broken_bytes_cost_no_entry_and_leave_no_damage_at_a_titles_end(corpus: Path) -> None:
    cut = Stated(corpus, "encodings-made/ja-cut-inside-character.xml")
    controls = Stated(corpus, "encodings-made/nul-and-control-bytes.xml")
    surrogate = Stated(corpus, "encodings-made/surrogate-bytes.xml")
    utf7 = Stated(corpus, "encodings-made/utf-7.xml")

    assert len(cut.titles) == 2 and not any("\ufffd" in title for title in cut.titles)
    assert controls.titles == ["Bad bytes here", "Good one"]
    assert not any("\ud800" <= character <= "\udfff" for character in surrogate.titles[0])
    assert "<" not in utf7.titles[0]


def test_bombs_end_at_once_and_open_nothing(corpus: Path) -> None:
    started = time.process_time()
    laughs, file = Stated(corpus, "bombs/billion-laughs.xml"), Stated(corpus, "bombs/xxe-file.xml")
    deep, long = Stated(corpus, "bombs/deep-nesting-html.xml"), Stated(corpus, "bombs/long-title.xml")
    many, gzip = Stated(corpus, "bombs/many-items.xml"), Stated(corpus, "bombs/gzip-bomb.xml.gz")

    assert time.process_time() - started < 10
    assert len(laughs.titles[0]) < 100 and file.titles == ["&x;"]
    assert deep.titles == ["deep"] and len(long.titles[0]) == 300
    assert len(many.entries) == 4_000
    assert gzip.failure is not None and gzip.failure.failure_class == "not_a_feed"


def test_only_safe_links_live_and_relative_ones_are_resolved(corpus: Path) -> None:
    assert Stated(corpus, "urls/schemes.xml").urls == ["", "", "", "", "https://news.example.org/ok", ""]
    assert Stated(corpus, "urls/private-addresses.xml").urls[3] == ""
    assert Stated(corpus, "urls/relative-no-base.xml").urls == [
        "https://news.example.org/2026/11/x.html",
        "https://news.example.org/up.html",
        "https://news.example.org/feed.xml?p=12",
        "https://cdn.example.org/y",
        "",
    ]


def test_entries_without_a_good_id_are_kept_and_stable(corpus: Path) -> None:
    for name in ("ids/duplicate-guids.xml", "ids/no-guid-no-link.xml"):
        first, second = Stated(corpus, name), Stated(corpus, name)

        assert len({entry.key for entry in first.entries}) == 3
        assert [entry.key for entry in first.entries] == [entry.key for entry in second.entries]


def test_odd_dates_cost_no_entry(corpus: Path) -> None:
    assert len(Stated(corpus, "dates/odd-dates.xml").entries) == 12


def test_titles_bring_no_mail_header_no_override_and_no_template(corpus: Path) -> None:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = header_text(Stated(corpus, "text/header-injection.xml").titles[0])

    assert mail.as_bytes().count(b"\r\n") == 2
    assert "\u202e" not in "".join(Stated(corpus, "text/bidi-and-invisible.xml").titles)
    assert "👩\u200d💻" in Stated(corpus, "text/bidi-and-invisible.xml").titles[2]
    assert Stated(corpus, "text/template-and-formula.xml").titles[0] == "{{ 7*7 }} {% raw %}"


def test_broken_documents_give_the_entries_they_hold(corpus: Path) -> None:
    counts = {
        path.name: len(Stated(corpus, f"broken/{path.name}").entries) for path in (corpus / "hostile/broken").iterdir()
    }

    assert counts == {
        "unclosed.xml": 2,
        "bare-ampersand.xml": 1,
        "undeclared-entities.xml": 1,
        "leading-space.xml": 1,
        "two-roots.xml": 1,
    }
    assert Stated(corpus, "broken/bare-ampersand.xml").titles == ["Q&A with R&D"]
    assert Stated(corpus, "broken/bare-ampersand.xml").urls == ["https://news.example.org/?a=1&b=2"]


@pytest.mark.parametrize(
    "name", ["login.html", "error.json", "empty.xml", "feed-link.html", "google_cloud_japan_blog.a.html"]
)
def test_what_is_no_feed_fails_with_a_class(corpus: Path, name: str) -> None:
    failure = Stated(corpus, f"not-a-feed/{name}").failure

    assert failure is not None
    assert failure.failure_class == ("web_page" if name.endswith("html") else "not_a_feed")
