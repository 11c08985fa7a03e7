"""Z63, Z64 from end to end: attacks in every field, in three formats. What is stored is read by a second parser.

Pages, mails and a real browser have tests of their own (``tests/web/test_hostile``); this is about what they are given.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest

from aggregator.app import App
from aggregator.pipeline.urls import is_web_url
from aggregator.storage import entries
from aggregator.tasks.group import regroup_stories
from tests.pipeline.test_clean import find_faults
from tests.zoo.conftest import Zoo, check_healthy, get_feed, list_stored, run_round
from tests.zoo.documents import atom, rss, serve

#: Lines that mean harm to a mail header, a template, a table, a list or the eye.
LINES = [
    "A title\r\nBcc: victim@example.org",
    "=?utf-8?q?a=0ABcc:_v=40example.org?=",
    "{{ 7*7 }} {% raw %} {{ config.items() }} ${7*7} <%= 7*7 %>",
    "</mj-text><mj-raw><script>x</script></mj-raw><mj-include path='/etc/passwd'/>",
    '=HYPERLINK("http://e.example","x")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "[a](javascript:alert(1)) ![x](http://e.example/x.png) <!-- x -->",
    "\u202egnp.exe\u202c \u2066x\u2069 \u200f \u061c",
    "раураl.example \u0430pple.example",
    "W" * 100_000,
    "a\u0300" * 20_000,
    "\U000e0041\U000e0042 \ufdd0 \u2028 \u2029 \ufeff \ufffe",
    "]]><script>alert(1)</script><![CDATA[",
    "%00%0d%0aSet-Cookie:x=1",
]
FILES = [
    ("dompurify.json", "payload"),
    ("html5-security-cheatsheet.json", "payload"),
    ("html5lib-sanitizer.json", "input"),
    ("miniflux-sanitizer.json", "input"),
]


def xml(text: str) -> str:
    return escape("".join(c for c in text if c in "\t\n\r" or c >= " "))


def write_rss(vectors: list[str]) -> bytes:
    return rss(
        "".join(
            f"<item><guid isPermaLink='false'>{n} {xml(one[:300])}</guid><title>{xml(one)}</title>"
            f"<link>{xml(one[:900])}</link><author>{xml(one)}</author><category>{xml(one)}</category><comments>{xml(one[:900])}</comments>"
            f"<enclosure url={quoteattr(xml(one[:900]))} type={quoteattr(xml(one[:90]))} length='1'/>"
            f"<description>{xml(one)}</description></item>"
            for n, one in enumerate(vectors)
        )
    )


def write_atom(vectors: list[str]) -> bytes:
    return atom(
        "".join(
            f"<entry><id>{n} {xml(one[:300])}</id><title type='html'>{xml(one)}</title>"
            f"<link href={quoteattr(xml(one[:900]))}/>"
            f"<author><name>{xml(one)}</name><uri>{xml(one[:900])}</uri></author>"
            f"<category term={quoteattr(xml(one[:300]))} label={quoteattr(xml(one[:300]))}/>"
            f"<summary type='html'>{xml(one)}</summary><content type='html'>{xml(one)}</content></entry>"
            for n, one in enumerate(vectors)
        )
    )


def write_json(vectors: list[str]) -> bytes:
    items = [
        {
            "id": f"{n} {one[:300]}",
            "title": one,
            "url": one[:900],
            "external_url": one[:900],
            "image": one[:900],
            "content_html": one,
            "summary": one,
            "authors": [{"name": one, "url": one[:900], "avatar": one[:900]}],
            "tags": [one],
            "attachments": [{"url": one[:900], "mime_type": one[:90]}],
        }
        for n, one in enumerate(vectors)
    ]
    said = {"version": "https://jsonfeed.org/version/1.1", "title": vectors[0], "items": items}
    return json.dumps(said, ensure_ascii=True).encode()


Writer = Callable[[list[str]], bytes]
WRITERS = [
    pytest.param(write_rss, id="RSS"),
    pytest.param(write_atom, id="Atom"),
    pytest.param(write_json, id="JSON"),
]


def check_stored(app: App, url: str) -> int:
    """What is kept of the feed is text of one line, a web address, or HTML of the policy; how many entries."""
    stored = list_stored(app, url)
    for entry in stored:
        for text in (entry.title, entry.author, *entry.categories):
            assert not any(
                unicodedata.category(c) in ("Cc", "Cs") or c in "\u202e\u2066\u2028\u2029\ufffe" for c in text
            )
            assert len(text) <= 320
        assert entry.url == "" or is_web_url(entry.url)
        assert all(is_web_url(enclosure.url) for enclosure in entry.enclosures)
    with app.db.read() as conn:
        contents = entries.get_content_html(conn, [entry.id for entry in stored])
    faults = {number: found for number, html in contents.items() if (found := list(find_faults(html)))}
    assert faults == {}
    feed = get_feed(app, url)
    assert "\n" not in feed.title
    return len(stored)


@pytest.mark.parametrize("write", WRITERS)
def test_lines_that_mean_harm_are_stored_as_harmless_lines(write: Writer, zoo: Zoo) -> None:
    """Z64."""
    url = zoo.add(serve(write(LINES)))
    zoo.add_healthy()
    with zoo.open() as app:
        check_healthy(zoo, run_round(app))
        assert check_stored(app, url) == len(LINES)
        regroup_stories(app)


@pytest.mark.parametrize("write", WRITERS)
def test_no_recorded_attack_is_stored_in_any_field(write: Writer, zoo: Zoo, corpus: Path) -> None:
    """Z63."""
    urls = {}
    for file, key in FILES:
        vectors = [one[key] for one in json.loads((corpus / "hostile" / "xss" / file).read_text(encoding="utf-8"))]
        wanted = [one for one in vectors if one.strip()]
        urls[zoo.add(serve(write(wanted)))] = len(wanted)
    with zoo.open() as app:
        run_round(app)
        for url, count in urls.items():
            assert check_stored(app, url) == count
