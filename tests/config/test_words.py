"""Values with a grammar: durations, addresses, languages. The messages themselves are in `bad/`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.config.kinds import Unfit
from aggregator.config.words import (
    CONTACT,
    DATABASE,
    LANGUAGE,
    MAILBOX,
    NETWORK,
    SCHEDULE,
    SITE_URL,
    URL,
    format_duration,
    hide_credentials,
    parse_duration,
    split_listen,
)


@given(st.integers(1, 3_660 * 86_400))
def test_a_duration_reads_back_as_it_was_written(seconds: int) -> None:
    """Whatever the unit that `format_duration` chose."""
    value = timedelta(seconds=seconds)

    assert parse_duration(format_duration(value)) == value


@given(st.integers(1, 10_000), st.sampled_from("smhd"))
def test_a_duration_is_a_number_and_a_unit(count: int, unit: str) -> None:
    """The unit says how many seconds one is."""
    seconds = count * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    if seconds <= 3_660 * 86_400:
        assert parse_duration(f"{count}{unit}").total_seconds() == seconds


@given(st.text(max_size=12))
def test_any_other_text_is_no_duration(text: str) -> None:
    """Never another error than `Unfit`, never a guess."""
    try:
        value = parse_duration(text)
    except Unfit:
        return

    assert text[:-1].isascii() and text[:-1].isdigit() and text[-1] in "smhd" and value > timedelta(0)


@pytest.mark.parametrize("text", ["1 h", "1H", "h", "-1h", "1.5h", "1h30m", "٣d", "01h", "", "1h\n", "1000000000s"])
def test_near_misses_are_no_durations(text: str) -> None:
    """What other programs take, or what slips through a careless pattern."""
    with pytest.raises(Unfit):
        parse_duration(text)


@given(st.text(max_size=40))
def test_no_text_breaks_a_kind(text: str) -> None:
    """Every kind answers with a value or with `Unfit`, whatever an editor types."""
    for kind in (URL, SITE_URL, CONTACT, MAILBOX, LANGUAGE, NETWORK, DATABASE, SCHEDULE):
        try:
            kind.read(text)
        except Unfit:
            continue


@pytest.mark.parametrize(
    ("written", "meant"),
    [("en", "en"), ("EN-us", "en-US"), ("zh-hans", "zh-Hans"), ("zh-HANT-tw", "zh-Hant-TW"), ("es-419", "es-419")],
)
def test_languages_get_their_usual_case(written: str, meant: str) -> None:
    """RFC 5646 2.1.1."""
    assert LANGUAGE.read(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("news@example.org", "news@example.org"),
        ("AI Weekly <news@EXAMPLE.org>", "AI Weekly <news@example.org>"),
        ('"Weekly, AI" <news@example.org>', '"Weekly, AI" <news@example.org>'),
        ("週刊 <news@example.org>", "週刊 <news@example.org>"),
        ('"週刊, AI" <news@example.org>', '"週刊, AI" <news@example.org>'),
        ("N <news@münchen.example>", "N <news@xn--mnchen-3ya.example>"),
    ],
)
def test_senders_keep_their_name(written: str, meant: str) -> None:
    """And the address becomes one that any server takes."""
    try:
        assert MAILBOX.read(written) == meant
    except Unfit as error:  # pragma: no cover
        pytest.fail(f"{written}: {error}")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:8000", "127.0.0.1", 8000), ("[::1]:80", "::1", 80), ("localhost:0", "localhost", 0)],
)
def test_listening_addresses_have_a_host_and_a_port(text: str, host: str, port: int) -> None:
    """IPv6 in brackets; port 0 lets the system choose."""
    assert split_listen(text) == (host, port)


@pytest.mark.parametrize("text", ["8000", ":8000", "::1:8000", "host:", "host:99999", "[::1]", "a b:1", "host:８０"])
def test_other_things_are_no_listening_addresses(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(Unfit):
        split_listen(text)


def test_credentials_are_hidden_wherever_they_stand() -> None:
    """An at-sign in a password, or in a path."""
    assert hide_credentials("https://me:a@b@c.example/x") == "https://***@c.example/x"
    assert hide_credentials("https://c.example/@me") == "https://c.example/@me"
