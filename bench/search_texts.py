"""Texts to be searched: English, Japanese and Chinese words by Zipf's law, the same at every run. Not a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
_HIRAGANA = "のにはをたがでてとしれさあいるもなかこまうそりよ"
_KATAKANA = "アイウエオカキクケコサシスセタチテトナニネノハヒフヘホマミムメモラリルレロンー"
#: Common words stand first.
_NAMES = ("openai", "anthropic", "google", "gpt-4.1", "llama 3", "claude 3.5", "c++", "qwen2.5", "h100", "o3")


@dataclass(frozen=True, slots=True)
class Written:
    """What of an entry is searched."""

    title: str
    text: str
    language: str


class Writer:
    """Writes entries: 60 of 100 are English, 25 Japanese, 15 Chinese; lengths are log-normal.

    Medians: 150 English words (900 characters), 400 Japanese or Chinese characters. A tenth has a title only.
    """

    def __init__(self, seed: int = 12) -> None:
        self._random = Random(seed)
        self.english = self._make_english(60_000)
        self.japanese = self._make_japanese(30_000)
        self.chinese = self._make_chinese(30_000)
        self._weights = {
            len(words): list(accumulate(1 / place for place in range(2, len(words) + 2)))
            for words in (self.english, self.japanese, self.chinese)
        }

    def write(self) -> Written:
        drawn = self._random.random()
        if drawn < 0.6:
            return self._compose(self.english, "en", " ", ". ", 150, 8)
        return self._compose(*((self.japanese, "ja") if drawn < 0.85 else (self.chinese, "zh")), "", "。", 190, 7)

    def _compose(self, words: Sequence[str], language: str, join: str, stop: str, median: int, titled: int) -> Written:
        count = 0 if self._random.random() < 0.1 else max(15, int(self._random.lognormvariate(0, 0.9) * median))
        drawn = self._random.choices(words, cum_weights=self._weights[len(words)], k=min(count, 900) + titled)
        sentences = (join.join(drawn[start : start + 14]) for start in range(titled, len(drawn), 14))
        return Written(join.join(drawn[:titled]), stop.join(sentences), language)

    def _make_english(self, count: int) -> list[str]:
        weights = list(accumulate(range(len(_LETTERS), 0, -1)))
        made = dict.fromkeys(
            "".join(
                self._random.choices(
                    _LETTERS, cum_weights=weights, k=2 + min(place // 40, 5) + self._random.randrange(4)
                )
            )
            for place in range(2 * count)
        )
        words = list(made)[:count]
        for place, name in enumerate(_NAMES):
            words.insert(30 * 2**place, name)
        return words[:count]

    def _make_japanese(self, count: int) -> list[str]:
        """Half words of Chinese characters, most of two; a quarter katakana, a quarter hiragana."""
        kanji = [chr(0x4E00 + self._random.randrange(0x4000)) for _ in range(2_500)]
        kinds = ((kanji, (1, 2, 2, 2, 2, 3, 4)), (_KATAKANA, (3, 4, 5, 6)), (_HIRAGANA, (1, 2, 3)), (kanji, (2,)))
        return self._draw(count, kinds)

    def _make_chinese(self, count: int) -> list[str]:
        signs = [chr(0x4E00 + self._random.randrange(0x5000)) for _ in range(3_500)]
        return self._draw(count, ((signs, (1, 2, 2, 2, 3)),))

    def _draw(self, count: int, kinds: Sequence[tuple[Sequence[str], Sequence[int]]]) -> list[str]:
        made: dict[str, None] = {}
        weights = {len(signs): list(accumulate(1 / rank for rank in range(3, len(signs) + 3))) for signs, _ in kinds}
        place = 0
        while len(made) < count:
            signs, lengths = kinds[place % len(kinds)]
            length = self._random.choice(lengths)
            made["".join(self._random.choices(signs, cum_weights=weights[len(signs)], k=length))] = None
            place += 1
        return list(made)
