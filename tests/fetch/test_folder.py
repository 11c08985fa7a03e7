"""Folders of Markdown posts, read as Jekyll and Hugo write them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from aggregator.fetch.folder import read_folder
from aggregator.fetch.post import NoPost, Post, PostError, read_post
from aggregator.model.feed import Fetched, FetchFailed, FolderRead, NotModified
from aggregator.model.parsed import ParsedEntry, ParsedFeed
from tests.fetch.conftest import OpenFetcher, make_request
from tests.fixtures.http_server import TestHttpServer

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the folder ``posts`` that the test reads."""

    def write_one(name: str, text: str) -> Path:
        path = tmp_path / "posts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    return write_one


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., ParsedFeed]:
    def read_one(**fields: object) -> ParsedFeed:
        reply = read_folder(make_request(f"folder:{tmp_path / 'posts'}", 1, **fields))
        assert isinstance(reply, FolderRead)
        return reply.feed

    return read_one


Read = Callable[..., ParsedFeed]


def parse(text: str, name: str = "post.md") -> Post:
    return read_post(text.encode(), name)


def test_the_newsrooms_own_post_comes_out_whole(corpus: Path) -> None:
    reply = read_folder(make_request(f"folder:{corpus / 'site'}"))

    assert isinstance(reply, FolderRead)
    (entry,) = reply.feed.entries
    assert entry.title.startswith("AI業界を揺るがす二つの波：")
    assert entry.published_at == datetime(2025, 12, 4, 20, 39, 38, tzinfo=UTC)
    assert entry.author == "ALLFORCES編集部"
    assert entry.reading_minutes == 8
    assert entry.categories[:3] == ("投資分析", "AI", "最新ニュース")
    assert entry.summary_html.startswith("AWS Nova AI、Anthropic IPO準備")
    assert "---END---" in entry.content_html
    assert "<strong>" in entry.content_html
    assert entry.content_html.count("オーケストレーション") >= 1
    assert reply.feed.rejected == ()


def test_all_fields_of_a_post(write: Write, read: Read) -> None:
    write(
        "2026-01-31-hello-world.md",
        "---\n"
        "title: Hello & welcome\n"
        "date: 2026-02-01T09:30:00+09:00\n"
        "lastmod: 2026-02-02\n"
        "author: {name: Ann, email: a@example.org}\n"
        "categories: [News]\n"
        "tags: one, two, News\n"
        "description: First *things* < first\n"
        "lang: ja_JP\n"
        "reading_time: 7 min\n"
        "---\n"
        "Text with <b>HTML</b>.\n",
    )

    (entry,) = read(url_prefix="https://example.org/blog").entries

    assert entry == ParsedEntry(
        id="2026-01-31-hello-world",
        url="https://example.org/blog/hello-world",
        title="Hello & welcome",
        author="Ann",
        summary_html="First <em>things</em> &lt; first",
        content_html="<p>Text with <b>HTML</b>.</p>\n",
        published_at=datetime(2026, 2, 1, 0, 30, tzinfo=UTC),
        updated_at=datetime(2026, 2, 2, tzinfo=UTC),
        categories=("News", "one", "two"),
        language="ja-JP",
        base_url="https://example.org/blog/hello-world",
        reading_minutes=7,
    )


def test_hugos_toml_is_read() -> None:
    post = parse('+++\ntitle = "T"\ndate = 2026-02-01T00:00:00Z\ntags = ["a"]\nauthors = ["Ann", "Bob"]\n+++\nBody\n')

    assert (post.title, post.categories, post.author) == ("T", ("a",), "Ann, Bob")
    assert post.published_at == datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-02-01 10:00:00 +0900", datetime(2026, 2, 1, 1, tzinfo=UTC)),
        ("2026-02-01 10:00 +0900", datetime(2026, 2, 1, 1, tzinfo=UTC)),
        ("2026-02-01 10:00:00", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01", datetime(2026, 2, 1, tzinfo=UTC)),
        ("'2026-02-01T10:00:00.5Z'", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026/02/01", datetime(2026, 2, 1, tzinfo=UTC)),
        ("February 1, 2026", datetime(2026, 2, 1, tzinfo=UTC)),
        ("Sun, 01 Feb 2026 10:00:00 +0100", datetime(2026, 2, 1, 9, tzinfo=UTC)),
        ("soon", None),
        ("[2026]", None),
        ("0001-01-01 00:00:00 +0900", None),
        ("''", None),
    ],
)
def test_dates_become_utc_or_nothing(written: str, expected: datetime | None) -> None:
    assert parse(f"---\ndate: {written}\n---\n").published_at == expected


def test_a_date_may_stand_in_the_files_name_only() -> None:
    assert parse("---\ntitle: x\n---\n", "2025-12-04-slug.md").published_at == datetime(2025, 12, 4, tzinfo=UTC)
    assert parse("---\ntitle: x\n---\n", "2025-99-99-slug.md").published_at is None
    assert parse("---\ntitle: x\n---\n", "slug.md").published_at is None


def test_the_address_is_the_posts_own_else_made_from_the_prefix_else_empty(write: Write, read: Read) -> None:
    write("a.md", "---\nlink: https://elsewhere.example/a\n---\n")
    write("b c.md", "---\ntitle: B\n---\n")
    write("d.md", "---\nslug: dee\n---\n")
    write("deep/index.md", "---\ntitle: bundle\n---\n")

    assert [entry.url for entry in read(url_prefix="https://example.org/p/").entries] == [
        "https://elsewhere.example/a",
        "https://example.org/p/b%20c",
        "https://example.org/p/dee",
        "https://example.org/p/deep",
    ]
    assert [entry.url for entry in read().entries][1:] == ["", "", ""]


def test_an_id_is_the_posts_own_else_its_path_and_never_twice(write: Write, read: Read) -> None:
    write("a.md", "---\nid: 'urn:x:1'\n---\n")
    write("b.md", "---\ntitle: b\n---\n")
    write("b.txt", "---\ntitle: b again\n---\n")
    write("sub/b.md", "---\ntitle: b below\n---\n")

    assert [entry.id for entry in read().entries] == ["urn:x:1", "b", "b.txt", "sub/b"]


def test_a_title_comes_from_the_first_heading_or_the_name() -> None:
    assert parse("---\nx: 1\n---\ntext\n# The *heading* #\n").title == "The *heading*"
    assert parse("---\nx: 1\n---\ntext\n", "2026-01-01-on-two-waves.md").title == "on two waves"
    assert parse("---\ntitle: 2026\n---\n").title == "2026"


def test_drafts_and_files_without_front_matter_are_no_posts(write: Write, read: Read) -> None:
    write("draft.md", "---\ndraft: true\n---\n")
    write("unpublished.md", "---\npublished: false\n---\n")
    write("README.md", "# Read me\n\n---\n\nno front matter\n")
    write("_drafts/x.md", "---\ntitle: x\n---\n")
    write(".hidden/x.md", "---\ntitle: x\n---\n")
    write("picture.png", "---\ntitle: x\n---\n")
    write("post.markdown", "---\ntitle: kept\n---\n")

    feed = read()

    assert [entry.title for entry in feed.entries] == ["kept"]
    assert feed.rejected == ()


def test_a_broken_post_costs_only_itself(write: Write, read: Read) -> None:
    write("a.md", "---\ntitle: [\n---\ntext\n")
    write("b.md", "---\ntitle: fine\n---\ntext\n")
    write("c.md", "+++\ntitle = \n+++\ntext\n")
    write("d.md", "---\ntitle: never closed\n\ntext\n")
    write("e.md", "---\njust words\n---\ntext\n")
    write("f.md", "---\ndate: 2026-02-30\n---\ntext\n")
    write("g.md", "---\n" + "[" * 5000 + "\n---\n")
    write("h.md", "---\ntitle: big\n---\n" + "x" * (2 * 1024 * 1024))

    feed = read()

    assert [entry.title for entry in feed.entries] == ["fine"]
    assert [rejected.reason.split(":")[0] for rejected in feed.rejected] == [f"{c}.md" for c in "acdefgh"]
    reasons = " | ".join(rejected.reason for rejected in feed.rejected)
    assert "a.md: its front matter is not proper YAML: line" in reasons
    assert "c.md: its front matter is not proper TOML: " in reasons
    assert "d.md: its front matter is never closed" in reasons
    assert "e.md: its front matter holds no keys" in reasons
    assert "f.md: its front matter holds an impossible value: " in reasons
    assert "h.md: larger than 2,097,152 bytes" in reasons
    assert sorted(rejected.index for rejected in feed.rejected) == [0, 2, 3, 4, 5, 6, 7]


def test_a_number_too_long_to_be_written_out_costs_only_its_post(write: Write, read: Read) -> None:
    write("_index.md", f"---\ntitle: 0x{'f' * 5000}\n---\n")
    write("a.md", f"---\nid: 0x{'f' * 5000}\n---\n")
    write("b.md", "---\ntitle: fine\n---\n")

    feed = read()

    assert [entry.title for entry in feed.entries] == ["fine"]
    assert [rejected.reason.split(":")[0] for rejected in feed.rejected] == ["a.md"]


def test_a_name_that_is_no_utf_8_is_read_as_text_that_can_be_stored(write: Write, read: Read) -> None:
    write("caf\udce9.md", "---\ndate: 2026-01-01\n---\n")
    write("na\udcefve.md", "---\ndate: [\n---\n")

    feed = read(url_prefix="https://example.org/")

    assert [(entry.id, entry.title) for entry in feed.entries] == [("caf\ufffd", "caf\ufffd")]
    assert [entry.url for entry in feed.entries] == ["https://example.org/caf%EF%BF%BD"]
    assert [rejected.reason.split(":")[0] for rejected in feed.rejected] == ["na\ufffdve.md"]


def test_yaml_can_neither_run_code_nor_grow_without_end() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(20)
    )

    assert parse(f"---\n{bomb}tags: *u\ntitle: *u\nauthor: *u\n---\n", "bomb.md").title == "bomb"
    with pytest.raises(PostError, match="not proper YAML"):
        parse("---\ntitle: !!python/object/apply:os.system ['true']\n---\n")


@pytest.mark.parametrize("text", ["", "plain", "-- -\nx\n", "text\n---\ntitle: x\n---\n"])
def test_what_does_not_begin_with_front_matter_is_no_post(text: str) -> None:
    with pytest.raises(NoPost):
        parse(text)


def test_odd_bytes_and_line_ends_are_survived() -> None:
    post = read_post(b"\xef\xbb\xbf---\r\ntitle: caf\xe9\r\n---\r\nbody \xff\r\n", "x.md")

    assert post.title == "caf\ufffd"
    assert post.content_html == "<p>body \ufffd</p>\n"


def test_rules_and_headings_of_the_body_stay() -> None:
    html = parse("---\ntitle: x\n---\none\n\n---\n\n---END---\n\n---\n\ntwo\n").content_html

    assert html == "<p>one</p>\n<hr />\n<p>---END---</p>\n<hr />\n<p>two</p>\n"


def test_the_index_names_the_feed_and_is_no_post(write: Write, read: Read) -> None:
    write("_index.md", "---\ntitle: Our newsroom\nlanguage: ja\n---\n")
    write("a.md", "---\ntitle: a\n---\n")
    write("sub/_index.md", "---\ntitle: a section\n---\n")

    feed = read(url_prefix="https://example.org/")

    assert (feed.title, feed.language, feed.site_url) == ("Our newsroom", "ja", "https://example.org/")
    assert [entry.title for entry in feed.entries] == ["a"]


def test_without_an_index_the_folders_name_is_the_title(write: Write, read: Read) -> None:
    write("a.md", "---\ntitle: a\n---\n")

    assert read().title == "posts"


def test_an_unchanged_folder_is_not_read_again(write: Write, tmp_path: Path) -> None:
    path = write("a.md", "---\ntitle: a\n---\n")
    url = f"folder:{tmp_path / 'posts'}"
    first = read_folder(make_request(url))
    assert isinstance(first, FolderRead)

    again = make_request(url, body_hash=first.body_hash)
    os.utime(path, (1, 1))
    assert read_folder(again) == NotModified(request=again, status=200)

    write("a.md", "---\ntitle: A\n---\n")
    assert isinstance(read_folder(again), FolderRead)
    write("a.md", "---\ntitle: a\n---\n")
    assert isinstance(read_folder(again), NotModified)
    assert isinstance(read_folder(replace(again, url_prefix="https://example.org/")), FolderRead)
    path.rename(path.with_name("b.md"))
    assert isinstance(read_folder(again), FolderRead)


def test_links_out_of_the_folder_are_not_followed(write: Write, read: Read, tmp_path: Path) -> None:
    write("a.md", "---\ntitle: a\n---\n")
    (tmp_path / "secret.md").write_text("---\ntitle: secret\n---\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "o.md").write_text("---\ntitle: outside\n---\n")
    posts = tmp_path / "posts"
    (posts / "link.md").symlink_to(tmp_path / "secret.md")
    (posts / "folder").symlink_to(tmp_path / "outside")
    (posts / "dangling.md").symlink_to(tmp_path / "nowhere.md")
    (posts / "circle").symlink_to(posts)
    (posts / "inside.md").symlink_to(posts / "a.md")
    os.mkfifo(posts / "pipe.md")

    assert [entry.id for entry in read().entries] == ["a", "inside"]


def test_a_file_that_cannot_even_be_looked_at_costs_itself_only(write: Write, read: Read, tmp_path: Path) -> None:
    """A name too long to be looked up fails as a folder without permission does, for root as well."""
    write("a.md", "---\ntitle: a\n---\n")
    (tmp_path / "posts" / "b.md").symlink_to("x" * 300)
    write("c.md", "---\ntitle: c\n---\n")

    feed = read()

    assert [entry.id for entry in feed.entries] == ["a", "c"]
    assert [rejected.reason for rejected in feed.rejected] == ["b.md: File name too long"]


def test_a_folder_that_is_itself_a_link_is_read(write: Write, tmp_path: Path) -> None:
    write("a.md", "---\ntitle: a\n---\n")
    (tmp_path / "link").symlink_to(tmp_path / "posts")

    reply = read_folder(make_request(f"folder:{tmp_path / 'link'}"))

    assert isinstance(reply, FolderRead)
    assert len(reply.feed.entries) == 1


def test_of_too_many_posts_the_newest_names_are_read(write: Write, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aggregator.fetch.folder.MAX_POSTS", 2)
    for day in (3, 1, 2):
        write(f"2026-01-0{day}-post.md", f"---\ntitle: day {day}\n---\n")

    feed = read()

    assert [entry.title for entry in feed.entries] == ["day 2", "day 3"]
    assert feed.warnings == ("only the last 2 of 3 posts, by file name, are read",)


def test_an_empty_folder_is_a_feed_without_entries(read: Read, tmp_path: Path) -> None:
    (tmp_path / "posts").mkdir()

    assert read().entries == ()


@pytest.mark.parametrize("path", ["/nowhere/at/all", "relative", "", "/etc/passwd", "/nul\0byte"])
def test_what_is_no_folder_says_so(path: str) -> None:
    reply = read_folder(make_request(f"folder:{path}"))

    assert isinstance(reply, FetchFailed)
    assert reply.failure_class == "folder"


def test_folders_and_web_feeds_come_out_of_one_door(
    write: Write, tmp_path: Path, http_server: TestHttpServer, open_fetcher: OpenFetcher
) -> None:
    write("a.md", "---\ntitle: a\n---\n")
    requests = [
        make_request(http_server.add("/feed", b"<rss/>"), 1),
        make_request(f"folder:{tmp_path / 'posts'}", 2),
        make_request("gopher://example.org/", 3),
        make_request("folder:/nowhere", 4),
    ]

    replies = {int(reply.request.feed_id): type(reply) for reply in open_fetcher().fetch(requests)}

    assert replies == {1: Fetched, 2: FolderRead, 3: FetchFailed, 4: FetchFailed}


def test_zones_beyond_the_calendar_do_not_raise() -> None:
    text = f"---\ndate: {datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9))).isoformat()}\n---\n"

    assert parse(text).published_at is None
