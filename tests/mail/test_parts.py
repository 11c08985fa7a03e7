"""Text encoded around gaps: filled in, it reads like text that was written whole."""

from __future__ import annotations

import re
from binascii import b2a_base64
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregator.mail.draft import Draft
from aggregator.mail.packed import pack, pack_text
from aggregator.mail.quoted import encode_inline, encode_text

PIECES = st.lists(st.text(st.sampled_from("ab =.\t\r\né日😀\x00-@"), max_size=120), min_size=1, max_size=4)
FILL = st.text(st.sampled_from("abc=/:."), min_size=1, max_size=300)


def decode(encoding: str, encoded: bytes) -> list[str]:
    """The lines that a receiver reads."""
    head = f'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    received = message_from_bytes(head.encode() + encoded, policy=policy.SMTP)
    content: str = received.get_content()
    assert received.defects == []
    return content.split("\r\n")


def write_whole(text: str, **values: str) -> list[str]:
    """The same lines, filled in before anything is encoded."""
    whole = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    for token, value in values.items():
        whole = whole.replace(f"@@{token}@@", value)
    return whole.split("\n")


@given(PIECES, FILL)
@example(["." * 200], "." * 200)
@example([".", "."], ".")
def test_quoted_with_a_gap_filled_in_reads_like_text_written_whole(pieces: list[str], fill: str) -> None:
    """On lines that SMTP takes: short, no dot in front, no blank at the end."""
    text = "@@T@@".join(pieces)
    parts = encode_text(text, ["@@T@@", "@@never@@"])
    encoded = b"".join(part if isinstance(part, bytes) else encode_inline(fill) for part in parts)

    assert decode("quoted-printable", encoded) == [*write_whole(text, T=fill), ""]
    assert max(len(line) for line in encoded.split(b"\r\n")) <= 76
    for line in encoded.split(b"\r\n"):
        assert not re.search(rb"\A\.|[ \t]\Z|[^\t -~]", line)


@given(PIECES, FILL, FILL, st.data())
@example(["", "", "", ""], "a", "ab", None)
@example(["日", "b", "", "é"], "a", "ab", None)
def test_packed_with_gaps_filled_in_reads_like_text_written_whole(
    pieces: list[str], one: str, two: str, data: st.DataObject | None
) -> None:
    """Wherever the tokens stand and however long each is: padding comes at the end and nowhere else."""
    tokens = data.draw(st.lists(st.sampled_from(["@@A@@", "@@B@@"]), min_size=3, max_size=3)) if data else ["@@A@@"] * 3
    text = pieces[0] + "".join(token + piece for token, piece in zip(tokens, pieces[1:], strict=False))
    values = {"@@A@@": one.encode(), "@@B@@": two.encode()}
    parts, fillings = pack_text(text, {token: len(value) for token, value in values.items()}, "gap")
    encoded = b"".join(
        part
        if isinstance(part, bytes)
        else pack(b"".join(piece if isinstance(piece, bytes) else values[piece] for piece in fillings[part]))
        for part in parts
    )

    assert decode("base64", encoded) == write_whole(text, A=one, B=two)
    assert all(re.fullmatch(rb"[A-Za-z0-9+/]{1,76}={0,2}", line) for line in encoded.split(b"\r\n")[:-1])
    assert b"=" not in encoded.rstrip(b"=\r\n")
    assert max(len(line) for line in encoded.split(b"\r\n")) <= 76


def test_a_layout_is_good_for_lengths_alike() -> None:
    """Three characters more change nothing about where base64 is cut."""
    assert pack_text("日@@A@@本", {"@@A@@": 1}, "gap") == pack_text("日@@A@@本", {"@@A@@": 4}, "gap")
    assert pack(b"abc" * 40).replace(b"\r\n", b"") == b2a_base64(b"abc" * 40, newline=False)


@pytest.mark.parametrize(
    ("content", "encoding"), [("plain words " * 50, "quoted-printable"), ("日本語" * 50, "base64")]
)
def test_each_part_has_the_smaller_encoding(content: str, encoding: str) -> None:
    """English stays readable in the raw mail; Japanese costs four thirds of what it is, not three times."""
    draft = Draft(text=content, html="<p>x</p>", seed="")
    draft.add_mime()
    data = draft.lay_out({}, None).write({}, {}, seconds=0)
    plain, html = message_from_bytes(data, policy=policy.SMTP).iter_parts()

    assert plain["Content-Transfer-Encoding"] == encoding
    assert html["Content-Transfer-Encoding"] == "quoted-printable"
    assert plain.get_content() == content.rstrip("\n")
