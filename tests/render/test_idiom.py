"""Dates, numbers and languages in the reader's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aggregator.render.idiom import Idiom

AT = datetime(2025, 12, 4, 20, 39, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "day", "weekday"),
    [
        ("en", "5 December", "Friday 5 December"),
        ("en-US", "December 5", "Friday December 5"),
        ("ja", "12月5日", "12月5日(金曜日)"),
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


def test_numbers_have_their_separators() -> None:
    """1,204 in English, 1.204 in German."""
    assert [Idiom(language=tag, timezone="UTC").number(1204) for tag in ("en", "de")] == ["1,204", "1.204"]
