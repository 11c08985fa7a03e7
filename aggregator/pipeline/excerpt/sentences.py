"""Sentences and their widths: where one ends, how much room it takes, how it is cut. Never judges what it says.

sentencex finds the sentences; some of its cuts are taken back here: after a quotation that the sentence goes on from
(``「本当？」と言った``), after the French ``M.`` before a name, and inside an address or a name like ``Node.js``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

ELLIPSIS = "…"
#: Characters whose width is remembered; a hostile text may hold all there are.
_MAX_WIDTHS = 20_000
#: A longer row of characters without a space or an ideograph is no word of any language.
_MAX_WORD = 60

_CLOSERS = "\"'”’»›）)\\]」』】》"
_ENDS = re.compile(rf"[.!?。！？．…:：;；][{_CLOSERS}]*$")
#: What a publisher leaves where the text went on.
_CUT = re.compile(r"\s?(?:[\[(（]\s?(?:…|\.{2,4}|⋯)+\s?[\])）]|…+|\.{3,}|⋯+|\s\.{2})[\"'”’»]?$")
#: A quotation closes at the end of one piece, and the next goes on in small letters or with a Japanese particle.
_QUOTE_END = re.compile(r"[?!.？！。][」』”\"’»）)]+\s*$")
_GOES_ON = re.compile(r"\s*[ぁ-んa-zà-öø-ÿ、,]")
_FRENCH_TITLE = re.compile(r"(?:^|[\s(«\"'’])MM?\.\s*$")
_SHORT_FORM = re.compile(
    r"(?:^|[\s(\"“])(?:[A-Z]|vs|v|No|Nos|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Inc|Ltd|Corp|Co|e\.g|i\.e|cf|approx|al|Fig|Vol|Gen|Sen|Rep|Gov|U\.S|U\.K|z\.B|bzw|ca|Nr|Std|Mio|Mrd)\.\s+$"
)
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz/_-=&#")
#: A sentence of fewer loses no word.
_FEW_WORDS = 4
_FORMULA = re.compile(r"\\[a-zA-Z]{2,}")
#: How many characters at an end are looked at.
_TAIL = 16


def count_columns(text: str) -> int:
    """Width in columns of a fixed-pitch screen: wide characters (UAX #11) take two, combining and invisible ones none.

    The rule of `render.words.count_columns`. There are two because the rooms are strangers; a test holds them together.
    """
    if text.isascii():
        return len(text)
    return sum(map(_widths.__getitem__, text))


class _Widths(dict[str, int]):
    """The widths of characters seen so far; a text uses few different ones, over and over."""

    def __missing__(self, character: str) -> int:
        width = _get_width(character)
        if len(self) < _MAX_WIDTHS:
            self[character] = width
        return width


def _get_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


_widths = _Widths()


def ends_like_sentence(line: str) -> bool:
    """Whether ``line`` ends where a sentence may: a heading, a name or a button does not."""
    return _ENDS.search(line[-_TAIL:]) is not None


def leads_on(sentence: str) -> bool:
    """Whether it promises something that follows: a list, an example."""
    return sentence[-1:] in (":", "：")


def is_cut(sentence: str) -> bool:
    """Whether its publisher left dots where it went on."""
    return _CUT.search(sentence[-_TAIL:]) is not None


def is_surely_cut(sentence: str) -> bool:
    """The same, where the dots stand in brackets, as no author writes them."""
    return sentence[-1:] in ("]", ")") and is_cut(sentence)


def mark_cut(sentence: str) -> str:
    """One that broke off, with our own sign of it, and without the word that may be half of one."""
    kept = _CUT.sub("", sentence)
    torn = kept == sentence or not sentence[len(kept)].isspace()
    if torn and kept[-1:].isalpha() and kept[-1].islower() and kept.count(" ") > _FEW_WORDS:
        kept = kept.rpartition(" ")[0]
    return kept.rstrip(" ,;:、，；：-–—") + ELLIPSIS


def is_code(sentence: str) -> bool:
    """Whether it is written for machines: base64, a key, an address and nothing else, a formula in TeX."""
    if "\\" in sentence and _FORMULA.search(sentence):
        return True
    if len(sentence) <= _MAX_WORD:
        return False
    words = [word for word in sentence.split() if len(word) > _MAX_WORD and word.isascii()]
    return sum(map(len, words)) * 2 > len(sentence)


def iter_sentences(line: str, language: str) -> Iterator[str]:
    """The whole sentences of one line, without spaces at their ends."""
    from sentencex import segment

    pending = ""
    for piece in segment(language or "en", line):
        if pending and not _goes_on(pending, piece, language):
            if pending.strip():
                yield pending.strip()
            pending = ""
        pending += piece
    if pending.strip():
        yield pending.strip()


def _goes_on(pending: str, piece: str, language: str) -> bool:
    """Whether sentencex parted what is one sentence."""
    end, first = pending[-_TAIL:], piece[0]
    if end[-2:] in (".", " .") or (end[-1] in ".?" and (first.isdigit() or first in _LOWER or end.endswith("www."))):
        return True  # nothing stands between: example.org, Node.js
    if first.islower() and end.rstrip()[-1:] in (".", "…"):
        return True
    if language == "fr" and _FRENCH_TITLE.search(end):
        return True
    return bool(_SHORT_FORM.search(end) or (_QUOTE_END.search(end) and _GOES_ON.match(piece)))


def join_sentences(taken: str, sentence: str) -> str:
    if not taken:
        return sentence
    wide = unicodedata.east_asian_width(taken[-1]) in "WF"
    return taken + sentence if wide else f"{taken} {sentence}"


def cut_sentence(sentence: str, limit: int) -> str:
    """As much of one sentence as fits before an ellipsis; at least one character."""
    end, columns = 0, 1
    while end < len(sentence):
        columns += 2 if unicodedata.east_asian_width(sentence[end]) in "WF" else 1
        if columns > limit:
            break
        end += 1
    if end == len(sentence):
        return sentence
    end = _find_clause(sentence, end)
    return sentence[: max(end, 1)].rstrip(" ,;:、，；：·-–—(（「『") + ELLIPSIS


def _find_clause(sentence: str, end: int) -> int:
    """The best place to cut at or before ``end``: after a clause, else between words, else between letters."""
    least = end * 2 // 3
    clause = max(sentence.rfind(mark, least, end) for mark in ("、", "，", "；", ", ", "; ", " – ", " — ", " · "))
    if clause > 0:
        return clause + 1
    space = sentence.rfind(" ", least, end + 1)
    return space if space > 0 else _to_word(sentence, _to_grapheme(sentence, end))


def _to_word(text: str, end: int) -> int:
    """In a script without spaces: not inside a word of letters, digits or katakana, when one begins shortly before."""
    start = end
    while 0 < start < len(text) and end - start < 20 and _is_one_word(text[start - 1], text[start]):
        start -= 1
    return start if start > 0 and not _is_one_word(text[start - 1], text[start]) else end


def _is_one_word(before: str, after: str) -> bool:
    if before.isascii() and after.isascii():
        return before.isalnum() and after.isalnum()
    return "\u30a1" <= before <= "\u30fc" and "\u30a1" <= after <= "\u30fc"


def _to_grapheme(text: str, end: int) -> int:
    """The nearest place at or before ``end`` that parts no letter from its marks and no joined emoji (UAX 29)."""
    while end > 0 and (_clings(text[end]) or text[end - 1] == "\u200d" or _is_flag(text, end)):
        end -= 1
    return end


def _clings(character: str) -> bool:
    """Whether it belongs to the character before: a mark, a joiner, a skin tone."""
    if unicodedata.category(character) in ("Mn", "Mc", "Me"):
        return True
    return character == "\u200d" or "\U0001f3fb" <= character <= "\U0001f3ff"


def _is_flag(text: str, end: int) -> bool:
    """Whether ``end`` lies between two regional indicators that are one flag."""
    start = end
    while start > 0 and "\U0001f1e6" <= text[start - 1] <= "\U0001f1ff":
        start -= 1
    return "\U0001f1e6" <= text[end] <= "\U0001f1ff" and (end - start) % 2 == 1
