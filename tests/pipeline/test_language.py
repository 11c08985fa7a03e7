"""Language: the text decides where it is long enough, the feed's claim where it is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.pipeline.language import find_language

LONG = {
    "en": "The company said on Tuesday that it would open a second research office next spring.",
    "fr": "L'entreprise a annoncé mardi qu'elle ouvrirait un deuxième bureau de recherche au printemps.",
    "de": "Das Unternehmen teilte am Dienstag mit, dass es im Frühjahr ein zweites Büro eröffnen werde.",
    "es": "La empresa anunció el martes que abrirá una segunda oficina de investigación en primavera.",
    "pt": "A empresa anunciou na terça-feira que vai abrir um segundo escritório de pesquisa na primavera.",
    "it": "L'azienda ha annunciato martedì che aprirà un secondo ufficio di ricerca in primavera.",
    "ru": "Компания сообщила во вторник, что весной откроет второе исследовательское подразделение.",
    "ja": "同社は火曜日、来年の春に二つ目の研究拠点を開設すると発表した。",
    "zh": "该公司周二表示，将于明年春天开设第二个研究办公室，并招聘更多工程师和研究人员。",
    "ko": "회사는 화요일에 내년 봄 두 번째 연구소를 열 것이라고 발표했다.",
}


@pytest.mark.parametrize("language", LONG)
def test_a_sentence_tells_its_language_whatever_the_feed_claims(language: str) -> None:
    wrong = "de" if language != "de" else "en"
    for claimed in ("", language, wrong, "nonsense?"):
        assert find_language(LONG[language], claimed) == language


@pytest.mark.parametrize(
    ("text", "claimed", "expected"),
    [
        ("llm-gemini 0.32", "en", "en"),
        ("I/O 2026", "de-AT", "de-AT"),
        ("新製品発表", "ja", "ja"),
        ("", "fr", "fr"),
        ("1234 !!", "zh-Hant-TW", "zh-Hant-TW"),
        ("AI", "", "und"),
        ("", "", "und"),
        ("https://example.org/a-rather-long-address-with-english-words-in-it", "fr", "fr"),
    ],
)
def test_a_short_text_is_in_the_language_that_the_feed_claims(text: str, claimed: str, expected: str) -> None:
    assert find_language(text, claimed) == expected


def test_kana_and_hangul_tell_even_in_a_short_text_of_a_feed_in_another_language() -> None:
    assert find_language("新しいモデルが公開された", "en") == "ja"
    assert find_language("새로운 모델 공개", "en") == "ko"


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        ("en_us", "en-US"),
        ("EN-gb", "en-GB"),
        ("en-Latn-us", "en-Latn-US"),
        ("und", "en"),
        ("x", "en"),
        ("english language", "en"),
        ("e\0n", "en"),
    ],
)
def test_the_claims_region_is_kept_and_its_spelling_put_right(claimed: str, expected: str) -> None:
    assert find_language(LONG["en"], claimed) == expected


def test_a_claim_that_is_the_finer_word_for_what_was_found_is_kept() -> None:
    text = "Selskapet opplyste tirsdag at det vil åpne et nytt kontor for forskning til våren neste år."
    assert find_language(text, "nb-NO") == "nb-NO"


def test_a_language_that_the_detector_does_not_know_is_believed() -> None:
    text = "Dywedodd y cwmni ddydd Mawrth y bydd yn agor ail swyddfa ymchwil yn y gwanwyn nesaf."
    assert find_language(text, "cy") == "cy"


@pytest.mark.parametrize(
    "text", ["\0\x01\x02", "\ud800\udfff", "a" * 100_000, "word " * 100_000, "\u202e" * 500, "🙂" * 500]
)
def test_strange_texts_are_survived(text: str) -> None:
    assert find_language(text, "en")
    assert find_language(text, "")


@given(st.text(), st.text(max_size=60))
def test_the_answer_is_always_a_language_tag(text: str, claimed: str) -> None:
    primary = find_language(text, claimed).partition("-")[0]
    assert primary.isascii()
    assert primary.isalpha()
    assert 2 <= len(primary) <= 3


def test_many_threads_may_ask_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        for language, text in LONG.items():
            assert set(pool.map(lambda sentence: find_language(sentence, ""), [text] * 50)) == {language}
