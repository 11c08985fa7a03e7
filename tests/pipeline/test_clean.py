"""Cleaning: what comes out is judged by a second parser, not by the one that cleaned."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import lxml.html
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.parsed import ParsedEntry
from aggregator.pipeline.clean import (
    ATTRIBUTES,
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    TAGS,
    clean_html,
    clean_parts,
    is_within_limits,
)
from aggregator.pipeline.urls import is_web_url

BASE = "https://news.example.org/posts/1"
ALLOWED_ATTRIBUTES = {tag: set(names) for tag, names in ATTRIBUTES.items()}
ALLOWED_ATTRIBUTES["a"] |= {"rel"}


def find_faults(cleaned: str) -> Iterator[str]:
    """Everything in ``cleaned`` that the policy does not allow, as lxml reads it."""
    if not cleaned:
        return
    for element in lxml.html.fragment_fromstring(cleaned, create_parent="main").iter():
        if element.tag == "main":
            continue
        if not isinstance(element.tag, str) or element.tag not in TAGS:
            yield f"element {element.tag}"
            continue
        for name, value in element.attrib.items():
            if name not in ALLOWED_ATTRIBUTES.get(element.tag, set()):
                yield f"attribute {element.tag}[{name}]"
            elif name in ("href", "src") and not (is_web_url(value) or value.startswith("mailto:")):
                yield f"address {value}"
        if element.tag == "img" and "src" not in element.attrib:
            yield "picture without address"
        if element.tag == "a" and element.get("rel") != "noopener noreferrer nofollow ugc":
            yield "link without rel"


def test_good_html_stays_with_its_addresses_made_absolute() -> None:
    html = '<h2>T</h2><p>A <em>b</em> <a href="../x?a=1&b=2" title="t">c</a><img src="/i.png" alt="i" width="40"></p>'

    assert clean_html(html, BASE) == (
        '<h2>T</h2><p>A <em>b</em> <a href="https://news.example.org/x?a=1&amp;b=2" title="t" '
        'rel="noopener noreferrer nofollow ugc">c</a><img src="https://news.example.org/i.png" alt="i" width="40"></p>'
    )


@pytest.mark.parametrize(
    ("html", "cleaned"),
    [
        ("<script>alert(1)</script>a", "a"),
        ("<p onclick=x style=color:red class=y id=z>a</p>", "<p>a</p>"),
        ("<p>a\x08b\ud800c&#8;d&#x202e;e</p>", "<p>abcde</p>"),
        ('<img src="https://e.org/p.gif" width="1" height="1">a', "a"),
        ('<img src="https://e.org/p.gif" width="1px">a', "a"),
        ('<img src="http://feeds.feedburner.com/~r/x/~4/y">a', "a"),
        ('<img src="javascript:x" alt="k">a', "a"),
        ("<form><button>Send</button><select><option>o</option></select>a</form>", "a"),
        ("<svg><script>x</script></svg><math><mi>x</mi></math>a", "a"),
        (
            "<noscript><p title='</noscript><img src=x onerror=x>'>",
            '<img src="https://news.example.org/posts/x">\'&gt;',
        ),
        ('<b title="x" lang="en">a</b>', "<b>a</b>"),
        ('<q cite="javascript:x">a</q><del cite="x">b</del>', "<q>a</q><del>b</del>"),
        ('<td colspan="2">a</td>', "a"),
        ('<ol start="5"><li>a</li></ol>', '<ol start="5"><li>a</li></ol>'),
        ("{{ 7*7 }} <mj-raw>a</mj-raw>", "{{ 7*7 }} a"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_what_the_policy_does_not_name_goes(html: str, cleaned: str) -> None:
    assert clean_html(html, BASE) == cleaned


@pytest.mark.parametrize(
    "href",
    [
        "javascript:x",
        "java\nscript:x",
        "data:,x",
        "tel:1",
        "sms:1",
        "ftp://e.org/",
        "https://bank.org@e.org/",
        "http:\\\\e",
        "http://[",
    ],
)
def test_a_link_to_anything_but_the_web_or_a_mailbox_is_no_link(href: str) -> None:
    assert "href" not in clean_html(f'<a href="{href}">a</a>', BASE)


def test_a_mailbox_may_be_linked_but_not_filled_in() -> None:
    assert 'href="mailto:a@e.org"' in clean_html('<a href="mailto:a@e.org">a</a>', BASE)
    assert "href" not in clean_html('<a href="mailto:a@e.org?bcc=b@e.org">a</a>', BASE)


def test_without_a_base_relative_addresses_go() -> None:
    assert "href" not in clean_html('<a href="/x">a</a>', "")


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("dompurify.json", "payload"),
        ("html5-security-cheatsheet.json", "payload"),
        ("html5lib-sanitizer.json", "input"),
        ("miniflux-sanitizer.json", "input"),
    ],
)
def test_no_known_attack_leaves_anything_but_the_policy(corpus: Path, file: str, key: str) -> None:
    vectors = json.loads((corpus / "hostile" / "xss" / file).read_text(encoding="utf-8"))

    faults = {vector[key]: found for vector in vectors if (found := list(find_faults(clean_html(vector[key], BASE))))}

    assert len(vectors) > 10
    assert faults == {}


PIECES = json.loads((Path(__file__).parent / "data" / "pieces.json").read_text())["html"]


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_no_mixture_of_attacks_leaves_anything_but_the_policy(html: str) -> None:
    cleaned = clean_html(html, BASE)

    assert list(find_faults(cleaned)) == []
    assert clean_html(cleaned, BASE) == cleaned or "\n" in cleaned


BOMBS = {
    "nesting": "<div>" * 100_000,
    "lists": "<ul><li>" * 60_000,
    "hidden ends": "<div><!--</div>-->" * 28_000,
    "ends in attributes": "<div title='</div>'>" * 25_000,
    "ends in scripts": "<div><style></div></style>" * 20_000,
    "svg": "<svg><tr>" * 50_000,
    "ampersands": "&" * 500_000,
    "attributes": "<a " + " ".join(f"a{number}" for number in range(60_000)) + ">",
    "quoted attributes": "<a " + ' b=">"' * 80_000 + ">",
    "open inline elements": "<p>" + "".join(f"<b a={n}>" for n in range(200)) + "<div>x</div>" * 40_000,
    "less than": "<" * 500_000,
    "unclosed comments": "<!--" * 125_000,
    "open paragraphs": "<p>x" * 120_000,
    "too long": "<p>word</p>" * 60_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_half_megabyte_takes_long(name: str) -> None:
    started = time.process_time()
    cleaned = clean_html(BOMBS[name], BASE)

    assert time.process_time() - started < 3
    assert len(cleaned) < 4_000_000


def test_what_is_over_a_limit_is_shown_as_its_text() -> None:
    html = "<div>" * (MAX_DEPTH + 1) + "<b>a</b> &lt;i&gt;<script>x</script>" + "</div>" * (MAX_DEPTH + 1)

    assert clean_html(html, BASE) == "<p>a &lt;i&gt;</p>"


@pytest.mark.parametrize(
    "html",
    [
        "<p>an unclosed paragraph" * 2_000,
        "<ul>" + "<li>one" * 2_000 + "</ul>",
        "<p>x<br>y<img src=/a.png></p>" * 2_000,
        '<svg><g><path d="M0 0"/><path d="M1 1"></path></g></svg><p>x</p>' * 500,
        "<table>" + "<tr><td>a<td>b" * 2_000 + "</table>",
        "<p>a <b>b <i>c</i></b></p>" * 2_000,
    ],
)
def test_long_but_ordinary_html_is_within_the_limits(html: str) -> None:
    assert is_within_limits(html)


@pytest.mark.parametrize("attribute", ["{0:x} ", '{0:x}=""', "{0:x}=''", '={0:x}="" ', "{0:x}/"])
def test_attributes_are_counted_however_they_are_parted(attribute: str) -> None:
    html = "<p {}>" + "x" * 16_384

    assert is_within_limits(html.format("".join(map(attribute.format, range(MAX_ATTRIBUTES)))))
    assert not is_within_limits(html.format("".join(map(attribute.format, range(MAX_ATTRIBUTES + 1)))))


def test_an_entry_becomes_its_safe_parts() -> None:
    entry = ParsedEntry(
        url="/posts/1?utm_source=rss",
        title="Bold <b>AI</b> &amp; more\ufffd",
        author="A <script>x</script>B",
        summary_html="<p>short</p>",
        content_html="<p>One.</p><p>Two <a href='x'>three</a>.</p>",
        base_url="https://e.org/posts/1",
    )

    parts = clean_parts(entry, "https://e.org/feed.xml")

    assert (parts.title, parts.author) == ("Bold AI & more", "A B")
    assert parts.url == "https://e.org/posts/1?utm_source=rss"
    assert parts.canonical_url == "https://e.org/posts/1"
    assert parts.text == "One.\n\nTwo three."
    assert 'href="https://e.org/posts/x"' in parts.content_html


@pytest.mark.parametrize(
    ("entry", "title"),
    [
        (ParsedEntry(summary_html="<p>First words here.</p><p>More</p>"), "First words here."),
        (ParsedEntry(url="https://e.org/a"), "e.org/a"),
        (ParsedEntry(summary_html="word " * 100), "word " * 19 + "word…"),
    ],
)
def test_an_entry_without_a_title_is_called_by_its_first_words_or_its_address(entry: ParsedEntry, title: str) -> None:
    assert clean_parts(entry, "https://e.org/feed.xml").title == title


@given(
    st.builds(ParsedEntry, url=st.text(), title=st.text(), author=st.text(), content_html=st.text(), base_url=st.text())
)
def test_any_text_can_be_cleaned(entry: ParsedEntry) -> None:
    parts = clean_parts(entry, "https://e.org/feed.xml")

    assert list(find_faults(parts.content_html)) == []
    assert parts.url == "" or is_web_url(parts.url)
