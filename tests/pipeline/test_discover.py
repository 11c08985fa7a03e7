"""Guesses where a feed may be: rules of services and pages are data files with their expectations."""

from __future__ import annotations

import json
import re
import time
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList
from ruamel.yaml import YAML

from aggregator.pipeline import discover
from aggregator.pipeline.discover import (
    MAX_PAGE_BYTES,
    Candidate,
    find_kind,
    guess_by_service,
    guess_well_known,
)
from aggregator.pipeline.urls import canonicalize_url, is_web_url

DATA = Path(__file__).parent / "data"
SERVICES: dict[str, list[str]] = json.loads((DATA / "discover_services.json").read_text(encoding="utf-8"))
PAGES: list[dict[str, Any]] = YAML(typ="safe").load((DATA / "discover_pages.yaml").read_text(encoding="utf-8"))

find_domain = PublicSuffixList().privatesuffix
find_candidates = partial(discover.find_candidates, find_domain=find_domain)
find_site = partial(discover.find_site, find_domain=find_domain)


def urls(candidates: tuple[Candidate, ...]) -> list[str]:
    return [candidate.url for candidate in candidates]


@pytest.mark.parametrize("url", SERVICES)
def test_services_by_their_rules(url: str) -> None:
    """Each address of the data file has the feeds that stand beside it, in that order."""
    found = guess_by_service(url)

    assert urls(found) == SERVICES[url]
    assert all(candidate.why.endswith(" there") for candidate in found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page["name"])
def test_pages_by_their_links(page: dict[str, Any]) -> None:
    """Each page of the data file names the feeds that stand below it."""
    body = page["html"].encode(page.get("encoding", "utf-8"))

    found = find_candidates(body, content_type=page.get("type", ""), url=page.get("url", "https://example.org/blog/"))

    assert urls(found) == page["feeds"]
    if "titles" in page:
        assert [candidate.title for candidate in found] == page["titles"]


@pytest.mark.parametrize(
    ("url", "first", "count"),
    [
        ("https://example.org", "https://example.org/feed", 8),
        ("https://example.org/?p=7", "https://example.org/feed", 8),
        ("https://example.org/page.html", "https://example.org/feed", 8),
        ("https://example.org/blog", "https://example.org/blog/feed", 12),
        ("https://example.org/blog/", "https://example.org/blog/feed", 12),
        ("https://example.org/blog/a-post", "https://example.org/blog/feed", 12),
        ("https://example.org/blog/a/b.html?x=1", "https://example.org/blog/a/feed", 12),
        ("http://127.0.0.1:8000/x/", "http://127.0.0.1:8000/x/feed", 12),
    ],
)
def test_usual_names_are_in_the_folder_and_at_the_root(url: str, first: str, count: int) -> None:
    """At most twelve, the folder's own first, none of another host."""
    found = urls(guess_well_known(url))

    assert (found[0], len(found), len(set(found))) == (first, count, count)
    assert {find_site(address) for address in found} == {find_site(url)}


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://blog.example.co.uk/x", "example.co.uk"),
        ("https://EXAMPLE.org.:8443/", "example.org"),
        ("https://ada.github.io/", "ada.github.io"),
        ("http://localhost:8000/", "localhost"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://[::1]:80/", "::1"),
        ("https://co.uk/", "co.uk"),
        ("not an address", ""),
        ("https://[::1", ""),
    ],
)
def test_whose_an_address_is(url: str, site: str) -> None:
    """The registered domain; a number is nobody's name."""
    assert find_site(url) == site


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b'<?xml version="1.0"?><!-- <rss> no --><feed xmlns="http://www.w3.org/2005/Atom">', "atom"),
        (b'<?xml version="1.0"?>\n<feed xmlns="http://www.w3.org/2005/Atom">', "atom"),
        (b"\xef\xbb\xbf<rss version='2.0'>", "rss"),
        (b"<atom:feed xmlns:atom='x'>", "atom"),
        (b"<rdf:RDF xmlns:rdf='x'>", "rss"),
        ('<?xml version="1.0" encoding="utf-16"?><rss version="2.0">'.encode("utf-16"), "rss"),
        (b'  {"version": "https://jsonfeed.org/version/1.1"}', "json"),
        (b"whatever", ""),
        (b"", ""),
    ],
)
def test_formats_are_told_from_their_beginning(head: bytes, kind: str) -> None:
    """By the first element; comments do not count."""
    assert find_kind(head) == kind


@pytest.mark.parametrize(
    "part",
    [
        b"<a ",
        b"<a href='/feed'",
        b"<a href=/feed>x",
        b"<link rel=alternate type=application/rss+xml href=",
        b"<link rel=alternate type=application/rss+xml href=/x>",
        b'<link a="',
        b"<base href=x>",
        b"<!--",
        b"<script>",
        b"<meta charset  ",
        b"<div>",
        b"&#",
    ],
)
def test_a_hostile_page_costs_little(part: bytes) -> None:
    """Half-open tags in their hundred thousands: one pass, whatever stands behind the first megabyte is not read."""
    body = part * (2 * MAX_PAGE_BYTES // len(part))
    started = time.process_time()

    found = find_candidates(body, url="https://example.org/")

    assert time.process_time() - started < 5
    assert len(found) <= 200


def test_what_stands_behind_the_bound_is_not_read() -> None:
    """A megabyte of something, then a link."""
    link = b'<link rel="alternate" type="application/rss+xml" href="/rss">'

    assert find_candidates(b" " * MAX_PAGE_BYTES + link, url="https://example.org/") == ()
    assert len(find_candidates(b" " * (MAX_PAGE_BYTES - len(link)) + link, url="https://example.org/")) == 1


_PIECES = st.sampled_from(
    """<link |<a |<base |rel=alternate |type=application/rss+xml |href=|"|'|>|/feed|<!--|-->|feed:|//|http://[|\0|é|&amp;|#|?""".split(
        "|"
    )
)


@given(st.lists(_PIECES, max_size=40).map("".join), st.sampled_from(["https://example.org/a/b", "http://[::1]/", ""]))
def test_any_page_gives_safe_addresses_once_each(html: str, url: str) -> None:
    """Nothing raises; every address is http(s), short, without a fragment."""
    found = urls(find_candidates(html.encode(), url=url))

    assert len(set(found)) == len(found)
    assert all(is_web_url(address) and "#" not in address and len(address) <= 2048 for address in found)


@given(st.binary(max_size=200), st.text(max_size=50))
def test_any_bytes_are_a_page(body: bytes, content_type: str) -> None:
    """Whatever the encoding is said to be."""
    find_candidates(body, content_type=content_type, url="https://example.org/")
    find_kind(body)


@given(st.text(max_size=60).map("https://{}".format) | st.text(max_size=60))
def test_any_address_can_be_guessed_from(url: str) -> None:
    """Guesses are safe addresses or none at all."""
    found = [*guess_by_service(url), *(guess_well_known(url) if is_web_url(url) else ())]

    assert all(is_web_url(candidate.url) for candidate in found)
    find_site(url)


def test_real_lists_agree_with_the_guesses(corpus: Path) -> None:
    """Of a page and its feed in real lists: the rules of services know a hundred pairs, the usual names over 250.

    The other feeds have names that only their pages tell.
    """
    pairs = set()
    for path in sorted((corpus / "opml").iterdir()):
        for outline in re.findall(r"<outline[^>]*>", path.read_bytes().decode("utf-8", "replace")):
            said = dict(re.findall(r'(htmlUrl|xmlUrl)="([^"]+)"', outline))
            if len(said) == 2:
                pairs.add((unescape(said["htmlUrl"]), canonicalize_url(unescape(said["xmlUrl"]))))

    ruled = [(page, feed) for page, feed in pairs if guess_by_service(page)]
    agreed = sum(feed in map(canonicalize_url, urls(guess_by_service(page))) for page, feed in ruled)
    usual = sum(feed in map(canonicalize_url, urls(guess_well_known(page))) for page, feed in pairs if is_web_url(page))

    assert agreed >= 100
    assert agreed >= 0.9 * len(ruled)
    assert usual >= 250


def test_a_real_page_at_a_feeds_address(corpus: Path) -> None:
    """What was served there names its feed, or nothing that looks like one."""
    folder = corpus / "hostile" / "not-a-feed"

    found = {
        path.name: urls(find_candidates(path.read_bytes(), url="https://example.org/")) for path in folder.iterdir()
    }

    assert found["feed-link.html"]
    assert found["login.html"] == []
