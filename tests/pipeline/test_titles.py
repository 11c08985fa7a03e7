"""Titles: the site's name goes, a lost end comes back."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.parsed import ParsedEntry
from aggregator.pipeline.clean import clean_parts
from aggregator.pipeline.titles import complete_title, drop_site_name
from aggregator.pipeline.words import clean_line


@pytest.mark.parametrize(
    ("title", "names", "url", "expected"),
    [
        ("A model for all | TechCrunch", ["TechCrunch"], "", "A model for all"),
        ("A model for all - The Verge", ["The Verge - All Posts"], "", "A model for all"),
        ("A model for all - The Verge", [], "https://www.theverge.com/a", "A model for all"),
        ("A model for all — OpenAI", [], "https://openai.com/a", "A model for all"),
        ("新しいモデル｜技術新聞", ["技術新聞"], "", "新しいモデル"),
        (
            "A model for all - and its price",
            ["TechCrunch"],
            "https://techcrunch.com/a",
            "A model for all - and its price",
        ),
        ("TechCrunch", ["TechCrunch"], "", "TechCrunch"),
        ("| TechCrunch", ["TechCrunch"], "", "| TechCrunch"),
        ("GPT-5", ["5"], "", "GPT-5"),
        ("A model | News", [], "https://news.example.org/", "A model | News"),
    ],
)
def test_the_sites_name_at_the_end_goes(title: str, names: list[str], url: str, expected: str) -> None:
    assert drop_site_name(title, names, url) == expected


@pytest.mark.parametrize(
    ("title", "raw", "text", "expected"),
    [
        (
            "業界を揺るがす二つの波：",
            "業界を揺るがす二つの波：\ufffd",
            "業界を揺るがす2つの波：真意は何か？\n\n本文。",
            "業界を揺るがす二つの波：真意は何か？",
        ),
        ("A model that anybody…", "", "A model that anybody may use\n\nText.", "A model that anybody may use"),
        ("A model that anybody...", "", "A model that anybody may use. More.", "A model that anybody may use. More."),
        ("A model that anybody…", "", "Something else entirely\n\nText.", "A model that anybody…"),
        ("A model that anybody", "", "A model that anybody may use\n\nText.", "A model that anybody"),
        ("A model…", "", "A model may be many things\n\nText.", "A model…"),
        ("A model that anybody…", "", "", "A model that anybody…"),
    ],
)
def test_a_title_that_was_cut_is_completed_from_the_first_line(title: str, raw: str, text: str, expected: str) -> None:
    assert complete_title(title, raw, text) == expected


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=200))
def test_any_title_survives(title: str, name: str, text: str) -> None:
    assert title.startswith(drop_site_name(title, [name], "https://e.org/"))
    complete_title(title, title, text)


def test_endless_titles_are_no_matter_of_time() -> None:
    started = time.process_time()
    drop_site_name(" | a" * 5_000, ["a"], "")
    drop_site_name(" " * 20_000, ["a"], "")
    complete_title("ab " * 100 + "…", "", "ba " * 10_000)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("It&amp;#8217;s here", "It’s here"),
        ("It&amp;amp;#8217;s here", "It’s here"),
        ("AT&amp;amp;T", "AT&T"),
        ("&amp;quot;Yes&amp;quot;", '"Yes"'),
        ("How &amp;lt;b&amp;gt; works", "How &lt;b&gt; works"),
    ],
)
def test_references_escaped_twice_are_read(raw: str, line: str) -> None:
    assert clean_line(raw, 100) == line


def test_an_entrys_title_is_repaired_with_what_its_feed_is_called() -> None:
    entry = ParsedEntry(url="https://e.org/a", title="It&amp;#8217;s here\x07 - The Daily", summary_html="<p>Text.</p>")
    assert clean_parts(entry, "https://e.org/feed", ("The Daily",)).title == "It’s here"
