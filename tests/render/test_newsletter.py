"""The mail, its text part and its archive body."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from aggregator.model.ids import StoryId
from aggregator.model.newsletter import (
    PREFERENCES_TOKEN,
    TOKENS,
    UNSUBSCRIBE_TOKEN,
    ComposedIssue,
    Continuity,
    IssueEdits,
    RenderedIssue,
)
from aggregator.model.story import Story
from aggregator.render.newsletter import render_issue, too_large
from aggregator.render.subject import UNEDITED, make_preheader, make_subject
from aggregator.render.templates import Templates, load_templates
from aggregator.render.words import count_columns, keep_legal
from tests.render.samples import COMPOSED, NEWSLETTER, SITE, STORIES, TAGS, make_story, with_lead

TEMPLATES = load_templates()
ARCHIVE = "https://news.example.org/issues/weekly/2025-W49"


def render(
    issue: ComposedIssue = COMPOSED, templates: Templates = TEMPLATES, edits: IssueEdits = UNEDITED
) -> RenderedIssue:
    return render_issue(issue, site=SITE, tags=TAGS, templates=templates, archive_url=ARCHIVE, edits=edits)


def with_top(*stories: Story) -> ComposedIssue:
    return replace(COMPOSED, top=stories, brief=(), more=(), developing=(), continuity={})


@pytest.fixture(scope="module")
def rendered() -> RenderedIssue:
    return render()


def test_nothing_of_the_template_is_left_over(rendered: RenderedIssue) -> None:
    """No MJML, no Jinja, no comment but Outlook's."""
    assert "<mj-" not in rendered.mail_html
    assert "{{" not in rendered.mail_html
    assert not re.findall(r"<!--(?!\[if|<!\[endif|>)", rendered.mail_html)


def test_nothing_is_loaded_from_afar(rendered: RenderedIssue) -> None:
    """No font, no picture, no style sheet, no pixel."""
    document = html.document_fromstring(rendered.mail_html)

    assert not document.xpath("//img | //script | //iframe | //form | //link | //video | //*[local-name()='svg']")
    assert not re.search(r"@import|url\(|fonts\.googleapis", rendered.mail_html)


def test_the_html_is_well_formed(rendered: RenderedIssue) -> None:
    """Every element closed, no attribute twice: programs mend such things each in its own way."""
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert len({name for name, _ in attrs}) == len(attrs)
            if tag not in ("meta", "br", "hr", "img", "link"):
                opened.append(tag)

        def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag in ("meta", "br", "hr", "img", "link")

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Reader().feed(rendered.mail_html)
    assert not opened


def test_every_link_is_absolute_and_wears_its_colour_inline(rendered: RenderedIssue) -> None:
    """Some programs drop the style sheet: their links would be blue on anything."""
    links = html.document_fromstring(rendered.mail_html).findall(".//a")

    assert all(re.match(r"https?://|@@", link.get("href")) for link in links)
    assert all("color:" in link.get("style", "") for link in links)
    assert all(link.text_content().strip() for link in links)


def test_layout_tables_say_that_they_are_none(rendered: RenderedIssue) -> None:
    """Only the chart's table has a meaning, and its rows have headers."""
    document = html.document_fromstring(rendered.mail_html)
    meaningful = document.xpath("//table[not(@role='presentation')]")

    assert len(meaningful) == 1
    assert len(meaningful[0].findall(".//th[@scope='row']")) == len(COMPOSED.mentioned)
    assert [" ".join(cell.text_content().split()) for cell in meaningful[0].xpath("./tbody/tr[1]/* | ./tr[1]/*")] == [
        "chips",
        "",
        "50",
    ]


def test_languages_are_marked(rendered: RenderedIssue) -> None:
    """The mail's own on the root, a story's on its headline and excerpt."""
    document = html.document_fromstring(rendered.mail_html)

    assert (document.get("lang"), document.get("dir")) == ("en", "ltr")
    assert document.xpath("//h2/@lang") == ["ja", "fr", "ar", "de", "zh"]
    assert set(document.xpath("//h2[@lang='ar']/@dir | //p[@lang='ar']/@dir")) == {"rtl"}
    assert set(document.xpath("//h2[@lang='ja']/@dir | //p[@lang='ja']/@dir")) == {"ltr"}
    assert all("text-align:right" in style for style in document.xpath("//*[@lang='ar']/@style"))
    assert len(document.findall(".//h1")) == 1


def test_each_part_has_the_personal_markers_where_they_belong(rendered: RenderedIssue) -> None:
    """Unsubscribing at the top and at the end, preferences at the end; nothing personal on the web."""
    for part in (rendered.mail_html, rendered.mail_text):
        assert part.count(UNSUBSCRIBE_TOKEN) == 2
        assert part.count(PREFERENCES_TOKEN) == 1
        assert part.index(UNSUBSCRIBE_TOKEN) < part.index(STORIES[0].lead.url)
    assert f'href="{UNSUBSCRIBE_TOKEN}"' in rendered.mail_html
    assert f'href="{PREFERENCES_TOKEN}"' in rendered.mail_html
    assert "@@" not in rendered.web_html + rendered.subject + rendered.preheader


@pytest.mark.parametrize("token", TOKENS)
def test_a_feed_cannot_bring_a_personal_marker(token: str) -> None:
    """Else a link `https://bad.example/?@@...@@` would take each reader's own address along."""
    nested = token[:5] + token + token[5:]
    text = f"x {token} {nested} y"
    url = f"https://bad.example/?{nested}"
    story = with_lead(STORIES[0], title=text, excerpt=text, feed_name=text, url=url, language=token)
    other = replace(story.lead, feed_id=STORIES[1].lead.feed_id, feed_name=text)
    edits = IssueEdits(introduction=f"{text} &#64;@{token[2:]} [x]({url})", subject=text)
    result = render(with_top(replace(story, entries=(story.lead, other))), edits=edits)
    plain = render(with_top(STORIES[0]))

    assert result.mail_html.count(token) == plain.mail_html.count(token)
    assert result.mail_text.count(token) == plain.mail_text.count(token)
    assert token not in result.web_html + result.subject + result.preheader


@pytest.mark.parametrize(
    "text",
    [
        "a < b && c > d; R&D &bogus; &nbsp;",
        "</mj-text></mj-column><mj-section>",
        "<mj-raw><p>open",
        "<mj-include path='/etc/passwd' />",
        "<script>alert(1)</script><p>one<p>two",
        "<![CDATA[ x ]]> <!-- y -->",
        "{{ 7*7 }} {% raw %}",
        "\x00\x0b\ud800\ufffe ok",
        '"><a href="javascript:alert(1)">',
    ],
)
def test_whatever_a_feed_says_stays_text(text: str) -> None:
    """No markup from a feed reaches the engine, and none reaches the reader."""
    story = with_lead(
        STORIES[0], title=f"{text} t", excerpt=text, feed_name=f"{text} n", author=text, url=text, language=text
    )
    expected = html.document_fromstring(render(with_top(STORIES[0])).mail_html)
    document = html.document_fromstring(render(replace(with_top(story), brief=(story,))).mail_html)

    assert {element.tag for element in document.iter(tag="*")} - {
        element.tag for element in expected.iter(tag="*")
    } <= {"h2", "br"}
    assert all(re.match(r"https?://|@@", href) for href in document.xpath("//a/@href"))
    assert document.find(".//h2").text_content() == " ".join(f"{keep_legal(text)} t".split())


_LETTERS = st.text(max_size=60) | st.sampled_from(
    ["</mj-text>", "@@UNSUBSCRIBE_URL@@", "小さな半導体" * 60, "A" * 900, "\u202e", ""]
)
_ADDRESSES = st.sampled_from(
    [
        "https://a.example/?q=1&r=<2>",
        "javascript:alert(1)",
        "",
        "https://a.example/" + "x" * 3_000,
        "https://日本.example/記事",
    ]
)


@given(
    st.lists(
        st.tuples(_LETTERS, _LETTERS, _LETTERS, _ADDRESSES, st.sampled_from(["ja", "ar", "und", "x-?", ""])),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=40, deadline=None)
def test_whatever_stories_say_the_mail_is_whole(told: list[tuple[str, str, str, str, str]]) -> None:
    """One heading a story, only links to the web, both parts with the same addresses, short lines of text."""
    stories = tuple(
        with_lead(replace(STORIES[2], id=StoryId(number)), title=t, excerpt=e, feed_name=f, url=u, language=la)
        for number, (t, e, f, u, la) in enumerate(told, start=1)
    )
    result = render(with_top(*stories))
    document = html.document_fromstring(result.mail_html)

    assert "<mj-" not in result.mail_html
    assert len(document.xpath("//h2[@class='h']")) == len(stories)
    addresses = document.xpath("//h2[@class='h']/a/@href")
    assert all(re.fullmatch(r"https?://\S{1,700}", address) for address in addresses)
    assert [line.strip() for line in result.mail_text.splitlines() if line.strip() in addresses] == addresses
    assert all(
        count_columns(line) <= 76 or re.match(r"\s*(https?://|@@)\S+$", line) for line in result.mail_text.splitlines()
    )
    assert result.mail_html.count(UNSUBSCRIBE_TOKEN) == result.mail_text.count(UNSUBSCRIBE_TOKEN) == 2


def test_thirty_stories_stay_far_below_the_limit() -> None:
    """Ten with the longest excerpt and twenty in brief, in Japanese, which takes three bytes a character."""
    top = [
        replace(with_lead(STORIES[0], excerpt="電力あたりの性能は前世代の三倍とされ、来春には使える。" * 11))
        for _ in range(10)
    ]
    brief = [with_lead(STORIES[index % 18], title=STORIES[0].lead.title) for index in range(20)]
    result = render(replace(COMPOSED, top=tuple(top), brief=tuple(brief)))

    assert len(result.mail_html.encode()) < 60_000
    assert not too_large(result)


def test_thirty_ordinary_stories_take_less_than_half_of_the_limit() -> None:
    """The sample's own mix of languages."""
    quiet = replace(COMPOSED, continuity={}, developing=())
    result = render(replace(quiet, top=(*STORIES[:8], *STORIES[1:3]), brief=(*STORIES[8:], *STORIES[8:])))

    assert len(result.mail_html.encode()) < 45_000


def test_too_large_counts_bytes(rendered: RenderedIssue) -> None:
    """90,000 of them, not characters."""
    assert too_large(replace(rendered, mail_html="あ" * 30_001))
    assert not too_large(replace(rendered, mail_html="あ" * 30_000))


def test_the_text_part_says_the_same(rendered: RenderedIssue) -> None:
    """Every story with its address, the postal address, the archive; lines of at most 76 columns but for addresses."""
    text = rendered.mail_text

    for story in (*COMPOSED.top, *COMPOSED.brief):
        assert story.lead.url in text.split()
        assert "".join(story.lead.title.split()) in "".join(text.split())
    assert "".join(SITE.postal_address.split()) in "".join(text.split())
    assert ARCHIVE in text.split()
    assert all(count_columns(line) <= 76 or re.match(r"\s*(https?://|@@)\S+$", line) for line in text.splitlines())
    assert "&amp;" not in text


def test_the_subject_is_the_top_headline_cut_to_fifty_columns() -> None:
    """Wide characters count two; a short one stands whole."""
    assert make_subject(COMPOSED).startswith("小さな半導体、大きな賭け")
    assert make_subject(with_top(STORIES[1])) == "Orrery 4: four models for four kinds of work"
    assert make_subject(with_top()) == "The Model Post Weekly 2025-W49"
    assert all(count_columns(make_subject(with_top(story))) <= 50 for story in STORIES)


def test_the_preheader_goes_on_with_the_next_headlines() -> None:
    """Between 40 and 90 columns when there is anything to say."""
    assert make_preheader(COMPOSED) == STORIES[1].lead.title
    for first in range(len(STORIES) - 3):
        assert 40 <= count_columns(make_preheader(with_top(*STORIES[first : first + 4]))) <= 90
    assert make_preheader(with_top(STORIES[0])) == NEWSLETTER.title


def test_the_preheader_stands_hidden_at_the_top_of_the_mail(rendered: RenderedIssue) -> None:
    """Inboxes show it; readers of the mail do not see it."""
    hidden = html.document_fromstring(rendered.mail_html).find(".//div[@aria-hidden='true']")

    assert hidden.text_content().startswith(rendered.preheader)
    assert "display:none" in hidden.get("style")


def test_dark_mode_is_declared_for_both_kinds_of_programs(rendered: RenderedIssue) -> None:
    """Metas, the media query, and Outlook's own attributes."""
    for sign in (
        'name="color-scheme"',
        'name="supported-color-schemes"',
        "prefers-color-scheme:dark",
        "[data-ogsc]",
        "[data-ogsb]",
    ):
        assert sign in rendered.mail_html


def test_the_archive_body_shows_every_story(rendered: RenderedIssue) -> None:
    """Those too that the mail only counts."""
    links = html.fragment_fromstring(rendered.web_html, create_parent="div").xpath("//a/@href")

    assert all(story.lead.url in links for story in STORIES)
    assert ">2 more stories on the web</a>" in rendered.mail_html


def test_the_same_issue_renders_to_the_same_bytes(rendered: RenderedIssue) -> None:
    """It is frozen once, but a preview must show what will be sent."""
    assert render() == rendered


def test_a_newsletter_in_japanese_says_its_dates_and_tags_in_japanese() -> None:
    """By its own language and zone, whatever the site's."""
    issue = replace(COMPOSED, newsletter=replace(NEWSLETTER, language="ja", timezone="Asia/Tokyo"))
    text = render(issue).mail_text

    assert "2025年11月28日" in text
    assert "半導体" in text


def test_a_story_without_excerpt_tags_or_others_is_a_headline() -> None:
    """Nothing empty is left standing."""
    bare = make_story(99, replace(STORIES[0].lead, excerpt="", tags=(), reading_minutes=0, language="und"))
    document = html.document_fromstring(render(with_top(bare)).mail_html)

    assert not [
        p for p in document.findall(".//p") if not p.text_content().strip() and "border-top" not in p.get("style", "")
    ]


def test_what_is_new_about_a_story_stands_in_every_part(rendered: RenderedIssue) -> None:
    """Publishers, amounts and names, as text; what the taxonomy does not know is left out."""
    line = "Update: + Le <Monde>, Nikkei, R&D News and 4 more; now $6.5 billion, 12%; now with Northlight"
    for part in (rendered.mail_html, rendered.web_html):
        text = " ".join(html.fromstring(f"<div>{part}</div>").text_content().split())
        assert line in text
        assert "Growing: + Wire & Co" in text
        assert "Update: now $6.5 billion" in text
        assert "Still developing" in text
        assert "Der Vertrag über die R&D-Halle wächst" in text
    plain = " ".join(rendered.mail_text.split())
    assert line in plain
    assert "Growing: + Wire & Co" in plain
    assert f"wächst {line} https://news.example.org/stories/90" in plain


def test_an_update_without_news_is_marked_all_the_same() -> None:
    """The editor wanted it told again."""
    news = {STORIES[0].id: Continuity(standing="update")}
    part = render(replace(with_top(STORIES[0]), continuity=news, developing=()))

    for text in (part.mail_html, part.web_html, part.mail_text):
        assert "Update:" in text and "an earlier issue told it" in text


def test_the_web_page_says_why_the_first_is_first(rendered: RenderedIssue) -> None:
    """In a part that opens without a script; the mail is spared it."""
    details = html.fromstring(f"<div>{rendered.web_html}</div>").xpath("//details")

    assert [" ".join(one.text_content().split()) for one in details] == [
        "Why is this first? put first by the editor 6 independent sources +7.8 in 5 languages +3.0 "
        "much discussed: 1,204 +3.0 we care for chips +2.0 the company itself speaks +1.5 "
        "something to read: 9 min +1.4 a feed that counts less here -1.0 we want less of <crypto> -1.0"
    ]
    assert "Why is this first" not in rendered.mail_html + rendered.mail_text
