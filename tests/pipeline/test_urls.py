"""Addresses: safe, absolute, and equal when they mean one page."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.pipeline.urls import MAX_URL_LENGTH, canonicalize_url, is_tracking_parameter, is_web_url
from aggregator.pipeline.urls import resolve_url as resolve

CASES = json.loads((Path(__file__).parent / "data" / "urls.json").read_text())

_PARTS = st.text(alphabet="ab/.%?&=#:@[]\\;+ é日\u202e\ud800\x00utm_source", max_size=30)
ADDRESSES = st.one_of(
    st.builds(
        "{}://{}{}".format,
        st.sampled_from(["http", "https", "HTTP"]),
        st.sampled_from(["www.e.org", "e.org:80"]),
        _PARTS,
    ),
    st.builds("https://{}".format, _PARTS),
    st.builds(
        "https://e.org/?{}".format,
        st.lists(
            st.sampled_from(["utm_source=a", "q=%82%a0", "%82=", "utm%5Fx", "a=b=c", "+utm_x=1", "", "=", "%26=%3d"])
        ).map("&".join),
    ),
    st.text(max_size=60),
)


@pytest.mark.parametrize(("base", "url", "expected"), CASES["resolve"])
def test_an_address_is_made_absolute_or_refused(base: str, url: str, expected: str) -> None:
    assert resolve(base, url) == expected


@pytest.mark.parametrize(("one", "other"), CASES["same_page"])
def test_addresses_of_one_page_are_equal(one: str, other: str) -> None:
    assert canonicalize_url(one) == canonicalize_url(other) != ""


@pytest.mark.parametrize(("one", "other"), CASES["other_page"])
def test_addresses_of_different_pages_differ(one: str, other: str) -> None:
    assert canonicalize_url(one) != canonicalize_url(other)


@pytest.mark.parametrize("url", ["", "mailto:a@b.org", "/x", "javascript:1", "https://u:p@e.org/", "http://["])
def test_what_is_no_web_address_has_no_canonical_form(url: str) -> None:
    assert canonicalize_url(url) == ""


@given(ADDRESSES)
def test_canonicalising_twice_changes_nothing(url: str) -> None:
    once = canonicalize_url(url)

    assert canonicalize_url(once) == once
    assert not once or is_web_url(once)


@given(st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=8))
def test_a_tracking_parameter_never_makes_two_queries_equal(one: bytes, other: bytes) -> None:
    """Whatever the encoding of the query."""
    keys = {canonicalize_url(f"https://e.org/?q={quote(value, safe='')}&utm_source=a") for value in (one, other)}

    assert len(keys) == len({one, other})


@given(ADDRESSES, ADDRESSES)
def test_resolving_never_raises_and_gives_only_safe_addresses(base: str, url: str) -> None:
    absolute = resolve(base, url)

    assert absolute == "" or (is_web_url(absolute) and len(absolute) <= MAX_URL_LENGTH)
    assert resolve("", absolute) == absolute


def test_an_address_that_grows_too_long_is_refused() -> None:
    assert resolve("", "https://e.org/" + "a" * MAX_URL_LENGTH) == ""
    assert resolve("", "https://e.org/" + " a" * 900) == ""


def test_tracking_parameters_are_known_by_name_and_by_beginning() -> None:
    assert all(is_tracking_parameter(name) for name in ("utm_source", "UTM_whatever", "fbclid", "mtm_kwd"))
    assert not any(is_tracking_parameter(name) for name in ("v", "id", "p", "page", "q", "t", "ref", "source", "from"))
