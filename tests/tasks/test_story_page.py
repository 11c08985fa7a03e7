"""A story's page through the whole program: who told it first, who speaks itself, what each source adds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

import pytest
from lxml import html

from aggregator.app import App
from aggregator.storage import stories
from aggregator.storage.stories import StoryQuery
from aggregator.tasks.site.found import Page
from aggregator.tasks.site.routes import find_page
from tests.fixtures.program import Program

TITLE = "OpenAI shows GPT-5.6, a model that reads maps"
LEAD = "The new model reads maps and says how sure it is. It is there for everybody from today on."
ADDED = "It was trained on 41,000 sheets of the Ordnance Survey, and cost $3.2 million."
PLAIN = "Nobody who was asked about it by us wanted to say anything."


def write_feed(name: str, content: str, minutes_ago: int) -> bytes:
    at = format_datetime(datetime.now(UTC) - timedelta(minutes=minutes_ago))
    return (
        f"<rss version='2.0'><channel><title>{name}</title><item><guid isPermaLink='false'>{name}</guid>"
        f"<link>https://{name.lower()}.example/maps</link><title>{escape(TITLE)}</title><pubDate>{at}</pubDate>"
        f"<description>{escape(content)}</description></item></channel></rss>"
    ).encode()


@pytest.fixture
def app(program: Program, http_server: Any) -> Any:
    """Three feeds: the first report, the lead by its weight, the company's own."""
    program.configure(
        feeds=[
            {"url": http_server.add("/wire", write_feed("Wire", f"<p>{PLAIN}</p><p>{ADDED}</p>", 90))},
            {"url": http_server.add("/paper", write_feed("Paper", f"<p>{LEAD}</p>", 60)), "weight": 3},
            {"url": http_server.add("/own", write_feed("Own", f"<p>{PLAIN}</p>", 30)), "tags": ["openai"]},
        ]
    )
    assert program.json("fetch", "--all")["new"] == 3
    with program.app() as opened:
        yield opened


def get_page(app: App) -> html.HtmlElement:
    with app.db.read() as conn:
        (story,) = stories.list_stories(conn, StoryQuery())
    page = find_page(app, f"/stories/{story.id}")
    assert isinstance(page, Page)
    return html.document_fromstring(page.body)


def test_the_page_of_a_story_tells_who_said_what(app: App) -> None:
    """In the order it came, in the words of each; what nobody else says is quoted whole, with the news in it marked."""
    document = get_page(app)
    told = [
        (
            item.find(".//*[@class='source']").text,
            [role.text for role in item.findall(".//span[@class='role']")],
            [quote.text_content().strip() for quote in item.findall("blockquote")],
        )
        for item in document.findall(".//section[@class='timeline']/ol/li")
    ]

    assert told == [
        ("Wire", ["First report"], [ADDED]),
        ("Paper", ["Told above"], []),
        ("Own", ["From OpenAI itself"], []),
    ]
    assert [mark.text for mark in document.iter("mark")] == ["41,000", "Ordnance Survey", "$3.2 million"]
    assert "OpenAI" in document.find(".//div[@class='aside']").text_content()
