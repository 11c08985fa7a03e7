"""Repairs titles: the site's name behind them, the end that was lost. Never shortens what tells two entries apart.

Shared by stages; `clean` is the one that asks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher
from urllib.parse import urlsplit

#: What stands between a title and the name of its site.
_SEPARATOR = re.compile(r" (?:[|\-\u2010-\u2015\u2022\u00b7\u2219»›/~<:]|::|-{2,3}) | ?[｜│丨] ?")
_LOST = re.compile("\ufffd[\\s\ufffd]*(?:\\.{3}|…)?\\s*$")
_DOTS = re.compile(r"\s?(?:\[?(?:…|\.{3})\]?)$")
_SENTENCE_END = re.compile(r"[。！？!?.](?=\s|$|[^\w.])|[。！？]")
_NUMERALS = str.maketrans("〇一二三四五六七八九", "0123456789")
#: A first line that is longer than this is a paragraph.
_MAX_LINE = 160
#: Fewer letters than this begin too many lines.
_LEAST_ALIKE = 8
#: How much of the beginning must be the same.
_ALIKE = 0.8


def drop_site_name(title: str, names: Iterable[str], url: str) -> str:
    """``title`` without the name of its site at the end, when one of ``names`` or the host of ``url`` says that it is.

    What is left is never less than three letters.
    """
    places = list(_SEPARATOR.finditer(title))
    if not places:
        return title
    suffix = _fold(title[places[-1].end() :])
    rest = title[: places[-1].start()].rstrip()
    if len(suffix) < 2 or len(_fold(rest)) < 3 or not _is_site(suffix, names, url):
        return title
    return rest


def _is_site(suffix: str, names: Iterable[str], url: str) -> bool:
    for name in names:
        if suffix == _fold(name) or (len(suffix) > 2 and suffix in map(_fold, _SEPARATOR.split(name))):
            return True
    labels = (urlsplit(url).hostname or "").removeprefix("www.").split(".") if url else []
    known = {*labels[:-1], "".join(labels)} - {"com", "co", "org", "net", "blog", "news", "feeds", "feed", "rss"}
    return any(suffix in (label.replace("-", ""), f"the{label}") for label in known if len(label) > 2)


def complete_title(title: str, raw: str, text: str) -> str:
    """``title`` with the end that was lost, from the first line of ``text`` when that begins nearly the same.

    Lost is what ends in a broken character in ``raw`` (as the publisher wrote it) or in dots; otherwise the title is
    given back as it is. Its own words stay: only what is missing is taken from the line.
    """
    broken = _LOST.search(raw) is not None
    if not broken and not _DOTS.search(title):
        return title
    kept = _DOTS.sub("", title).rstrip("\ufffd ")
    line = text.partition("\n")[0]
    if len(line) > _MAX_LINE:
        end = _SENTENCE_END.search(line, len(kept))
        line = line[: end.end()] if end and end.end() <= _MAX_LINE else ""
    rest = _find_rest(kept, line)
    if rest is None:
        return title
    return f"{kept}{rest}".rstrip()


def _find_rest(kept: str, line: str) -> str | None:
    """What ``line`` says beyond ``kept``; None when it does not begin alike or says no more."""
    if line.startswith(kept) and len(kept) >= _LEAST_ALIKE:
        return line[len(kept) :] or None
    ours, theirs = _compare_form(kept), _compare_form(line[: len(kept) + 20])
    if len(ours) < _LEAST_ALIKE or not theirs:
        return None
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    alike = sum(block.size for block in blocks)
    last = blocks[-2] if len(blocks) > 1 else None
    if last is None or alike < len(ours) * _ALIKE or last.a + last.size != len(ours) or last.size < 2:
        return None
    return line[last.b + last.size :] or None


def _compare_form(text: str) -> str:
    """Each character in one form, so that places in it are places in ``text``: 二 and ２ are 2."""
    folded = (unicodedata.normalize("NFKC", character).casefold() for character in text)
    return "".join(
        form if len(form) == 1 else character for form, character in zip(folded, text, strict=True)
    ).translate(_NUMERALS)


def _fold(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
