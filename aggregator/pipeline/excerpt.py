"""Cuts the beginning of a text at the end of a sentence. Never rewords: an excerpt is the text's own characters.

sentencex finds the sentences; two of its cuts are taken back here: after a quotation that the sentence goes on from
(``「本当？」と言った``) and after the French ``M.`` before a name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

ELLIPSIS = "…"
#: Characters whose width is remembered; a hostile text may hold all there are.
_MAX_WIDTHS = 20_000

_BYLINE = re.compile(
    r"(?:by|par|von|por|di|written by|posted (?:by|on)|published(?: on)?|updated(?: on)?)\b[ :].{0,60}"
    r"|(?:image(?: credit)?s?|photo(?: by)?|credit)\b[ :].{0,60}"
    r"|(?:文|著|作者|著者|編集|编辑|来源|出典|記者|撰文)\s?[:：=＝／/].{0,40}"
    r"|(?:share|tweet|print|email|save|advertisement|sponsored|subscribe|sign up)\b.{0,30}"
    r"|[\W\d_]+(?:年[\d月日時分 :：]*)?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?。！？…](?:[\"'”’»）)\]」』]*)$")
#: A quotation closes at the end of one piece, and the next goes on in small letters or with a Japanese particle.
_QUOTE_END = re.compile(r"[?!.？！。][」』”\"’»）)]+\s*$")
_GOES_ON = re.compile(r"\s*[ぁ-んa-zà-öø-ÿ、,]")
#: What publishers leave after the last sentence of a summary.
_LEFTOVER = re.compile(r"(?<=[.!?。！？…]) (?:more ?)?(?:…|\.{3}|\[…\]|\[\.{3}\])$")
_FRENCH_TITLE = re.compile(r"(?:^|[\s(«\"'’])MM?\.\s*$")


def make_excerpt(text: str, language: str, limit: int = 320) -> str:
    """The first whole sentences of ``text`` that fit into ``limit`` columns (wide characters take two), on one line.

    Leading lines that are no prose (bylines, dates, share bars) are left out when prose follows. When the first
    sentence alone is too long, it is cut between words (between characters where there are no spaces) and ends in
    ``…``. What stands past a multiple of ``limit`` is never looked at. Empty only when ``text`` is blank.
    """
    lines = _iter_prose(text.lstrip()[: limit * 8 + 2_000].encode("utf-8", "ignore").decode("utf-8"))
    taken = ""
    for sentence in _iter_sentences(lines, language.partition("-")[0].lower()):
        longer = _join(taken, sentence)
        if count_columns(longer) > limit:
            return _LEFTOVER.sub("", taken) or _cut(sentence, limit)
        taken = longer
        if count_columns(taken) > limit - 10:
            break
    return _LEFTOVER.sub("", taken)


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


def _iter_prose(text: str) -> Iterator[str]:
    """The lines of ``text``, spaces collapsed, without the furniture above the first line of prose."""
    above: list[str] = []
    prose = False
    for raw in text.splitlines():
        line = " ".join(_drop_controls(raw).split())
        if not line:
            continue
        if prose:
            yield line
        elif _SENTENCE_END.search(line) or not _BYLINE.fullmatch(line):
            prose = True
            yield line
        else:
            above.append(line)
    if not prose:
        yield from above


def _drop_controls(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character for character in text)


def _iter_sentences(lines: Iterable[str], language: str) -> Iterator[str]:
    """Whole sentences, line by line, without spaces at their ends."""
    from sentencex import segment

    for line in lines:
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
    if language == "fr" and _FRENCH_TITLE.search(pending):
        return True
    return bool(_QUOTE_END.search(pending) and _GOES_ON.match(piece))


def _join(taken: str, sentence: str) -> str:
    if not taken:
        return sentence
    wide = unicodedata.east_asian_width(taken[-1]) in "WF"
    return taken + sentence if wide else f"{taken} {sentence}"


def _cut(sentence: str, limit: int) -> str:
    """As much of one sentence as fits before an ellipsis; at least one character."""
    end, columns = 0, 1
    while end < len(sentence):
        columns += 2 if unicodedata.east_asian_width(sentence[end]) in "WF" else 1
        if columns > limit:
            break
        end += 1
    if end == len(sentence):
        return sentence
    space = sentence.rfind(" ", end * 2 // 3, end + 1)
    end = space if space > 0 else _to_grapheme(sentence, end)
    return sentence[: max(end, 1)].rstrip(" ,;:、，；：-–—") + ELLIPSIS


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
