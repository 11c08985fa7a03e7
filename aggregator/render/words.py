"""Plain text made fit to be shown: legal characters, headlines that are never empty, lines that fit. Never HTML.

Columns are those of a terminal: a wide East Asian character takes two (UAX #11), a combining mark none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from aggregator.model.entry import Entry
from aggregator.model.feed import FOLDER_SCHEME
from aggregator.model.newsletter import TOKENS

_ILLEGAL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Of `TOKENS`: a page has thousands of texts, and hardly one of them holds it.
_MARK = "@@"
_FRENCH_SPACE = re.compile(r" (?=[:;!?»](?:\s|$))|(?<=«) ")
#: Marks that may not begin a line, so they may hang a little over its end.
_CLOSING = frozenset("、。，．・：；？！」』）〕］｝〉》】〙〗’”ーぁぃぅぇぉっゃゅょァィゥェォッャュョ…,.;:!?)]}")
_HANGING = 4


def keep_legal(text: str) -> str:
    """``text`` without what XML 1.0 forbids (lone surrogates too) and without what stands for a person's own address in
    a frozen mail: a title that spells it would otherwise carry each reader's token to its own link."""
    legal = _ILLEGAL.sub("", text)
    while _MARK in legal and any(token in legal for token in TOKENS):  # again, lest a marker in a marker leaves one
        for token in TOKENS:
            legal = legal.replace(token, "")
    return legal


def get_headline(entry: Entry) -> str:
    """The entry's title, or the start of its excerpt, or its feed's name: never empty."""
    title = " ".join(keep_legal(entry.title).split())
    if title:
        return title
    beginning = " ".join(keep_legal(cut_text(entry.excerpt, 80)).split())
    return beginning or get_feed_name(entry.feed_name) or "Untitled"


def set_headline(entry: Entry) -> str:
    """The headline as it is set on a page or in a mail."""
    return keep_together(get_headline(entry), entry.language)


def set_excerpt(entry: Entry) -> str:
    """The excerpt as it is set on a page or in a mail; may be empty."""
    return keep_together(keep_legal(entry.excerpt), entry.language)


def keep_together(text: str, language: str) -> str:
    """French sets a space before : ; ! ? and », which must not begin a line; publishers often type a plain one."""
    return _FRENCH_SPACE.sub("\u00a0", text) if language.partition("-")[0] == "fr" else text


def get_feed_name(name: str) -> str:
    """A feed's name for readers. One without a title is known by its address: then by its host, never by a query that
    may hold the editor's own token; a folder on our disk by its last part, never by its path."""
    shown = " ".join(keep_legal(name).split())
    if shown.startswith(("http://", "https://")):
        shown = shown.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]
    return shown.rstrip("/").rpartition("/")[2] if shown.startswith(FOLDER_SCHEME) else shown


def count_columns(text: str) -> int:
    """How many columns ``text`` takes."""
    return len(text) if text.isascii() else sum(map(_get_width, text))


def cut_text(text: str, columns: int) -> str:
    """``text`` when it fits into ``columns``, else its beginning, cut between words if it has any, and an ellipsis."""
    if count_columns(text) <= columns:
        return text
    kept, used = [], 1
    for character in text:
        used += _get_width(character)
        if used > columns:
            break
        kept.append(character)
    whole = "".join(kept)
    at_space = whole.rpartition(" ")[0]
    # A cut between words must not cost much: scripts without spaces, or one endless word, are cut where they are.
    chosen = at_space if count_columns(at_space) * 2 > columns and not text[len(whole)].isspace() else whole
    if _is_wide(text[len(whole)]):
        chosen = whole
    return chosen.rstrip(" ,;:.、。・：-–—") + "…"


def wrap_text(text: str, width: int = 72, indent: str = "") -> str:
    """``text`` in lines of at most ``width`` columns (closing marks may hang), the first begun with ``indent``, the
    others with blanks as wide.

    Breaks at spaces and between wide characters; only a word longer than a line is broken inside.
    """
    lines, line, used = [], "", 0
    room = width - count_columns(indent)
    for piece in _split_pieces(" ".join(keep_legal(text).split()), room):
        wide = count_columns(piece)
        hangs = piece in _CLOSING and used + wide <= room + _HANGING
        if used + count_columns(piece.rstrip()) > room and line and not hangs:
            lines.append(line.rstrip())
            line, used = "", 0
            piece = piece.lstrip()
            wide = count_columns(piece)
        line, used = line + piece, used + wide
    if line.strip():
        lines.append(line.rstrip())
    others = " " * count_columns(indent)
    return "\n".join((others if number else indent) + line for number, line in enumerate(lines))


def _split_pieces(text: str, room: int) -> Iterator[str]:
    """Words with the space that follows them, wide characters one by one, and over-long words in parts."""
    word = ""
    for character in text:
        if _is_wide(character) or (character in _CLOSING and not word):
            if word:
                yield word
                word = ""
            yield character
        elif character == " " or count_columns(word) + _get_width(character) > room:
            yield word + character if character == " " else word
            word = "" if character == " " else character
        else:
            word += character
    if word:
        yield word


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")


def _get_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if _is_wide(character) else 1
