"""A language has a page as long as something is told in it, and nothing leads to one that has none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lxml import html

from tests.fixtures.program import Program
from tests.storage.samples import ensure_feed
from tests.tasks.told import DAY, WEEK, Press, open_press


@pytest.fixture
def press(program: Program) -> Iterator[Press]:
    with open_press(program) as opened:
        yield opened


def list_paths(press: Press, path: str) -> set[str]:
    """The pages of languages that one page leads to."""
    page = press.find(path)
    assert page is not None
    links = {link for _, _, link, _ in html.document_fromstring(page.body).iterlinks()}
    return {link for link in links if link.startswith("/lang/")}


def test_a_story_leads_to_the_languages_that_have_a_page(press: Press) -> None:
    """What was only ever told long ago, or came with a feed's past, is named without a link."""
    _, story = press.tell("A violin that listens", language="en", ago=DAY)
    press.tell("Un violon qui écoute", language="fr", ago=8 * WEEK, story=story)
    press.tell("Eine Geige, die zuhört", language="de", feed="b", story=story, backlog=True)
    paths = list_paths(press, f"/stories/{story}")
    text = press.find(f"/stories/{story}")

    assert paths == {"/lang/en"}
    assert text is not None and "Français".casefold() in text.body.decode().casefold()
    assert press.find("/lang/fr") is None


def test_the_ways_to_follow_lead_to_the_languages_that_have_a_page(press: Press) -> None:
    """A feed may claim a language that none of its entries is in."""
    with press.app.db.write() as conn:
        for number, language in enumerate(("en", "ja", "fr")):
            ensure_feed(conn, f"https://{number}.example/feed", language=language)
    press.tell("A violin that listens", language="en")
    press.tell("聴くヴァイオリン", language="ja")

    assert list_paths(press, "/feed") == {"/lang/en", "/lang/ja"}


def test_the_front_page_leads_to_the_languages_that_have_a_page(press: Press) -> None:
    """A story of these days may hold what is older."""
    _, story = press.tell("A violin that listens", language="en", ago=DAY)
    press.tell("聴くヴァイオリン", language="ja", ago=DAY, story=story)
    press.tell("Un violon qui écoute", language="fr", ago=8 * WEEK, story=story)

    assert list_paths(press, "/") == {"/lang/en", "/lang/ja"}
