"""Lines of text made harmless."""

import json
import time
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from aggregator.pipeline.words import clean_line, cut_text, header_text, title_key, xml_text

CASES = json.loads((Path(__file__).parent / "data" / "titles.json").read_text())
#: Any text at all, lone surrogates and markup included.
WILD = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("<>&;#\"'\u202e\ufffd\ud800\x00\u200d=?")), max_size=80
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_a_title_becomes_one_line_of_text(case: dict[str, str]) -> None:
    assert clean_line(case["raw"], 300) == case["line"]


@given(WILD, st.integers(0, 40))
def test_a_line_is_short_and_holds_no_character_that_harms(text: str, limit: int) -> None:
    line = clean_line(text, limit)

    assert len(line) <= limit
    assert line == line.strip() == xml_text(line)
    assert not set(line) & set("\n\r\t\x00\u202e\u2028\u2066\ufeff")


@given(st.text(alphabet="aé\u0301👩\u200d💻\ufe0f🏽", max_size=30), st.integers(1, 30))
def test_a_cut_never_parts_what_a_reader_sees_as_one_character(text: str, limit: int) -> None:
    cut = cut_text(text, limit)

    assert len(cut) <= limit
    if cut != text:
        assert cut.endswith("…")
        rest = text[len(cut) - 1 :]
        assert not rest or rest[0] not in "\u0301\u200d\ufe0f🏽" or cut == "…"


@given(WILD)
def test_text_for_xml_can_be_read_back(text: str) -> None:
    element = etree.Element("a")
    element.text = xml_text(text)

    assert etree.fromstring(etree.tostring(element)).text in (element.text, None) or "\r" in text


HEADERS = [
    "Breaking\r\nBcc: victim@example.org",
    "=?utf-8?q?a=0ABcc:_v=40x?=",
    "a\x00b\x08c",
    "a\u2028Bcc: v@x",
    "a\x85Bcc: v@x",
    "a\ud800b",
    "=\u200b?utf-8?q?a=0ABcc:_v=40x?=",
    "a\r\n\r\n<h1>body</h1>",
    "invoice\u202egnp.exe",
    "=?=?utf-8?q?=0A?=",
]


@pytest.mark.parametrize("title", HEADERS)
def test_a_title_as_subject_brings_no_other_header(title: str) -> None:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = header_text(title)
    mail.set_content("body")

    data = mail.as_bytes()

    head = data.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ")
    names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")}
    assert names == {b"subject", b"content-type", b"content-transfer-encoding", b"mime-version"}


@given(WILD)
def test_a_header_is_one_short_line_without_encoded_words(text: str) -> None:
    value = header_text(text)

    assert len(value) <= 200
    assert "=?" not in value
    assert value.isprintable() or not set(value) & set("\r\n\x00\u2028\u2029\x85")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anthropic raises $13B Series F", "Anthropic Raises $13B Series F!"),
        ("OpenAI launches GPT-5.1 for developers | TechCrunch", "OpenAI launches GPT-5.1 for developers"),
        ("Ｃｌａｕｄｅ Codeが日本で提供開始", "Claude Codeが日本で提供開始"),
        ("“Smart” quotes — and more here", '"Smart" quotes - and more here'),
        ("Google’s  new  chip", "google's new chip"),
    ],
)
def test_near_identical_titles_have_one_key(one: str, other: str) -> None:
    assert title_key(one) == title_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("GPT-5.1 is out", "GPT-5.2 is out"), ("OpenAI - GPT-5", "OpenAI - o3"), ("v1.2", "v1.3")]
)
def test_different_titles_have_different_keys(one: str, other: str) -> None:
    assert title_key(one) != title_key(other)


@given(st.text(max_size=60))
def test_the_key_of_a_key_is_itself(title: str) -> None:
    assert title_key(title_key(title)) == title_key(title)


@pytest.mark.parametrize("piece", ["<", "<a ", "&", "&#", "<b>", "<!--", "<a '", "\u0301"])
def test_a_line_of_a_megabyte_takes_no_time(piece: str) -> None:
    started = time.process_time()
    clean_line(piece * (1_000_000 // len(piece)), 300)

    assert time.process_time() - started < 1
