"""Shows in a text which words of it a reader searched for. Never decides what is found: only what it looks like.

The words come folded (`pipeline.query`); a text is folded here sign by sign, so that every place in the folded text has
its place in the text as it stands. What cannot be matched so stays unmarked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

from markupsafe import Markup, escape

from aggregator.model.search import Phrase, SearchQuery
from aggregator.render.words import count_columns, cut_text

#: Scripts without spaces between words.
_UNSPACED = "\u3005-\u3007\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_LETTER = rf"[^\W\d_{_UNSPACED}]"
_SENTENCE_END = re.compile(r"[.!?](?=\s)\s*|[。！？]")
#: Between words of a phrase; between a name and its number.
_BETWEEN, _JOINT = r"[\W_]{0,3}", r"[ \-_]?"
_TURN = re.compile(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])")


class Marker:
    """Marks the words of one search in any number of texts."""

    def __init__(self, query: SearchQuery, fold_sign: Callable[[str], str]) -> None:
        """``fold_sign``: one character as the words of ``query`` were folded (`pipeline.query.fold_sign`)."""
        self._fold_sign = fold_sign
        patterns = dict.fromkeys(_write_pattern(phrase) for phrases in query.wanted for phrase in phrases)
        written = sorted(filter(None, patterns), key=len, reverse=True)
        self._pattern = re.compile("|".join(written)) if written else None

    def __call__(self, text: str) -> Markup:
        """``text`` as markup: escaped, its found words within ``<mark>``."""
        parts, at = [], 0
        for start, end in self._find(text):
            parts += [escape(text[at:start]), Markup("<mark>"), escape(text[start:end]), Markup("</mark>")]
            at = end
        return Markup("").join([*parts, escape(text[at:])])

    def is_in(self, text: str) -> bool:
        """Some word of the search stands in ``text``."""
        return next(self._find(text), None) is not None

    def find_passage(self, text: str, columns: int) -> str:
        """Where in ``text`` the first word of the search stands, with what is around it; empty: it stands nowhere.

        At most ``columns`` wide, a third of them before the word.
        """
        place = next(self._find(text), None)
        if place is None:
            return ""
        before = text[max(0, place[0] - columns // 3) : place[0]]
        if count_columns(before) > columns // 3:
            before = before[len(before) // 2 :]
        # From the beginning of its sentence, if that is near, else from a word.
        cut = max((end.end() for end in _SENTENCE_END.finditer(before)), default=0)
        if not cut and place[0] > len(before):
            cut = before.find(" ") + 1
        start = place[0] - len(before) + cut
        return ("…" if start else "") + cut_text(text[start:], columns - 1)

    def _find(self, text: str) -> Iterator[tuple[int, int]]:
        """Places of found words, in order, never overlapping, never within one sign."""
        if self._pattern is None:
            return
        folded, places = [], []
        for place, sign in enumerate(text):
            plain = self._fold_sign(sign)
            folded.append(plain)
            places += [place] * len(plain)
        done = 0
        for found in self._pattern.finditer("".join(folded)):
            if found.end() > found.start():
                start, end = places[found.start()], places[found.end() - 1] + 1
                while end < len(text) and unicodedata.combining(text[end]):
                    end += 1
                if start >= done:
                    yield start, end
                    done = end


def _write_pattern(phrase: Phrase) -> str:
    """A regular expression for words side by side; empty for what stands in no text (``language:ja``).

    Of scripts without spaces a phrase has every two neighbours: ``新モ``, ``モデ`` for ``新モデ``.
    """
    if any(":" in word for word in phrase):
        return ""
    pattern, last = "", ""
    for word in phrase:
        unspaced = bool(_IS_UNSPACED.match(word))
        if unspaced and last and _IS_UNSPACED.match(last) and last[-1] == word[0]:
            pattern += re.escape(word[1:])
        else:
            pattern += (_BETWEEN if last else "") + _JOINT.join(map(re.escape, _TURN.split(word)))
        last = word
    before = "" if _IS_UNSPACED.match(phrase[0]) else (r"(?<!\d)" if phrase[0][0].isdigit() else f"(?<!{_LETTER})")
    after = "" if _IS_UNSPACED.match(last) else (r"(?!\d)" if last[-1].isdigit() else f"(?!{_LETTER})")
    return before + pattern + after
