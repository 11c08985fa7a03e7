"""What the content of an entry links to."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from aggregator.storage import entry_links
from aggregator.storage.schema import entries
from aggregator.tasks import links
from aggregator.tasks.links import MAX_LINKS, find_links, note_links
from tests.fixtures.program import Program
from tests.pipeline.test_group_words import are_one, tell
from tests.storage.samples import make_entry, save_entries


def test_links_are_canonical_once_each_and_never_the_entry_itself() -> None:
    html = (
        '<p><a href="http://www.b.example/x/?utm_source=a&amp;q=1" rel="noopener">one</a>'
        '<a rel="noopener" href="https://b.example/x?q=1">again</a> <a href="https://a.example/own#part">own</a>'
        '<a name="x">no</a><a href="#note">note</a><a href="mailto:a@b.example">mail</a>'
        '<img src="https://c.example/p.png"><a class="y" href="https://d.example/">two</a></p>'
    )

    assert find_links(html, "https://a.example/own") == ("https://b.example/x?q=1", "https://d.example")


def test_links_are_bounded_in_number_and_in_time() -> None:
    many = "".join(f'<a href="https://b.example/{number}">x</a>' for number in range(500))

    assert len(find_links(many, "")) == MAX_LINKS
    assert find_links("<a " * 200_000 + " x" * 200_000, "") == ()


def test_a_list_of_links_is_known_as_one_however_few_are_kept() -> None:
    """It points to everything, and so speaks for no story."""
    one = tell(1, "en", "Google opens its doors in Lyon")
    other = tell(2, "en", "Robots from Google are now neighbours of ours")
    urls = [one.canonical_url, *(f"https://b.example/{number}" for number in range(40))]
    html = "".join(f'<a href="{url}">x</a>' for url in urls)

    assert are_one(one, replace(other, links=find_links(html[: html.index("b.example/3")], "")))
    assert not are_one(one, replace(other, links=find_links(html, "")))


def test_all_entries_are_looked_at_once_some_at_a_time(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program.configure()
    monkeypatch.setattr(links, "CHUNK", 2)
    html = '<a href="https://b.example/">b</a>'
    with program.app() as app:
        with app.db.write() as conn:
            ids = save_entries(conn, *(make_entry(key, content_html=html) for key in "abcde"))
            assert [unread.id for unread in entry_links.list_unread(conn, 2, above=ids[1])] == [ids[2], ids[3]]
        note_links(app)
        with app.db.read() as conn:
            found = conn.execute(sa.select(entries.c.links)).scalars().all()

    assert found == [["https://b.example"]] * 5
