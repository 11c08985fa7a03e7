"""How an entry begins, in a few whole sentences: the publisher's own summary, else the beginning of the text.

Never rewords: an excerpt is the text's own characters. `furniture` leaves out what is no prose, `sentences` knows where
one ends.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from aggregator.pipeline.excerpt.furniture import drop_furniture, is_furniture
from aggregator.pipeline.excerpt.sentences import (
    ELLIPSIS,
    count_columns,
    cut_sentence,
    ends_like_sentence,
    is_code,
    is_cut,
    is_surely_cut,
    iter_sentences,
    join_sentences,
    leads_on,
    mark_cut,
)

__all__ = ["ELLIPSIS", "LIMIT", "choose_excerpt", "count_columns", "make_excerpt"]

#: Columns of an excerpt; wide characters take two.
LIMIT = 280
#: A line without a full stop that is wider than this is prose all the same.
_LABEL = 70
#: A summary narrower than this is none when there is a text: a name, a word, a date.
_LEAST_SUMMARY = 24
#: Where so much is taken, no further paragraph is begun.
_ENOUGH = 100
#: What is left of a short article's half is no excerpt below this, unless it is a whole sentence.
_LEAST_CUT = 30
#: A text that ends in the middle of nothing at such a width was cut by its publisher.
_UNFINISHED = 180

_NUMERALS = str.maketrans("一二三四五六七八九", "123456789")
_LOST = re.compile("[\ud800-\udfff]")


def choose_excerpt(*, title: str, summary: str, text: str, language: str, limit: int = LIMIT) -> str:
    """The publisher's ``summary`` where it is one, else the beginning of ``text``; both plain text, lines as blocks.

    ``text`` is the article; empty when the publisher gave nothing but the summary. An excerpt holds at most ``limit``
    columns and half of the article. It is empty when there is nothing to say beyond the title: no summary that repeats
    it, links to comments, or is a machine's list of figures.
    """
    if summary and text and _is_same(summary, text):
        summary, text = (text if is_cut(summary) else summary), ""
    if text and len(text) < 2 * limit:
        limit = min(limit, count_columns(text) // 2)
    found = _choose(title, summary, text, language, limit)
    return "" if limit < _LEAST_CUT and found.endswith(ELLIPSIS) else found


def _choose(title: str, summary: str, text: str, language: str, limit: int) -> str:
    if summary and not (text and _is_beginning(summary, text)):
        found = make_excerpt(summary, language, limit, title=title)
        if found and (not text or (count_columns(found) >= min(_LEAST_SUMMARY, limit) and not _is_name(found))):
            return found
    return make_excerpt(text, language, limit, title=title) if text else ""


def _is_same(summary: str, text: str) -> bool:
    """Whether a teaser was given twice: then it stands for an article elsewhere, and is none itself."""
    return len(summary) * 0.8 < len(text) < len(summary) * 1.3 and _begin_alike(summary, text)


def _is_beginning(summary: str, text: str) -> bool:
    """Whether ``summary`` is nothing but the text's own beginning, cut somewhere."""
    tail = summary[-40:].rstrip()
    return (is_cut(tail) or not ends_like_sentence(tail)) and _begin_alike(summary, text)


def _begin_alike(summary: str, text: str) -> bool:
    key = _fold(summary[:100])
    key = key[: max(len(key) * 3 // 4, 1)]  # "Read more" may stand at its end
    return len(key) > 12 and key in _fold(text[:400])


def _is_name(found: str) -> bool:
    """Whether it is a few words that are no sentence: "Wang et al."."""
    return found.count(" ") < 4 and found.isascii()


def make_excerpt(text: str, language: str, limit: int = LIMIT, *, title: str = "") -> str:
    """The first whole sentences of ``text`` that fit into ``limit`` columns (wide characters take two), on one line.

    What is no prose is left out: bylines, share bars, credits, headings above a paragraph, a first line that repeats
    ``title``. When the first sentence alone is too long, it is cut between clauses or words (between characters where
    there are no spaces) and ends in ``…``. What stands past a multiple of ``limit`` is never looked at. Empty when
    there is no prose.
    """
    room = max(limit, 40) * 8 + 2_000
    head = _LOST.sub("", text.lstrip()[:room])
    whole = len(text) <= room
    lines = _iter_prose(head, _fold(title[:300]))
    sentences = _iter_taken(lines, language.partition("-")[0].lower())
    return _fill(sentences, limit, whole=whole)


def _fill(sentences: Iterator[tuple[str, bool]], limit: int, *, whole: bool) -> str:
    """Sentences that fit; ``whole``: after the last of them nothing was left out, so that it may be a torn one."""
    taken: list[str] = []
    text = ""
    for sentence, begins in sentences:
        longer = join_sentences(text, sentence)
        if count_columns(longer) > limit or (begins and count_columns(text) >= _ENOUGH):
            return _close(taken) or cut_sentence(sentence, limit)
        if taken and is_link(sentence):
            return _close(taken)
        text = longer
        taken.append(sentence)
    return _close(taken, last=whole)


def is_link(sentence: str) -> bool:
    """Whether it is there to be clicked."""
    return "://" in sentence or "www." in sentence


def _close(taken: list[str], *, last: bool = False) -> str:
    """The sentences ``taken`` without those at their end that break off or lead on to what is not shown.

    ``last``: they are the last there are, so that dots at their end are a publisher's.
    """
    kept = list(taken)
    while kept and (leads_on(kept[-1]) or is_surely_cut(kept[-1]) or (last and _breaks_off(kept[-1]))):
        kept.pop()
    if kept or not taken:
        return _join(kept)
    first = taken[0]
    return mark_cut(first) if is_cut(first) or _is_torn(first) else first


def _join(taken: list[str]) -> str:
    text = ""
    for sentence in taken:
        text = join_sentences(text, sentence)
    return text


def _breaks_off(sentence: str) -> bool:
    return is_cut(sentence) or _is_torn(sentence)


def _is_torn(sentence: str) -> bool:
    """A long one that ends in a letter."""
    return sentence[-1].isalpha() and count_columns(sentence) >= _UNFINISHED


def _iter_taken(lines: Iterator[str], language: str) -> Iterator[tuple[str, bool]]:
    """Sentences that say something, and whether each begins its line."""
    for line in lines:
        begins = True
        for sentence in iter_sentences(line, language):
            if is_furniture(sentence) or is_code(sentence):
                continue
            yield sentence, begins
            begins = False


def _iter_prose(text: str, title_key: str) -> Iterator[str]:
    """The lines of ``text`` that are prose; all lines that are no furniture when none is."""
    labels: list[str] = []
    prose = False
    for line in _iter_lines(text):
        if not prose and title_key and (line := _drop_title(line, title_key)) == "":
            continue
        if ends_like_sentence(line) or count_columns(line) > _LABEL:
            prose = True
            yield line
        elif not prose:
            labels.append(line)
    if not prose:
        yield from labels


def _drop_title(line: str, title_key: str) -> str:
    """``line``, or nothing when it says what the title says."""
    key = _fold(line[: len(title_key) * 2 + 40])
    if key == title_key or (len(key) > 12 and title_key.startswith(key) and len(key) * 2 > len(title_key)):
        return ""
    return line


def _iter_lines(text: str) -> Iterator[str]:
    """Lines without furniture, spaces collapsed; those that go on in the next line joined with it."""
    pending = ""
    for raw in text.splitlines():
        line = " ".join(_drop_controls(raw).split())
        line = drop_furniture(line) if line else ""
        if pending and line and _runs_on(pending, line):
            pending = join_sentences(pending, line)
            continue
        if pending:
            yield pending
        pending = line
    if pending:
        yield pending


def _runs_on(line: str, following: str) -> bool:
    """Whether a line was only broken: the next begins in small letters, or it ends in a comma."""
    if ends_like_sentence(line):
        return False
    return following[0].islower() or line[-1] in ",、，"


def _drop_controls(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character for character in text)


def _fold(text: str) -> str:
    """Letters and digits alone; 二 and 2 are the same."""
    return "".join(filter(str.isalnum, text.casefold())).translate(_NUMERALS)
