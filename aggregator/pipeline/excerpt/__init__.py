"""How an entry begins, in a few whole sentences: the publisher's own summary, else the beginning of the text.

Never rewords: an excerpt is the text's own characters. `furniture` leaves out what is no prose, `sentences` knows where
one ends.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from aggregator.model.language import get_primary
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

__all__ = ["ELLIPSIS", "LIMIT", "choose_excerpt", "count_columns", "list_sentences", "make_excerpt"]

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
#: "Such pictures as these:" says nothing alone.
_LEAST_LEAD = 40
#: A text that ends in the middle of nothing at such a width was cut by its publisher.
_UNFINISHED = 180
#: Lengths at which machines cut.
_ROUND_LENGTHS = frozenset({*range(100, 1_001, 50), 140, 160, 180, 120, 255, 256, 280, 512})
#: A shorter title may be the first word of a sentence.
_LONG_TITLE = 24
#: Of a list so many items are looked at.
_MAX_ITEMS = 20
#: Between items of a list.
_ITEM_MARK = " · "

_NUMERALS = str.maketrans("一二三四五六七八九", "123456789")
_INNER_END = re.compile(r"[a-zß-ÿ)\"”][.!?]\s|[。！？]")
_LOST = re.compile("[\ud800-\udfff]")


def choose_excerpt(*, title: str, summary: str, text: str, language: str, limit: int = LIMIT) -> str:
    """The publisher's ``summary`` where it is one, else the beginning of ``text``; both plain text, lines as blocks.

    ``text`` is the article; empty when the publisher gave nothing but the summary. An excerpt holds at most ``limit``
    columns and half of the article. It is empty when there is nothing to say beyond the title: no summary that repeats
    it, links to comments, or is a machine's list of figures.
    """
    if summary and len(text) < len(summary):
        text = ""  # a caption, a note: what is shorter than its own summary is no article
    elif summary and _is_same(summary, text):
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
    title_key = _fold(title[:300])
    if len(title) > _LONG_TITLE and head.startswith(title) and _begins_anew(head[len(title) :]):
        head = head[len(title) :]
    lines = _iter_prose(head, title_key)
    sentences = _iter_taken(lines, get_primary(language), title_key)
    return _fill(sentences, limit, whole=whole, torn=whole and len(text.strip()) in _ROUND_LENGTHS)


def list_sentences(text: str, language: str, *, title: str = "", limit: int = 6_000) -> tuple[str, ...]:
    """The whole sentences of the first ``limit`` characters of ``text`` that are prose, each as it stands.

    Left out is what `make_excerpt` leaves out, and what breaks off.
    """
    title_key = _fold(title[:300])
    lines = _iter_prose(_LOST.sub("", text.lstrip()[:limit]), title_key)
    taken = [sentence for sentence, _ in _iter_taken(lines, get_primary(language), title_key)]
    if len(text) > limit:
        taken = taken[:-1]
    return tuple(one for one in taken if not (is_link(one) or is_cut(one) or leads_on(one)) and ends_like_sentence(one))


def _begins_anew(rest: str) -> bool:
    """Whether what follows a title is no more of its sentence."""
    return rest[:1].isspace() and not rest.lstrip()[:1].islower()


def _fill(sentences: Iterator[tuple[str, bool]], limit: int, *, whole: bool, torn: bool) -> str:
    """Sentences that fit; ``whole``: after the last of them nothing was left out, so that it may be a torn one."""
    taken: list[str] = []
    text = link = ""
    for sentence, begins in sentences:
        if not taken and is_link(sentence):
            link = link or sentence
            continue
        longer = join_sentences(text, sentence)
        if count_columns(longer) > limit or (begins and count_columns(text) >= _ENOUGH):
            return _close(taken) or cut_sentence(sentence, limit)
        if taken and is_link(sentence):
            return _close(taken)
        text = longer
        taken.append(sentence)
    if not taken and link:
        return link if count_columns(link) <= limit else cut_sentence(link, limit)
    return _close(taken, last=whole, torn=torn)


def is_link(sentence: str) -> bool:
    """Whether it is there to be clicked."""
    return "://" in sentence or "www." in sentence


def _close(taken: list[str], *, last: bool = False, torn: bool = False) -> str:
    """The sentences ``taken`` without those at their end that break off or lead on to what is not shown.

    ``last``: they are the last there are, so that dots at their end are a publisher's; ``torn``: so is their length.
    """
    kept = list(taken)
    while kept and (leads_on(kept[-1]) or is_surely_cut(kept[-1]) or (last and _breaks_off(kept[-1], torn))):
        kept.pop()
    if last and len(kept) > 1 and kept[-1][-1].isalnum() and ends_like_sentence(kept[-2]):
        kept.pop()
    if kept or not taken:
        return _join(kept)
    first = taken[0]
    if leads_on(first) and count_columns(first) < _LEAST_LEAD:
        return ""
    return mark_cut(first) if is_cut(first) or (last and _is_torn(first, torn)) else first


def _join(taken: list[str]) -> str:
    text = ""
    for sentence in taken:
        text = join_sentences(text, sentence)
    return text


def _breaks_off(sentence: str, torn: bool) -> bool:
    return is_cut(sentence) or _is_torn(sentence, torn)


def _is_torn(sentence: str, torn: bool) -> bool:
    """A long one that ends in a letter, or any where the whole text has such a length as machines cut at."""
    return sentence[-1].isalpha() and (torn or count_columns(sentence) >= _UNFINISHED)


def _iter_taken(lines: Iterator[str], language: str, title_key: str) -> Iterator[tuple[str, bool]]:
    """Sentences that say something, and whether each begins its line."""
    first = bool(title_key)
    for line in lines:
        begins = True
        for sentence in iter_sentences(line, language):
            if is_furniture(sentence) or is_code(sentence) or (first and not _drop_title(sentence, title_key)):
                continue
            first = False
            yield sentence, begins
            begins = False


def _iter_prose(text: str, title_key: str) -> Iterator[str]:
    """The lines of ``text`` that are prose; all lines that are no furniture when none is."""
    labels: list[str] = []
    prose = False
    for line in _iter_lines(text):
        if not prose and title_key and (line := _drop_title(line, title_key)) == "":
            continue
        if _is_prose(line):
            prose = True
            yield line
        elif not prose:
            labels.append(line)
    if not prose and labels:
        yield _join_labels(labels)


def _join_labels(labels: list[str]) -> str:
    """Items of a list on one line, without the headings among them where there is more than headings."""
    items = [label for label in labels if count_columns(label) >= _LEAST_SUMMARY]
    return _ITEM_MARK.join(items[:_MAX_ITEMS] or labels[:_MAX_ITEMS])


def _is_prose(line: str) -> bool:
    """Whether it holds a sentence: headings and items of lists end without a full stop, and are not long."""
    if ends_like_sentence(line) and not leads_on(line):
        return True
    columns = count_columns(line)
    return columns > 2 * _LABEL or (columns > _LABEL // 2 and _INNER_END.search(line) is not None)


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
