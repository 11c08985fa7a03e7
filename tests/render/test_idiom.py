"""Dates, numbers and languages in the reader's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from markupsafe import Markup

from aggregator.render.idiom import Idiom, get_own_name

AT = datetime(2025, 12, 4, 20, 39, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "day", "weekday"),
    [
        ("en", "5 December", "Friday 5 December"),
        ("en-US", "December 5", "Friday December 5"),
        ("ja", "12月5日", "12月5日(金)"),
        ("de", "5. Dezember", "Freitag 5. Dezember"),
        ("xx-nowhere", "5 December", "Friday 5 December"),
    ],
)
def test_a_day_in_the_site_s_language_and_zone(language: str, day: str, weekday: str) -> None:
    """20:39 UTC is the next morning in Tokyo; an unknown language is written as English."""
    say = Idiom(language=language, timezone="Asia/Tokyo")

    assert (say.day(AT), say.weekday(AT), say.clock(AT)) == (day, weekday, "05:39")
    assert say.iso(AT) == "2025-12-04T20:39:00Z"


def test_a_window_ends_with_its_last_day() -> None:
    """[start, end) that ends at midnight does not name the day after."""
    say = Idiom(language="en", timezone="UTC")
    end = datetime(2025, 12, 5, tzinfo=UTC)

    assert say.span(end - timedelta(days=7), end) == "28 Nov – 4 Dec 2025".replace(" – ", "\u2009–\u2009")
    assert say.span(end, end) == "5 Dec 2025"


def test_a_language_is_named_only_when_it_is_another() -> None:
    """ "In English" on an English page says nothing, and "und" has no name."""
    say = Idiom(language="en", timezone="UTC")

    assert [say.language_name(tag) for tag in ("ja", "zh-TW", "en-GB", "und", "")] == [
        "Japanese",
        "Chinese",
        "",
        "",
        "",
    ]
    assert Idiom(language="ja", timezone="UTC").language_name("en") == "英語"
    assert (say.is_foreign("ja"), say.is_foreign("und"), say.is_foreign("en")) == (True, False, False)


@pytest.mark.parametrize(
    ("language", "moment", "short", "day", "span"),
    [
        ("en", "5 December 2025, 05:39", "5 Dec, 05:39", "5 December 2025", "28 Nov – 5 Dec 2025"),
        ("ja", "2025年12月5日 05:39", "12月5日 05:39", "2025年12月5日", "2025年11月28日～12月5日"),
        ("de", "5. Dezember 2025, 05:39", "5. Dez., 05:39", "5. Dezember 2025", "28. Nov. – 5. Dez. 2025"),
    ],
)
def test_moments_and_spans_are_put_together_by_the_language(
    language: str, moment: str, short: str, day: str, span: str
) -> None:
    """A comma in English, none in Japanese."""
    say = Idiom(language=language, timezone="Asia/Tokyo")

    assert (say.moment(AT), say.short_moment(AT), say.full_day(AT)) == (moment, short, day)
    assert say.span(AT - timedelta(days=7), AT).replace("\u2009", " ") == span


def test_a_list_has_the_words_of_its_language_and_stays_safe() -> None:
    """Parts that are no markup are escaped when one is."""
    english, japanese = (Idiom(language=tag, timezone="UTC") for tag in ("en", "ja"))

    assert (english.listing(["A"]), english.listing(["A", "B", "C"])) == ("A", "A, B and C")
    assert japanese.listing(["A", "B", "C"]) == "A、B、C"
    assert japanese.listing([Markup("<b>A</b>"), "<B>", "{0}"]) == Markup("<b>A</b>、&lt;B&gt;、{0}")
    assert not isinstance(english.listing(["<B>", "C"]), Markup)


def test_numbers_have_their_separators() -> None:
    """1,204 in English, 1.204 in German."""
    assert [Idiom(language=tag, timezone="UTC").number(1204) for tag in ("en", "de")] == ["1,204", "1.204"]


def test_months_are_named_in_each_language_even_in_one_process() -> None:
    """Babel's stand-alone names of months leak from one language into the next."""
    at = datetime(2025, 12, 1, tzinfo=UTC)
    said = [Idiom(language=language, timezone="UTC") for language in ("ja", "zh", "fr", "de", "en")]

    assert [one.month(at, alone=True) for one in said] == ["12月", "十二月", "décembre", "Dezember", "December"]
    assert [one.month(at) for one in said[::4]] == ["2025年12月", "December 2025"]


def test_a_language_is_called_what_its_speakers_call_it() -> None:
    """Whatever the site speaks; what is no language has no name."""
    assert [get_own_name(language) for language in ("ja", "pt-BR", "en")] == ["日本語", "português", "English"]
    assert not any(get_own_name(language) for language in ("", "und", "xx", "x-klingon"))
