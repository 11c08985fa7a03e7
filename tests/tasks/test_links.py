"""What the content of an entry links to."""

from __future__ import annotations

from aggregator.tasks.links import MAX_LINKS, find_links


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
