"""F20, read the other way: no rule against floods may swallow a post, and no alternate of an id may double one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from email.utils import format_datetime

import pytest

from aggregator.app import App
from tests.zoo.conftest import START, Zoo, list_stored, run_round, wait_until_due
from tests.zoo.documents import bodies_in_turn, rss

DAY = timedelta(days=1)


def post(guid: str, title: str, *, link: str = "", text: str = "", day: int = 0) -> str:
    return (
        f"<item><guid isPermaLink='false'>{guid}</guid><title>{title}</title>"
        + (f"<link>{link}</link>" if link else "")
        + (f"<description>{text}</description>" if text else "")
        + f"<pubDate>{format_datetime(START + day * DAY)}</pubDate></item>"
    )


def read_all(zoo: Zoo, app: App, url: str, times: int) -> list[str]:
    """Guids stored after so many further readings."""
    run_round(app)
    for _ in range(times):
        wait_until_due(zoo, app, url)
        zoo.clock.now += DAY
        run_round(app)
    return sorted(entry.guid for entry in list_stored(app, url))


WORDS = "Prices, models, chips, papers, people, lawsuits, releases, benchmarks, outages, funding".split(", ")


def daily(first: int, count: int, link: str) -> str:
    """Posts of one title; what they say differs."""
    return "".join(
        post(f"g{n}", "Market update", link=link.format(n=n), text=f"{WORDS[n % 10]} on day {n}: {n * 7919}", day=n)
        for n in range(first, first + count)
    )


@pytest.mark.parametrize("link", ["http://e.example/{n}", "http://e.example/", ""])
def test_a_fast_feed_whose_posts_share_a_title_loses_none(link: str, zoo: Zoo) -> None:
    """All ten of each document are new, and all have the title of those before; only the words tell them apart."""
    url = zoo.add(bodies_in_turn([rss(daily(first, 10, link)) for first in range(0, 50, 10)]))
    with zoo.open() as app:
        assert read_all(zoo, app, url, 4) == sorted(f"g{n}" for n in range(50))


def test_posts_that_say_the_same_under_another_title_and_link_are_posts(zoo: Zoo) -> None:
    """A changelog: "Various fixes.", release after release."""
    releases = [
        post(f"v{n}", f"Release 1.{n}", link=f"http://e.example/v{n}", text="Various fixes.", day=n) for n in range(40)
    ]
    url = zoo.add(bodies_in_turn([rss("".join(releases[n : n + 10])) for n in (0, 10, 20, 30)]))
    with zoo.open() as app:
        assert read_all(zoo, app, url, 3) == sorted(f"v{n}" for n in range(40))


def twins(old: Sequence[str], new: Sequence[str]) -> list[bytes]:
    """Two documents whose entries have these ids (and links), else the same."""
    return [
        rss("".join(post(one, f"Post {n}", link=one, text=f"Text of post {n}.", day=-n) for n, one in enumerate(ids)))
        for ids in (old, new)
    ]


def test_one_id_that_turns_from_http_to_https_is_the_same_entry(zoo: Zoo) -> None:
    """Far from a burst: one of twenty."""
    old = [f"http://e.example/{n}" for n in range(20)]
    url = zoo.add(bodies_in_turn(twins(old, ["https://e.example/0", *old[1:]])))
    with zoo.open() as app:
        assert len(read_all(zoo, app, url, 2)) == 20


def test_ids_that_differ_in_a_fragment_or_a_query_are_different_entries(zoo: Zoo) -> None:
    ids = [f"http://e.example/#{n}" for n in range(5)] + [f"http://e.example/?p={n}" for n in range(5)]
    url = zoo.add(bodies_in_turn(twins(ids, list(reversed(ids)))))
    with zoo.open() as app:
        assert len(read_all(zoo, app, url, 2)) == 10


def test_ids_that_come_back_after_a_change_double_nothing(zoo: Zoo) -> None:
    """A migration that is taken back, and made again."""
    old = [f"http://old.example/{n}" for n in range(20)]
    new = [f"https://new.example/{n}" for n in range(20)]
    before, after = twins(old, new)
    url = zoo.add(bodies_in_turn([before, after, before, after, before]))
    with zoo.open() as app:
        assert len(read_all(zoo, app, url, 5)) == 20


def test_entries_of_the_same_bytes_under_another_base_have_moved(zoo: Zoo) -> None:
    """Entries that stand in the last document byte for byte are not read again, unless what is around them changed."""

    def document(base: str) -> bytes:
        own = "<entry xml:base='http://own.example/'><id>urn:{}</id><title>Own</title><link href='x'/></entry>"
        plain = "<entry><id>urn:plain</id><title>Plain</title><link href='post'/></entry>"
        return (
            f"<feed xmlns='http://www.w3.org/2005/Atom' xml:base='{base}'><title>T</title><link href='http://e.example/'/>"
            f"{own.format(1)}{plain}{own.format(base)}</feed>"
        ).encode()

    url = zoo.add(bodies_in_turn([document("http://old.example/"), document("http://new.example/")]))
    with zoo.open() as app:
        read_all(zoo, app, url, 1)
        found = {entry.title: entry.url for entry in list_stored(app, url)}
        assert found["Plain"] == "http://new.example/post"
