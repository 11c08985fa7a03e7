"""Which encoding a document is really in."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.pipeline.parse.charset import decode_document

JA = "生成AIの新モデルが公開、推論コストは半分に"
RU = "Нейросети научились переводить"
DE = "Künstliche Intelligenz für Ärzte"


def document(title: str, encoding: str, declared: str = "") -> bytes:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    return f"{declaration}<rss><title>{title}</title></rss>".encode(encoding)


@pytest.mark.parametrize(
    ("title", "encoding", "declared", "content_type"),
    [
        (JA, "utf-8", "", ""),
        (JA, "shift_jis", "Shift_JIS", ""),
        (JA, "euc_jp", "EUC-JP", ""),
        (JA, "iso2022_jp", "ISO-2022-JP", ""),
        (JA, "gb18030", "GB2312", ""),
        (JA, "utf-8", "Shift_JIS", ""),
        (JA, "utf-8", "iso-8859-1", "text/xml; charset=us-ascii"),
        (JA, "shift_jis", "UTF-8", ""),
        (JA, "shift_jis", "", ""),
        (JA, "euc_jp", "", "text/xml; charset=euc-jp"),
        (JA, "utf-16-le", "UTF-16", ""),
        (JA, "utf-16-be", "UTF-16", ""),
        (JA, "utf-16", "UTF-8", ""),
        (JA, "utf-32", "", ""),
        (JA, "utf-32-be", "", ""),
        (RU, "cp1251", "windows-1251", ""),
        (RU, "koi8-r", "", 'text/xml; charset="koi8-r"'),
        (DE, "latin-1", "iso-8859-1", ""),
        (DE, "latin-1", "", ""),
        (DE, "latin-1", "utf-8", ""),
        ("“Smart” — €…", "cp1252", "ISO-8859-1", ""),
        ("“Smart” — €…", "cp1252", "us-ascii", ""),
    ],
)
def test_text_is_read_whatever_is_claimed(title: str, encoding: str, declared: str, content_type: str) -> None:
    assert title in decode_document(document(title, encoding, declared), content_type).text


def test_marks_at_the_beginning_are_dropped_even_two_of_them() -> None:
    body = codecs.BOM_UTF8 * 2 + document(JA, "utf-8", "UTF-8")

    assert decode_document(body, "").text.startswith("<?xml")


def test_a_cut_character_costs_one_character_and_is_told() -> None:
    body = document(JA, "utf-8", "utf-8")
    found = decode_document(body[: body.index("半".encode()) + 1], "")

    assert "推論コストは\ufffd" in found.text
    assert found.warnings == ("not all bytes are utf-8: 1 were replaced",)


@pytest.mark.parametrize(
    "charset", ["utf-7", "punycode", "undefined", "unicode_escape", "zlib_codec", "hex", "idna", "a\0b", "é"]
)
def test_a_codec_off_the_list_is_never_asked(charset: str) -> None:
    body = f'<?xml version="1.0" encoding="{charset}"?><a>+ADw-script+AD4-</a>'.encode()

    assert "+ADw-script+AD4-" in decode_document(body, f"text/xml; charset={charset}").text


@given(st.binary(max_size=100), st.text(max_size=40))
def test_no_bytes_and_no_header_raise(body: bytes, content_type: str) -> None:
    assert isinstance(decode_document(body, content_type).text, str)
