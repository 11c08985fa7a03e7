"""A story as it was covered: what each entry adds, in its own words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.model.coverage import Report
from aggregator.model.entry import Entry
from aggregator.model.tag import TagEvidence
from aggregator.pipeline.coverage import MAX_QUOTATIONS, compare_reports
from aggregator.pipeline.excerpt import list_sentences
from tests.pipeline.stories import NOW, make_entry, make_story, make_tag

LEAD = make_entry(
    9,
    title="Harbour Labs opens its Heron chip",
    excerpt="The chip was in-house only. It needs 400 W.",
    tags=(make_tag("harbour-labs"),),
)


def quote(
    sentences: list[str], *, language: str = "en", lead: Entry = LEAD, tags: tuple[TagEvidence, ...] = ()
) -> Report:
    """What a second entry with ``sentences`` adds to ``lead``."""
    entry = make_entry(2, title="A chip", language=language, tags=tags)
    return next(
        report
        for report in compare_reports(make_story(1, lead, entry), {entry.id: sentences}, {})
        if not report.is_lead
    )


def list_news(report: Report) -> list[str]:
    return [one.text[start:end] for one in report.quotations for start, end in one.news]


@pytest.mark.parametrize(
    ("sentence", "news"),
    [
        ("It costs $3.2 million to build one of them.", ["$3.2 million"]),
        ("Each rack holds 96 chips and weighs a ton.", ["96"]),
        ("It was drawn with the Tidewater Archive, they say.", ["Tidewater Archive"]),
        ("The chip needs 400 W, as everybody knows by now.", []),
        ("Harbour Labs opens its Heron chip to all of us.", []),
        ("It is Harbour’s chip, and Heron’s cousin as well.", []),
        ("Nobody knows what it is good for, said one of them.", []),
        ("On Monday they met again to talk about the chip.", []),
        ("It costs $3.2 million.", []),  # too short to stand alone
    ],
)
def test_a_sentence_is_quoted_for_what_the_lead_lacks(sentence: str, news: list[str]) -> None:
    """Numbers and names; a first word has its capital for another reason."""
    assert list_news(quote([sentence])) == news


def test_a_company_is_known_by_its_tag_whatever_it_is_called() -> None:
    """The taxonomy knows both spellings; the lead's own is no news."""
    known = replace(make_tag("harbour-labs", field="text"), found="ハーバー研究所")
    fresh = replace(make_tag("northlight", field="text"), found="ノースライト")
    sentences = ["ハーバー研究所は新しい道を選んだという。", "製造はノースライトが引き受けることになった。"]

    assert list_news(quote(sentences, language="ja", tags=(known, fresh))) == ["ノースライト"]


def test_equal_sums_are_no_news_in_another_language() -> None:
    """65 hundred-millions are 6.5 billion."""
    lead = replace(LEAD, excerpt="They paid $6.5 billion for it.")

    assert list_news(quote(["这家公司为此支付了65亿美元，令人意外。"], language="zh", lead=lead)) == []
    assert list_news(quote(["这家公司为此支付了66亿美元，令人意外。"], language="zh", lead=lead)) == ["66亿美元"]


def test_german_nouns_are_no_names() -> None:
    """All of them have capitals; two together are most likely one."""
    sentences = ["Der Rechner steht im Keller der alten Schule.", "Gebaut hat ihn die Deutsche Werkbank mit Freunden."]

    assert list_news(quote(sentences, language="de")) == ["Deutsche Werkbank"]


def test_the_best_sentences_are_taken_and_stand_in_the_order_of_the_text() -> None:
    """At most two; of many, those that bring most."""
    sentences = [
        "It was made in 48 months, one of them said.",
        "Nothing new is to be told about the chip here.",
        "It costs $3.2 million, or 12% of what the old one did.",
        "The people of Northlight Research paid $9 million.",
    ]
    report = quote(sentences)

    assert [one.text for one in report.quotations] == sentences[2:]


def test_what_an_earlier_report_was_quoted_with_is_no_news_of_a_later_one() -> None:
    """Copies add nothing."""
    line = "It costs $3.2 million to build one of them."
    entries = [make_entry(number, title=f"A chip {number}") for number in (1, 2, 3)]
    reports = compare_reports(make_story(1, LEAD, *entries), {entry.id: [line] for entry in entries}, {})

    assert [len(report.quotations) for report in reports] == [0, 1, 0, 0]
    assert reports[1].entry == entries[2], "the earliest"


def test_first_report_lead_and_the_company_itself_are_marked() -> None:
    """In the order they came."""
    own = make_entry(5)
    first = make_entry(8)
    lead = make_entry(1)
    reports = compare_reports(make_story(1, lead, own, first), {}, {own.id: ("northlight",)})

    assert [(r.entry.id, r.is_first, r.is_lead, r.speakers) for r in reports] == [
        (8, True, False, ()),
        (5, False, False, ("northlight",)),
        (1, False, True, ()),
    ]


def test_one_that_stands_alone_is_no_first() -> None:
    """There is nobody it came before."""
    (report,) = compare_reports(make_story(1), {}, {})

    assert (report.is_first, report.is_lead, report.quotations) == (False, True, ())


_LINES = st.lists(
    st.text(max_size=200)
    | st.sampled_from(
        ["It costs $3 million there now.", "Of 41,000 pages 38,200 were read.", "We met the Tidewater Archive people."]
    ),
    max_size=5,
)


@given(st.lists(_LINES, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_every_word_is_the_publishers_and_no_order_changes_anything(texts: list[list[str]], random: object) -> None:
    """Whole sentences of that very entry, marks inside them, apart from each other."""
    entries = [make_entry(number, effective_at=NOW - timedelta(hours=number)) for number in range(1, len(texts) + 1)]
    said = {entry.id: lines for entry, lines in zip(entries, texts, strict=True)}
    reports = compare_reports(make_story(1, LEAD, *entries), said, {})
    shuffled = entries[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert compare_reports(make_story(1, LEAD, *shuffled), said, {}) == reports
    for report in reports:
        assert len(report.quotations) <= MAX_QUOTATIONS
        for quotation in report.quotations:
            assert quotation.text in said[report.entry.id]
            assert quotation.news
            last = 0
            for start, end in quotation.news:
                assert last <= start < end <= len(quotation.text)
                last = end


def test_sentences_to_quote_are_prose() -> None:
    """Whole, in order, without what stands around a text."""
    text = (
        "By Ada Example\n\nIt costs $3 million. Read more: https://x.example/\n\nSubscribe\n\nTwo of them were built…"
    )

    assert list_sentences(text, "en", title="A chip") == ("It costs $3 million.",)
