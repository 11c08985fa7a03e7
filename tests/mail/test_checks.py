"""An issue as it leaves, from the program's own templates, held against every rule that needs no network.

One small and one as large as may be, in English and in Japanese.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.header import decode_header
from email.message import MIMEPart
from pathlib import Path
from typing import Any

import pytest

from aggregator.errors import RecipientRefused, SenderRefused
from aggregator.mail.message import message_id
from aggregator.model.newsletter import MAX_MAIL_HTML_BYTES, TOKENS, RenderedIssue
from aggregator.model.subscriber import Message
from tests.mail.issues import mail_issue, render_full, render_sample, tell_stories
from tests.mail.mails import HEADERS, NOW, PREFERENCES, UNSUBSCRIBE, make_signer, prepare, receive

MAX_MAIL_BYTES = 150_000


def read_cases(name: str) -> list[dict[str, str]]:
    cases: list[dict[str, str]] = json.loads(Path(__file__).with_name("data").joinpath(name).read_text("utf-8"))
    return cases


@pytest.fixture(scope="module", params=["en", "ja", "en full", "ja full"])
def issue(request: pytest.FixtureRequest) -> tuple[str, RenderedIssue, Message]:
    """Language, what was rendered, and a mail of it."""
    language, _, full = request.param.partition(" ")
    rendered = render_full(language) if full else render_sample(language)
    return language, rendered, mail_issue(rendered, language)


@pytest.fixture
def mail(issue: tuple[str, RenderedIssue, Message]) -> Message:
    return issue[2]


def iter_parts(mail: Message) -> Iterator[tuple[MIMEPart, str]]:
    for part in receive(mail).iter_parts():
        yield part, part.get_content()


def test_headers_are_exactly_ours(mail: Message) -> None:
    """Each once, the signature first; nothing had to be guessed (`receive`), and none that only receivers may set."""
    assert receive(mail).keys() == ["DKIM-Signature", *HEADERS]


def test_header_lines_are_short_wherever_they_can_be_folded(mail: Message) -> None:
    """78 characters; longer is only what holds no blank."""
    for line in mail.data.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        words = line.split()
        assert len(line) <= 78 or len(words) == 1 or (len(words) == 2 and words[0].endswith(b":")), line
        assert line.strip(), "a line of blanks"


def test_lines_of_the_body_are_short(mail: Message) -> None:
    """76 characters, which RFC 2045 asks of both encodings."""
    assert max(map(len, mail.data.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76


def test_the_parts_are_text_then_html(issue: tuple[str, RenderedIssue, Message]) -> None:
    """UTF-8 both, and what was rendered, octet for octet, but for the reader's own links."""
    _, rendered, mail = issue
    (plain, text), (other, html) = iter_parts(mail)

    assert [plain.get_content_type(), other.get_content_type()] == ["text/plain", "text/html"]
    assert [plain.get_content_charset(), other.get_content_charset()] == ["utf-8", "utf-8"]
    for content, made in ((text, rendered.mail_text), (html, rendered.mail_html)):
        for token, link in zip(TOKENS, (UNSUBSCRIBE, PREFERENCES), strict=True):
            made = made.replace(token, link)
        assert content.replace("\r\n", "\n").rstrip("\n") == made.rstrip("\n")


def test_a_mail_is_never_too_large(issue: tuple[str, RenderedIssue, Message]) -> None:
    """90,000 bytes of HTML, 150 KB of mail; where it is full there is no room for four more stories."""
    _, rendered, mail = issue

    assert len(rendered.mail_html.encode()) <= MAX_MAIL_HTML_BYTES
    assert len(mail.data) <= MAX_MAIL_BYTES


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_full_issue_is_full(language: str) -> None:
    """Else the check of its size would check nothing."""
    assert len(mail_issue(render_full(language), language).data) > MAX_MAIL_BYTES * 0.6


def test_nothing_of_ours_is_left_over(mail: Message) -> None:
    """No token, no gap, no word of a template language."""
    assert b"@@" not in mail.data
    for _, content in iter_parts(mail):
        assert not re.search(r"@@|\{\{|\{%|<mj-|</mj-|%\(\w+\)s", content)


def test_both_parts_hold_the_readers_links_and_each_story(issue: tuple[str, RenderedIssue, Message]) -> None:
    """Whoever reads text only misses nothing, and can leave."""
    language, _, mail = issue
    for _, content in iter_parts(mail):
        assert UNSUBSCRIBE in content and PREFERENCES in content
        assert all(story.lead.url in content for story in tell_stories(language, 20))


def test_a_subject_in_japanese_is_cut_between_characters(issue: tuple[str, RenderedIssue, Message]) -> None:
    """Each encoded word is one by itself: at most 75 characters long, and UTF-8 without its neighbours."""
    _, rendered, mail = issue
    raw = str(message_from_bytes(mail.data, policy=policy.compat32)["Subject"])
    words = re.findall(r"=\?[^?]+\?[^?]\?[^?]*\?=", raw)

    assert bool(words) != rendered.subject.isascii()
    for word in words:
        ((octets, charset),) = decode_header(word)
        assert charset == "utf-8"
        assert octets.decode("utf-8")
        assert len(word) <= 75
    assert receive(mail)["Subject"] == rendered.subject


def test_the_message_id_is_derived() -> None:
    """The same for the same issue and reader, another for any other, and it says nothing of the address."""
    assert message_id("2026-W48", "q8Zk1-_x", "example.org") == "<2026-W48.q8Zk1-_x@example.org>"
    assert len({message_id(slug, one, "example.org") for slug in ("2026-W48", "2026-W49") for one in "abc"}) == 6


@pytest.mark.parametrize("case", read_cases("addresses.json"), ids=lambda case: ascii(case["address"]))
def test_each_address_is_written_right_or_refused_in_one_line(case: dict[str, str]) -> None:
    """In the envelope as in the header; a refusal names the address and what is wrong with it."""
    values: dict[str, Any] = {"message_id": "<a.b@c.example>", "unsubscribe_url": UNSUBSCRIBE, "date": NOW}
    if "refused" in case:
        with pytest.raises(RecipientRefused, match=case["refused"]) as caught:
            prepare().personalise(address=case["address"], **values)
        assert str(caught.value).isascii() and str(caught.value).isprintable()
        assert ascii(case["address"]) in str(caught.value)
    else:
        mail = prepare().personalise(address=case["address"], **values)
        assert mail.recipient == case["written"]
        assert [found.addr_spec for found in receive(mail)["To"].addresses] == [case["written"]]


@pytest.mark.parametrize("case", read_cases("names.json"), ids=lambda case: ascii(case["mailbox"]))
def test_each_sender_is_written_right_or_refused_in_one_line(case: dict[str, str]) -> None:
    """Quotes, commas and Japanese in a name make no second address."""
    if "refused" in case:
        with pytest.raises(SenderRefused, match=case["refused"]) as caught:
            prepare(sender=case["mailbox"])
        assert str(caught.value).isprintable()
    else:
        mail = prepare(sender=case["mailbox"], signer=make_signer()).personalise(
            address="a@b.example", message_id="<a.b@c.example>", unsubscribe_url=UNSUBSCRIBE, date=NOW
        )
        (found,) = receive(mail)["From"].addresses
        assert (found.display_name, found.addr_spec) == (case["name"], "news@news.example.org")
        assert mail.sender == "news@news.example.org"
