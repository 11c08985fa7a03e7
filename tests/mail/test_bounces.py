"""Returned mails, one file each with what it means beside it; forged ones; and whatever bytes somebody may send."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.mail.addresses import delivery_address, letter_address, unsubscribe_address
from aggregator.mail.bounces import read_bounce
from aggregator.mail.bounces_codes import judge
from aggregator.mail.bounces_mime import MAX_BYTES, open_mail

KEY = b"k" * 32
BASE = "b@bounce.example.org"
DELIVERY, LETTER, SUBSCRIPTION = 4711, 12, 99
SAMPLES = sorted((Path(__file__).parent / "data" / "bounces").glob("*.eml"))
#: What stands for an address of ours in the samples.
_PLACES = {
    b"{d}": delivery_address(KEY, BASE, DELIVERY),
    b"{D}": delivery_address(KEY, BASE, DELIVERY).upper(),
    b"{l}": letter_address(KEY, BASE, LETTER),
    b"{u}": unsubscribe_address(KEY, BASE, SUBSCRIPTION),
    b"{forged}": delivery_address(b"another key", BASE, DELIVERY),
    b"{forged_u}": unsubscribe_address(b"another key", BASE, SUBSCRIPTION),
}
_IDS = {"delivery": DELIVERY, "letter": LETTER, "subscription": SUBSCRIPTION, "": 0}


def load(path: Path) -> bytes:
    raw = path.read_bytes()
    for place, address in _PLACES.items():
        raw = raw.replace(place, address.encode("ascii"))
    return raw


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples(path: Path) -> None:
    """Adding a case needs two files and no code: the mail, and what it means."""
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))

    found = read_bounce(load(path), KEY)

    assert {name: getattr(found, name) for name in ("kind", "about", "status", "code")} == {
        name: value for name, value in expected.items() if name != "diagnostic"
    }, found
    assert found.about_id == _IDS[found.about]
    assert expected.get("diagnostic", "") in found.diagnostic
    assert len(found.diagnostic) <= 300
    assert found.diagnostic.isprintable()


def test_every_sample_says_what_it_means() -> None:
    folder = SAMPLES[0].parent

    assert {path.stem for path in folder.glob("*.json")} == {path.stem for path in SAMPLES}
    assert len(SAMPLES) >= 80


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_without_our_proof_nothing_follows(path: Path) -> None:
    """Whatever a mail claims: with another key nobody's subscription is in danger."""
    found = read_bounce(load(path), b"x" * 32)

    assert found.kind in ("other", "reply")
    assert (found.about, found.about_id) == ("", 0)


@given(st.binary(max_size=4_000))
def test_any_bytes_are_read(raw: bytes) -> None:
    found = read_bounce(raw, KEY)

    assert found.kind in ("other", "reply", "hard", "soft", "policy")
    assert found.about == ""


@given(st.data())
def test_damaged_mails_are_read(data: st.DataObject) -> None:
    """Bytes cut out, doubled, turned into others; a proof is either whole or gone."""
    raw = bytearray(load(data.draw(st.sampled_from(SAMPLES))))
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(raw)))
        end = min(len(raw), start + data.draw(st.integers(0, 60)))
        raw[start:end] = data.draw(
            st.one_of(
                st.binary(max_size=12),
                st.just(bytes(raw[start:end]) * 3),
                st.sampled_from(
                    (
                        b"\0",
                        b"\r\n\r\n",
                        b"Content-Type: multipart/mixed; boundary=\xff\r\n\r\n--\xff",
                        b"Content-Transfer-Encoding: base64\r\n",
                        b"Content-Type: text/plain; charset=hex_codec\r\n",
                        b"=?utf-8?b?=ff?=",
                        b'Content-Type: message/delivery-status; name*0*="\r\n',
                    )
                ),
            )
        )

    found = read_bounce(bytes(raw), KEY)

    assert found.about_id in (0, DELIVERY, LETTER, SUBSCRIPTION)
    assert found.about or found.kind in ("other", "reply")


def _nest(count: int, kind: bytes) -> bytes:
    if kind == b"message":
        return b"Content-Type: message/rfc822\n\n" * count
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(count))


BOMBS = {
    "long": b"a" * 20 * MAX_BYTES,
    "lines": b"\n" * 20 * MAX_BYTES,
    "headers": b"A: b\n" * MAX_BYTES,
    "folds": b"Subject: a\n" + b" b\n" * MAX_BYTES,
    "parameters": b"Content-Type: multipart/mixed; " + b'a=";"; ' * MAX_BYTES,
    "parameters folded": b"Content-Type: multipart/mixed;\n" + (b" " + b'a=";"; ' * 140 + b"\n") * 2_000,
    "parts": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n\n" * MAX_BYTES,
    "empty parts": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n" * MAX_BYTES,
    "nested parts": _nest(20_000, b"multipart"),
    "nested mails": _nest(20_000, b"message"),
    "fields": b"Content-Type: message/delivery-status\n\n" + b"Action: failed\n\n" * MAX_BYTES,
    "words": b"Subject: " + b"=?utf-8?b?aaaa?= " * MAX_BYTES,
    "tags": b"From: mailer-daemon@a\nContent-Type: text/html\n\n" + b"<a " * MAX_BYTES,
    "addresses": b"From: mailer-daemon@a\n\n" + b"b+d1-aaaaaaaaaaaaaaaa@a " * MAX_BYTES,
    "almost addresses": b"From: mailer-daemon@a\n\n" + b"a.b-c_d" * MAX_BYTES,
    "almost bounces": b"From: mailer-daemon@a\n\n" + b"the following addresses had\n" + b"a" * 190 + b"\n" * MAX_BYTES,
    "almost words": b"From: mailer-daemon@a\n\n" + b"user account address mailbox " * MAX_BYTES,
    "numbers": b"From: mailer-daemon@a\n\n" + b"5.5.5.5.5.5" * MAX_BYTES,
    "nothing": b"",
    "nul": b"\0" * MAX_BYTES,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_cost_little(name: str) -> None:
    """In memory, and in how much of a mail is taken apart."""
    tracemalloc.start()
    try:
        found = read_bounce(BOMBS[name], KEY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    parts = list(open_mail(BOMBS[name]).walk())

    assert (found.about, found.about_id) == ("", 0)
    assert peak < 16 * 1024 * 1024
    assert len(parts) <= 2_500
    assert len(parts[0].keys()) <= 1_000
    assert max(len(value) for part in parts for _, value in [("", ""), *part.raw_items()]) <= 50_000
    assert sum(len(str(part.get_payload())) for part in parts if not part.is_multipart()) <= MAX_BYTES


@pytest.mark.parametrize(
    ("status", "code", "words", "verdict"),
    [
        ("5.1.1", 550, "", "hard"),
        ("", 550, "no such user here", "hard"),
        ("", 550, "", "soft"),
        ("", 0, "", "soft"),
        ("", 450, "no such user here", "soft"),
        ("4.7.1", 550, "spam", "soft"),
        ("5.7.1", 550, "no such user here", "policy"),
        ("5.7.509", 550, "", "policy"),
        ("5.3.2", 550, "system not accepting network messages", "soft"),
        ("5.6.7", 550, "", "soft"),
        ("5.9.9", 550, "user unknown", "soft"),
        ("", 554, "rejected for policy reasons", "policy"),
        ("", 550, "Your message was blocked by our content filter", "policy"),
    ],
)
def test_codes_before_words(status: str, code: int, words: str, verdict: str) -> None:
    assert judge(status, code, words) == verdict
