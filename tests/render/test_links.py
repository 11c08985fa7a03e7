"""Which addresses may be shown, and how."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aggregator.model.feed import FeedSpec
from aggregator.model.newsletter import UNSUBSCRIBE_TOKEN
from aggregator.render.links import get_host, get_public_url, get_root, get_web_url
from tests.render.samples import SITE


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/b?c=d#e", "https://a.example/b?c=d#e"),
        ("https://例え.example/記事", "https://例え.example/記事"),
        ("https://a.example/%7Bb%7D", "https://a.example/%7Bb%7D"),
        ('https://a.example/"><script>', "https://a.example/%22%3E%3Cscript%3E"),
        ("https://a.example/100%?b=5%&c=%zz", "https://a.example/100%25?b=5%25&c=%25zz"),
        ("https://[2001:db8::1]:8080/a[0]?b[]=1", "https://[2001:db8::1]:8080/a%5B0%5D?b%5B%5D=1"),
        ("https://a.example/b#c#d", "https://a.example/b#c%23d"),
        ("https://a.example:http/", ""),
        ("https://me:secret@a.example/", "https://a.example/"),
        ("java\nscript:alert(1)", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("folder:/srv/posts", ""),
        ("//a.example/", ""),
        ("/a", ""),
        ("https://", ""),
        ("http://[::1", ""),
        ("", ""),
    ],
)
def test_only_absolute_web_addresses_are_shown(url: str, expected: str) -> None:
    """Without passwords, and without characters that an IRI may not have."""
    assert get_web_url(url) == expected


def test_an_address_cannot_spell_the_personal_marker() -> None:
    """See `words.keep_legal`; white space inside an address is dropped before, not after."""
    assert UNSUBSCRIBE_TOKEN not in get_web_url(f"https://a.example/?t=@@UNSUB\nSCRIBE_URL@@{UNSUBSCRIBE_TOKEN}")


def test_hosts_and_roots() -> None:
    """``www.`` says nothing; a site below a path begins its links with it."""
    assert get_host("https://www.a.example/b") == "a.example"
    assert get_root(SITE) == ""
    assert get_root(replace(SITE, url="https://a.example/news/")) == "/news"


def test_a_feeds_address_is_shown_without_what_opens_it() -> None:
    """No password, no query; a feed that wants the editor's headers has no public address."""
    private = FeedSpec(url="https://me:pass@a.example/feed?token=SECRET123#x")

    assert get_public_url(private) == "https://a.example/feed"
    assert get_public_url(replace(private, headers=(("Authorization", "x"),))) == ""
    assert get_public_url(FeedSpec(url="folder:/srv/posts")) == ""
