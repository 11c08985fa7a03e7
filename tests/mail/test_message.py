"""The mail of an issue as a receiver reads it: our headers and no others, two parts, one unsubscribe address each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import SenderRefused
from aggregator.mail.message import get_sender_domain, message_id
from aggregator.model.newsletter import UNSUBSCRIBE_TOKEN
from aggregator.pipeline.words import header_text
from tests.mail.mails import HEADERS, HTML, NOW, TEXT, UNSUBSCRIBE, personalise, prepare, read_lines, receive, show

#: Titles that tried to be more than a title (header injection), CVE-2024-6923 among them.
_TITLES: dict[str, list[str]] = json.loads(
    Path(__file__).with_name("data").joinpath("hostile_titles.json").read_text("ascii")
)
REFUSED_TITLES = _TITLES["refused as they are"]
HOSTILE_TITLES = REFUSED_TITLES + _TITLES["harmless as they are"]


def test_headers_are_ours_and_in_order() -> None:
    """Each header once, with the value that the page on mail asks for."""
    received = receive(personalise(prepare()))

    assert received.keys() == HEADERS
    assert received["From"].addresses[0].addr_spec == "news@news.example.org"
    assert received["From"].addresses[0].display_name == "AI Weekly"
    assert received["Reply-To"].addresses[0].addr_spec == "desk@example.org"
    assert [address.addr_spec for address in received["To"].addresses] == ["reader@example.net"]
    assert received["Subject"] == "Three labs, one week"
    assert received["Date"].datetime == NOW
    assert received["Message-ID"] == "<2026-W48.abc@news.example.org>"
    assert received["List-Id"] == "AI Weekly <ai-weekly.news.example.org>"
    for name, value in {
        "MIME-Version": "1.0",
        "List-Unsubscribe": f"<{UNSUBSCRIBE}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Archive": "<https://news.example.org/issues/ai-weekly/>",
        "List-Help": "<https://news.example.org/privacy>",
        "List-Owner": "<mailto:desk@example.org>",
        "List-Subscribe": "<https://news.example.org/subscribe/ai-weekly>",
        "List-Post": "NO",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
        "Precedence": "bulk",
    }.items():
        assert received[name] == value
    assert re.fullmatch(r"2026-W48:ai-weekly:digest:[0-9a-f]{5,15}", received["Feedback-ID"])


def test_text_comes_first_then_html_both_whole() -> None:
    """multipart/alternative: plain, then HTML, UTF-8, each with the personal address wherever the token stood."""
    received = receive(personalise(prepare()))
    plain, html = received.iter_parts()

    assert received.get_content_type() == "multipart/alternative"
    assert [plain.get_content_type(), html.get_content_type()] == ["text/plain", "text/html"]
    assert [plain.get_content_charset(), html.get_content_charset()] == ["utf-8", "utf-8"]
    assert read_lines(plain) == TEXT.replace(UNSUBSCRIBE_TOKEN, UNSUBSCRIBE).rstrip("\n").split("\n")
    assert read_lines(html) == HTML.replace(UNSUBSCRIBE_TOKEN, UNSUBSCRIBE).rstrip("\n").split("\n")


def test_lines_of_the_body_are_short() -> None:
    """No line of the parts is over 76 characters, a spliced address included."""
    body = personalise(prepare()).data.split(b"\r\n\r\n", 1)[1]

    assert max(len(line) for line in body.split(b"\r\n")) <= 76


def test_subscribers_differ_in_nothing_but_what_is_theirs() -> None:
    """Take away To, Message-ID and the address to unsubscribe, and two mails are one."""
    prepared = prepare()
    one = show(personalise(prepared, "one@example.net", "one"))
    two = show(
        prepared.personalise(
            address="two@example.net",
            message_id="<2026-W48.two@news.example.org>",
            unsubscribe_url=UNSUBSCRIBE.replace("k" * 22, "t" * 22),
            date=NOW,
        )
    )

    assert one != two
    assert two.replace("two", "one").replace("t" * 22, "k" * 22) == one


def test_the_same_twice_is_the_same_bytes() -> None:
    """A repeated mail can be told as one: nothing random is in it."""
    assert personalise(prepare()) == personalise(prepare())


def test_no_token_and_no_gap_is_left() -> None:
    """What is sent holds no placeholder."""
    assert b"@@" not in personalise(prepare()).data


@pytest.mark.parametrize("title", REFUSED_TITLES, ids=ascii)
def test_a_hostile_title_is_refused(title: str) -> None:
    """Alone, the mail room takes no title that could become a header; the error is one printable line."""
    with pytest.raises(SenderRefused, match="Subject holds") as caught:
        prepare(subject=title)

    assert str(caught.value).isprintable()


@pytest.mark.parametrize("title", HOSTILE_TITLES, ids=ascii)
def test_a_hostile_title_made_harmless_is_only_a_title(title: str) -> None:
    """Through header_text, as the composer sends it, a receiver sees exactly our headers and that title."""
    harmless = header_text(title)
    received = receive(personalise(prepare(subject=harmless)))

    assert received.keys() == HEADERS
    assert received["Subject"] == harmless


@given(st.text(max_size=250))
def test_any_title_made_harmless_arrives(title: str) -> None:
    """Whatever feeds write: no header is added, and the words arrive."""
    harmless = header_text(title)
    received = receive(personalise(prepare(subject=harmless)))

    assert received.keys() == HEADERS
    # Python's reader drops spaces around what it decoded; other letters must all be there.
    assert "".join(received["Subject"].split()) == "".join(harmless.split())


@pytest.mark.parametrize(
    "title",
    [
        "AIの今週: " + "三つの研究所と一週間" * 5,
        "x" * 150,
        "a " * 90 + "b",
        "naïve " * 30,
        "👩\u200d🚀 " * 20,
        "100% = a_b?c",
    ],
)
def test_long_and_foreign_titles_are_folded(title: str) -> None:
    """Headers are folded at 78 characters where words allow it, and decode to what was written."""
    data = personalise(prepare(subject=title)).data
    lines = data.split(b"\r\n\r\n", 1)[0].split(b"\r\n")

    assert receive(personalise(prepare(subject=title)))["Subject"] == title.strip()
    assert all(len(line) <= 78 for line in lines if not line.startswith(b"List-Unsubscribe:"))


@pytest.mark.parametrize("name", ["AI ウィークリー", 'The "AI" Weekly, Inc.', "a@b", "O'Brien \\ Sons", "週刊" * 30])
def test_names_are_quoted_or_encoded(name: str) -> None:
    """Commas, quotes and Japanese in names of lists and senders make no second address."""
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    received = receive(personalise(prepare(sender=f"{quoted} <news@news.example.org>", list_title=name)))

    (sender,) = received["From"].addresses
    # Python's reader leaves a space between two encoded words of a name; RFC 2047 6.2 wants none.
    assert sender.display_name.replace(" ", "") == name.replace(" ", "")
    assert sender.addr_spec == "news@news.example.org"
    assert str(received["List-Id"]).endswith("<ai-weekly.news.example.org>")


@pytest.mark.parametrize("sender", ["nobody", "a@b.example, c@d.example", "A <a@b.example>\r\nBcc: c@d.example", ""])
def test_a_sender_that_is_no_address_is_named(sender: str) -> None:
    """The editor's own mistake: one line that says which setting."""
    with pytest.raises(SenderRefused, match="From"):
        prepare(sender=sender)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", 'https://a.example/"onclick=', "https://a.example/ b", "https://a/\r\nX: y", "/u/x"]
)
def test_an_unsubscribe_address_is_plain(url: str) -> None:
    """It goes into a header, into HTML and into text as it is."""
    with pytest.raises(ValueError, match="web address"):
        prepare().personalise(address="a@b.example", message_id="<a.b@c.example>", unsubscribe_url=url, date=NOW)


def test_message_ids_are_made_of_safe_words() -> None:
    """Derived, and never a way to write another header."""
    assert message_id("2026-11-24T08", "a-B_9", "example.org") == "<2026-11-24T08.a-B_9@example.org>"
    with pytest.raises(ValueError, match="Message-ID"):
        message_id("2026-W48", "a>\r\nBcc: x", "example.org")


def test_the_sender_names_the_domain() -> None:
    """What Message-IDs end in."""
    assert get_sender_domain("AI Weekly <news@news.example.org>") == "news.example.org"
    assert get_sender_domain("news@example.org") == "example.org"
