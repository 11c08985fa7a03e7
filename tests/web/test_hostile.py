"""A feed that means harm, through the whole program into a real browser. Never a policy of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import feedparser
import pytest
from lxml import etree, html
from playwright.sync_api import Dialog, Page

from aggregator.app import App
from aggregator.storage import issues
from tests.fixtures.program import Program
from tests.web.conftest import Door

RUN = "window.pwned=1"
VECTORS = [
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"\"><svg onload='{RUN}'>",
    f"' onmouseover='{RUN}' x='",
    f'<a href="javascript:{RUN}">a link</a>',
    f'<a href="jav&#x09;ascript:{RUN}">a link</a>',
    f'<a href=" &#1;javascript:{RUN}">a link</a>',
    f'<a href="data:text/html,<script>{RUN}</script>">a link</a>',
    f"<svg><style><img src=x onerror={RUN}></style></svg>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<style>@import 'http://evil.example/x.css';</style><p style='background:url(javascript:{RUN})'>styled</p>",
    f"<iframe src='javascript:{RUN}'></iframe><iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    "<img src='http://evil.example/pixel.gif' width=1 height=1><link rel=stylesheet href=http://evil.example/s.css>",
    f"<form action='javascript:{RUN}'><button>go</button><input autofocus onfocus={RUN}></form>",
    f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'><base href='http://evil.example/'>",
    "<b><i>broken</b> <div><p>nesting</i></td></tr></table></div></main></body></html>",
    f"]]><script>{RUN}</script><![CDATA[",
    f"<!--><img src=x onerror={RUN}>-->",
    "control \x01\x08\x0b\x1f\x7f\x9f and \ufffe characters",
    "bidi \u202egpj.exe\u202c \u2066isolate \u200f mark",
    "עברית שלום <b>עולם</b>",
    "W" * 100_000,
    "{{7*7}} {% raw %} {{ config }} ${7*7} #{7*7} <%= 7*7 %>",
    f"</mj-text></mj-column><mj-raw><script>{RUN}</script></mj-raw>",
    "@@UNSUBSCRIBE_URL@@ and %%UNSUBSCRIBE%%",
    "A title\r\nBcc: victim@example.org\r\n\r\nbody",
    "=?utf-8?q?Bcc:_victim=40example.org?=",
    f"&lt;script&gt;{RUN}&lt;/script&gt; &amp;lt;img src=x onerror={RUN}&amp;gt;",
    f"<details open ontoggle={RUN}><template><script>{RUN}</script></template>",
    f"<object data='javascript:{RUN}'></object><embed src='javascript:{RUN}'><video><source onerror={RUN}></video>",
]
_FORBIDDEN = str.maketrans({number: None for number in range(32) if number not in (9, 10, 13)} | {0xFFFE: None})
DANGEROUS = (
    "script, iframe, object, embed, form, base, meta[http-equiv]:not([http-equiv=Content-Security-Policy]), "
    "math, template, noscript, style, video, audio"
)


def write_hostile(vectors: list[str]) -> bytes:
    """One item a vector, which stands in every field; XML that a parser takes."""
    now = datetime.now(UTC)
    items = []
    for number, raw in enumerate(vectors):
        vector = raw.translate(_FORBIDDEN)
        link = f"javascript:{RUN}//{number}" if number % 3 == 0 else f"https://h.example/{number}/{vector[:300]}"
        where = "" if number % 3 == 1 else f"<link>{escape(link)}</link>"
        items.append(
            f"<item><guid isPermaLink='false'>{escape(vector[:500])}{number}</guid>{where}"
            f"<title>{escape(vector)} {number}</title><dc:creator>{escape(vector[:2000])}</dc:creator>"
            f"<category domain={quoteattr(vector[:200])}>{escape(vector[:2000])}</category><category>OpenAI</category>"
            f"<description>{escape(vector)} OpenAI</description>"
            f"<content:encoded>{escape('<p>OpenAI before</p>' + vector + '<p>after</p>')}</content:encoded>"
            f"<enclosure url={quoteattr(link)} type={quoteattr(vector[:100])} length='1'/>"
            f"<pubDate>{format_datetime(now - timedelta(minutes=10 + number))}</pubDate></item>"
        )
    name = escape(VECTORS[0])
    head = "xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:content='http://purl.org/rss/1.0/modules/content/'"
    return (
        f"<rss version='2.0' {head}><channel><title>{name}</title><link>javascript:{RUN}</link>"
        f"<description>{name}</description><copyright>{name}</copyright>{''.join(items)}</channel></rss>"
    ).encode()


@pytest.fixture
def pages(
    program: Program, http_server: Any, serve: Callable[[App], Door], request: pytest.FixtureRequest
) -> tuple[Program, App, Door]:
    """The hostile feed fetched and an issue built."""
    return open_hostile(program, http_server, serve, VECTORS, request)


def open_hostile(
    program: Program,
    http_server: Any,
    serve: Callable[[App], Door],
    vectors: list[str],
    request: pytest.FixtureRequest,
) -> tuple[Program, App, Door]:
    program.configure(
        feeds=[{"url": http_server.add("/hostile", write_hostile(vectors)), "interval": "12h"}],
        combined={"first_import": 1000, "limit": 1000},
    )
    done = program.json("fetch", "--all")
    assert (done["failed"], done["new"]) == (0, len(vectors))
    assert program.json("issues", "build")["state"] == "ready"
    opened = program.app()
    app = opened.__enter__()
    request.addfinalizer(lambda: opened.__exit__(None, None, None))
    return program, app, serve(app)


def read_vectors(corpus: Path) -> list[str]:
    """All that the corpus has of scripts that hide."""
    vectors = []
    for path in sorted((corpus / "hostile" / "xss").glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            vectors += [str(case.get("payload") or case.get("input"))]
    assert len(vectors) > 250
    return vectors


def check_html(data: bytes | str) -> None:
    """By a parser that is not the browser's: no element that acts, no handler, no address of another scheme."""
    for element in html.fromstring(data).iter(etree.Element):
        assert element.tag not in ("script", "iframe", "object", "embed", "base", "form", "math", "template")
        for name, value in element.attrib.items():
            assert not str(name).lower().startswith("on"), (element.tag, name)
            if name in ("href", "src", "action", "data", "srcset", "poster", "background", "xlink:href"):
                assert re.match(r"https?://|/|#|data:image/|mailto:|@@", str(value)), (element.tag, name, value[:80])


def list_pages(door: Door) -> list[str]:
    """Front, tag, feeds, archive, issue, and all entries and stories that the front page names."""
    front = door.ask("/").text
    found = sorted(set(re.findall(r'href="(/(?:entries|stories)/\d+)"', front)))
    numbers = sorted({path.rpartition("/")[2] for path in found if path.startswith("/stories/")})
    issue = re.findall(r'href="(/issues/weekly/[^"]+)"', door.ask("/issues/").text)
    assert issue and numbers
    return ["/", "/tags/openai", "/tags/", "/feeds", "/issues/", *issue, *found]


def check_site(app: App, door: Door, browser_page: Page, *, browse: int) -> None:
    paths = list_pages(door)
    for path in paths:
        reply = door.ask(path)
        assert reply.status == 200, path
        check_html(reply.body)
        assert "\u202e" not in reply.text
    own = [path for path in paths if path.startswith("/entries/")]
    assert len(own) >= 5
    others = [path for path in paths if not path.startswith(("/entries/", "/stories/"))]
    for path in [*others, *own[:browse], *[p for p in paths if p.startswith("/stories/")][:2]]:
        browser_page.goto(door.url + path, wait_until="load")
        assert browser_page.evaluate("window.pwned === undefined"), path
        assert find_bad(browser_page) == [], path
    for path in ("/feed.atom", "/tags/openai.atom"):
        data = door.ask(path).body
        feed = etree.fromstring(data)
        assert not feedparser.parse(data).bozo
        for content in feed.iter("{http://www.w3.org/2005/Atom}content"):
            check_html(f"<div>{content.text}</div>")
    with app.db.read() as conn:
        (issue,) = issues.list_issues(conn)
        rendered = issues.get_rendered(conn, issue.id)
    assert rendered is not None
    check_html(rendered.mail_html)
    assert not re.search(r"[\r\n\x00-\x1f]", rendered.subject)
    assert "\nBcc:" not in rendered.mail_text


def find_bad(browser_page: Page) -> list[str]:
    """What the browser itself holds of elements that act, handlers and addresses of other schemes."""
    found: list[str] = browser_page.evaluate(_COUNT_BAD, DANGEROUS)
    return found


_COUNT_BAD = """bad => {
  const found = [...document.querySelectorAll(bad)].map(e => e.outerHTML.slice(0, 200));
  for (const e of document.querySelectorAll('*'))
    for (const a of e.attributes)
      if (/^on/i.test(a.name) || /^[\\s\\u0000-\\u001f]*(javascript|vbscript|data:text)/i.test(a.value))
        found.push(e.tagName + ' ' + a.name + '=' + a.value.slice(0, 100));
  return found;
}"""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_of_a_hostile_feed_runs_or_calls_home(pages: tuple[Program, App, Door], browser_page: Page) -> None:
    _, app, door = pages
    check_site(app, door, browser_page, browse=30)
    text = door.ask("/").text
    assert "{{7*7}}" in text, "text stays text"
    browser_page.goto(door.url + "/")
    width = browser_page.evaluate("document.documentElement.scrollWidth")
    assert width <= 1280, "a word of 100 KB does not stretch the page"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_recorded_attack_runs(
    corpus: Path,
    program: Program,
    http_server: Any,
    serve: Callable[[App], Door],
    request: pytest.FixtureRequest,
    browser_page: Page,
) -> None:
    vectors = read_vectors(corpus)
    # `alert` opens a dialog, which the flag cannot see: any dialog is a script that ran.
    dialogs: list[str] = []

    def note(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    browser_page.on("dialog", note)
    _, app, door = open_hostile(program, http_server, serve, vectors, request)
    check_site(app, door, browser_page, browse=25)
    assert not dialogs
