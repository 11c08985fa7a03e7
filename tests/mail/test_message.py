"""The mail of an issue as a receiver reads it: our headers and no others, two parts, one unsubscribe address each."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import RecipientRefused, SenderRefused
from aggregator.mail.message import PreparedMessage, get_sender_domain, message_id, prepare_message
from aggregator.mail.quoted import encode_inline, encode_text
from aggregator.model.newsletter import UNSUBSCRIBE_TOKEN
from aggregator.model.subscriber import Message
from aggregator.pipeline.words import header_text

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
UNSUBSCRIBE = "https://news.example.org/unsubscribe/" + "k" * 22 + "." + "s" * 43
HEADERS = [
    "From", "Reply-To", "To", "Subject", "Date", "Message-ID",
    "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Post", "List-Owner", "List-Archive",
    "Auto-Submitted", "Precedence", "X-Auto-Response-Suppress", "Feedback-ID",
    "MIME-Version", "Content-Type",
]  # fmt: skip
HTML = f"""<!doctype html>
<html lang="ja"><body><p>AIの今週 – naïve = 100%</p>
<p><a href="{UNSUBSCRIBE_TOKEN}">配信停止</a> {"とても長い行" * 60}</p>
.<a href="{UNSUBSCRIBE_TOKEN}">x</a>
</body></html>
"""
TEXT = f"AIの今週\n\n.dot\n\nUnsubscribe: {UNSUBSCRIBE_TOKEN}\n{UNSUBSCRIBE_TOKEN}\nbye \n"

#: Titles that tried to be more than a title (threats.md T11); the third is CVE-2024-6923.
HOSTILE_TITLES = [
    "News\r\nBcc: victim@example.com",
    "News\nBcc: victim@example.com",
    "=?utf-8?q?a=0ABcc:_v=40example.com?=",
    "=?utf-8?b?YQpCY2M6IHZAZXhhbXBsZS5jb20=?=",
    "News\r\n\r\n<h1>another body</h1>",
    "News\rX-Evil: 1",
    "News\x0bX-Evil: 1",
    "News\u2028Bcc: victim@example.com",
    "News\x85Bcc: victim@example.com",
    "null\x00byte and back\x08space",
    "turned \u202eround\u202c",
    "half a character \ud83d",
]


def prepare(**changes: Any) -> PreparedMessage:
    given: dict[str, Any] = {
        "newsletter": "ai-weekly",
        "issue_slug": "2026-W48",
        "subject": "Three labs, one week",
        "html": HTML,
        "text": TEXT,
        "sender": "AI Weekly <news@news.example.org>",
        "reply_to": "Newsroom <desk@example.org>",
        "list_title": "AI Weekly",
        "list_id_domain": "news.example.org",
        "archive_url": "https://news.example.org/issues/",
    }
    return prepare_message(**(given | changes))


def personalise(prepared: PreparedMessage, address: str = "reader@example.net", public_id: str = "abc") -> Message:
    return prepared.personalise(
        address=address,
        message_id=message_id("2026-W48", public_id, "news.example.org"),
        unsubscribe_url=UNSUBSCRIBE,
        date=NOW,
    )


def receive(message: Message) -> EmailMessage:
    """Read the mail as a receiver does, and insist that nothing in it had to be guessed."""
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|[^\x00-\x7f]", message.data)
    assert all(len(line) <= 998 for line in message.data.split(b"\r\n"))
    received = message_from_bytes(message.data, policy=policy.SMTP)
    for part in received.walk():
        assert part.defects == []
        assert [defect for value in part.values() for defect in value.defects] == []
    return received


def read_lines(part: MIMEPart) -> list[str]:
    """The text of a part, which ends its lines with CRLF."""
    content: str = part.get_content()
    return content.split("\r\n")


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
    assert received["List-Unsubscribe"] == f"<{UNSUBSCRIBE}>"
    assert received["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert received["List-Archive"] == "<https://news.example.org/issues/>"
    assert received["Auto-Submitted"] == "auto-generated"
    assert received["Precedence"] == "bulk"
    assert received["Feedback-ID"] == "2026-W48:ai-weekly:digest:news.example.org"


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
    one = personalise(prepared, "one@example.net", "one").data
    two = prepared.personalise(
        address="two@example.net",
        message_id="<2026-W48.two@news.example.org>",
        unsubscribe_url=UNSUBSCRIBE.replace("k", "t"),
        date=NOW,
    ).data

    assert one != two
    assert two.replace(b"two", b"one").replace(b"t" * 22, b"k" * 22) == one


def test_the_same_twice_is_the_same_bytes() -> None:
    """A repeated mail can be told as one: nothing random is in it."""
    assert personalise(prepare()) == personalise(prepare())


def test_no_token_and_no_gap_is_left() -> None:
    """What is sent holds no placeholder."""
    assert b"@@" not in personalise(prepare()).data


@pytest.mark.parametrize("title", HOSTILE_TITLES, ids=ascii)
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
    "address",
    ["a@b.example,c@d.example", "a@b.example\r\nBcc: c@d.example", "no-at-sign", "@b.example", "a@", "ü@example.net",
     "A <a@b.example>", "a b@c.example", "", "a@b.example\x00"],
    ids=ascii,
)  # fmt: skip
def test_an_address_that_is_not_one_is_refused(address: str) -> None:
    """One bad address is that recipient's matter; the others go on."""
    with pytest.raises(RecipientRefused):
        personalise(prepare(), address)


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("reader+ai@example.net", "reader+ai@example.net"),
        ("o'brien@example.net", "o'brien@example.net"),
        ('"a@b"@example.net', '"a@b"@example.net'),
        ("leser@müller.example", "leser@xn--mller-kva.example"),
    ],
)
def test_odd_addresses_that_are_one_go_out(address: str, written: str) -> None:
    """Quoted local parts and international domains are one recipient each."""
    message = personalise(prepare(), address)

    assert message.recipient == written
    assert [a.addr_spec for a in receive(message)["To"].addresses] == [written]


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


PIECES = st.lists(st.text(st.sampled_from("ab =.\t\r\né日😀\x00-@"), max_size=120), min_size=1, max_size=4)


@given(PIECES, st.text(st.sampled_from("abc=/:."), min_size=1, max_size=300))
def test_a_gap_filled_in_reads_like_text_written_whole(pieces: list[str], fill: str) -> None:
    """Encoding around a gap and filling it gives the same text as filling first; no line is over 76."""
    text = "@@T@@".join(pieces)
    encoded = encode_inline(fill).join(encode_text(text, "@@T@@"))
    received = message_from_bytes(
        b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n' + encoded,
        policy=policy.SMTP,
    )
    written = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").replace("@@T@@", fill)

    assert read_lines(received) == [*written.split("\n"), ""]
    assert max(len(line) for line in encoded.split(b"\r\n")) <= 76
    assert b"\n" not in encoded.replace(b"\r\n", b"")
