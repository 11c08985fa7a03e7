"""``aggregator entries show --history``: what each edit of an entry took away and brought."""

from __future__ import annotations

import pytest

from aggregator.model.parsed import ParsedEntry
from aggregator.pipeline.edits import diff_entries
from tests.cli.feeds import make_rss
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program

ITEM = "<item><guid>urn:one</guid><link>https://a.example/1</link><title>{}</title><description>{}</description></item>"


def test_an_edit_is_shown_line_by_line(program: Program, http_server: TestHttpServer) -> None:
    """On both databases; what a terminal would obey is not printed."""
    first = make_rss(ITEM.format("Old title", "It begins. It costs 10. It ends."))
    program.configure(feeds=[{"url": http_server.add("/feed.xml", first), "title": "Wire"}])
    program.json("fetch", "--all")
    never = program.run("entries", "show", "1", "--history")
    http_server.add("/feed.xml", make_rss(ITEM.format("New title", "It begins. It costs 20. It ends &amp;#27;[2J.")))
    program.json("fetch", "--all")
    shown = program.run("entries", "show", "1", "--history")
    document = program.json("entries", "show", "1", "--history")
    plain = program.json("entries", "show", "1")

    assert "never edited" in never.out
    lines = shown.out.splitlines()
    assert [line for line in lines if line[:2] in ("- ", "+ ")][:2] == ["- title: Old title", "+ title: New title"]
    assert "- It costs 10." in lines
    assert "+ It costs 20." in lines
    assert not [line for line in lines if "It begins" in line or "\x1b" in line]
    (edit,) = document["history"]
    assert (edit["title_before"], edit["title_after"]) == ("Old title", "New title")
    assert "+ It costs 20." in edit["changes"]
    assert "history" not in plain


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (ParsedEntry(title="a"), ParsedEntry(title="a"), []),
        (ParsedEntry(author="a"), ParsedEntry(author="b"), ["- author: a", "+ author: b"]),
        (ParsedEntry(content_html="<p>一。二。"), ParsedEntry(content_html="<p>一。三。"), ["- 二。", "+ 三。"]),
        (ParsedEntry(content_html="<p>--- a"), ParsedEntry(content_html="<p>+++ b"), ["- --- a", "+ +++ b"]),
    ],
)
def test_a_difference_is_of_sentences(before: ParsedEntry, after: ParsedEntry, changes: list[str]) -> None:
    assert diff_entries(before, after) == changes


def test_a_text_without_end_is_compared_in_no_time() -> None:
    long = ParsedEntry(content_html="a. b. " * 200_000)
    other = ParsedEntry(content_html="b. a. " * 200_000)

    assert len(diff_entries(long, other)) <= 2_000
