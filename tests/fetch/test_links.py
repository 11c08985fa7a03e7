"""Link headers (RFC 8288), good and hostile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from aggregator.fetch.links import find_hub_links

BASE = URL("https://a.example/feeds/one.xml")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ("", "")),
        (['<https://hub.example/>; rel="hub"'], ("https://hub.example/", "")),
        (
            ["<https://hub.example/>; rel=hub, <https://a.example/x>; rel=self"],
            ("https://hub.example/", "https://a.example/x"),
        ),
        (['</hub>; title="a, <b>"; rel="self hub"'], ("https://a.example/hub", "https://a.example/hub")),
        (["<one>; rel=hub", "<two>; rel=hub"], ("https://a.example/feeds/one", "")),
        (["<javascript:alert(1)>; rel=hub"], ("", "")),
        (["<file:///etc/passwd>; rel=self, <http://[>; rel=hub"], ("", "")),
        (["<x>; rev=hub", "x; rel=hub", "<y>; rel=hubris"], ("", "")),
    ],
)
def test_the_first_hub_and_self_count(values: list[str], expected: tuple[str, str]) -> None:
    assert find_hub_links(values, BASE) == expected


@given(st.lists(st.text(st.sampled_from('<>;,="rel hubself/:[]\\\\ \t'), max_size=200), max_size=5))
def test_no_header_breaks_it(values: list[str]) -> None:
    for found in find_hub_links(values, BASE):
        assert found == "" or found.startswith(("http://", "https://"))
