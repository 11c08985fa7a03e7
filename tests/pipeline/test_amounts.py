"""Numbers in running text, where they stand and what they amount to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.pipeline.amounts import iter_figures


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("It raised $6.5 billion.", [("6500000000", "$6.5 billion")]),
        ("融资65亿美元", [("6500000000", "65亿美元")]),
        ("6,5 milliards d'euros", [("6500000000", "6,5 milliards")]),
        ("A laptop with 24 GB, a 70B model", [("24gb", "24 GB"), ("70000000000", "70B")]),
        ("前年比３０％増", [("30%", "３０％")]),
        ("mit 38 Prozent weniger Strom, 4 pour cent", [("38%", "38 Prozent"), ("4%", "4 pour cent")]),
        ("1.400 Wohnungen, 4,200 questions", [("1400", "1.400"), ("4200", "4,200")]),
        ("GPT-5.6 at 10:30 on 3 December 2025, v1.2.3, 2026-01-02, 12月31日", []),
        ("Room 7, three of 30 pages", []),
        ("48 hours", [("48", "48")]),
    ],
)
def test_figures_of_many_languages(text: str, figures: list[tuple[str, str]]) -> None:
    """Equal sums have equal keys; versions, dates, times and small counts are none."""
    assert [(figure.key, text[figure.start : figure.end]) for figure in iter_figures(text)] == figures


@given(st.text(max_size=200) | st.from_regex(r"[$0-9.,’ :/-]{0,120}[a-zA-Z%万億]{0,4}", fullmatch=True))
def test_no_text_breaks_it_and_every_figure_lies_within(text: str) -> None:
    """In order, without overlap, never empty."""
    end = 0
    for figure in iter_figures(text):
        assert end <= figure.start < figure.end <= len(text)
        end = figure.end
