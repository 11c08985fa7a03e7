"""A story as it was covered: who came first, which company speaks itself, what each adds. Never words of our own.

What an entry adds are one or two of its own sentences, whole, chosen for the names and numbers that nothing shown
before holds: neither the lead's title and excerpt, nor the entry's own title, nor what was quoted from earlier ones.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from aggregator.model.coverage import Quotation, Report
from aggregator.model.entry import Entry
from aggregator.model.ids import EntryId
from aggregator.model.language import get_primary
from aggregator.model.story import Story
from aggregator.pipeline.amounts import iter_figures

MAX_QUOTATIONS = 2
#: In characters; what is longer is no line to quote, and is never cut.
_LEAST, _MOST = 24, 320
#: Wide characters say as much in half of them.
_LEAST_WIDE, _MOST_WIDE = 12, 160
#: Of an entry so many sentences are looked at.
_MAX_SENTENCES = 60
#: A sentence of more is a table.
_MAX_FIGURES = 12

#: What news is worth; a quotation must bring as much as one plain number.
_AMOUNT, _TAGGED, _NUMBER, _FULL_NAME, _NAME = 4.0, 3.0, 2.0, 2.0, 1.0
_LEAST_WORTH = 2.0
#: Each counts once, and no more than so much in all: a list of numbers is no better line for its length.
_ENOUGH = 8.0

#: Latin names: words with a capital and at least one small letter, those that stand together as one.
_WORD = r"[A-Z\u00c0-\u00de][\w’&-]*[a-z\u00df-\u00ff][\w’&-]*"
_NAMES = re.compile(rf"(?<![\w’'@#/.-]){_WORD}(?: (?:{_WORD}|[A-Z]{{2,6}}|\d+(?:\.\d+)?[A-Z]?)(?![\w’'])){{0,4}}")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]{3}")
_POSSESSIVE = re.compile(r"['’]s?$")
#: Where a capital says nothing.
_OPENINGS = frozenset("\"'“”‘’«»„‚(:[–—-.!?… ")
#: English writes them with capitals.
_CALENDAR = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december english french german japanese chinese korean".split()
)


class _News(NamedTuple):
    key: str
    start: int
    end: int
    worth: float


def compare_reports(
    story: Story, sentences: Mapping[EntryId, Sequence[str]], speakers: Mapping[EntryId, tuple[str, ...]]
) -> tuple[Report, ...]:
    """The entries of ``story`` in the order they came, each with its part in it.

    ``sentences``: of each entry, the whole sentences of its text, as `pipeline.excerpt.list_sentences` finds them; an
    entry that is missing there is quoted from nothing. ``speakers``: the companies (slugs) that speak themselves in it.
    """
    lead = story.lead
    known = _Known(lead)
    ordered = sorted(story.entries, key=lambda entry: (entry.effective_at, entry.id))
    reports = []
    for entry in ordered:
        quotations: tuple[Quotation, ...] = ()
        if entry.id != lead.id:
            quotations = _choose(entry, sentences.get(entry.id, ())[:_MAX_SENTENCES], known)
        reports.append(
            Report(
                entry=entry,
                quotations=quotations,
                is_first=len(ordered) > 1 and entry is ordered[0],
                is_lead=entry.id == lead.id,
                speakers=speakers.get(entry.id, ()),
            )
        )
    return tuple(reports)


class _Known:
    """What has been told so far: keys of figures and tags, and texts in which names are looked up."""

    def __init__(self, lead: Entry) -> None:
        told = f"{lead.title}\n{lead.excerpt}"
        self.keys = {figure.key for figure in iter_figures(told)} | {f"tag {tag.slug}" for tag in lead.tags}
        self.text = _fold(told)
        #: Whether a Latin name that the lead does not spell is one it does not know.
        self.is_latin = _LATIN.search(told) is not None and _WIDE.search(lead.title) is None

    def with_title(self, entry: Entry) -> tuple[set[str], str]:
        """Keys and text for ``entry``, whose own title stands above what it adds."""
        return self.keys | {figure.key for figure in iter_figures(entry.title)}, self.text + _fold(entry.title)

    def add(self, entry: Entry, quotation: Quotation, keys: set[str]) -> None:
        self.keys |= keys
        self.text += f"\n{_fold(entry.title)}\n{_fold(quotation.text)}"


def _choose(entry: Entry, sentences: Sequence[str], known: _Known) -> tuple[Quotation, ...]:
    """The best sentence, then the best of what is still new, in the order of the text."""
    news = [list(_iter_news(one, entry, known.is_latin)) if _fits(one) else [] for one in sentences]
    taken: dict[int, Quotation] = {}
    while len(taken) < MAX_QUOTATIONS:
        keys, text = known.with_title(entry)
        best: tuple[float, int, list[_News]] | None = None
        for index, sentence in enumerate(sentences):
            found = [one for one in news[index] if not _is_known(one, keys, text)]
            worth = min(sum({one.key: one.worth for one in found}.values()), _ENOUGH)
            if index in taken or worth < _LEAST_WORTH:
                continue
            # Of two that bring as much the shorter one, then the earlier.
            worth -= len(sentence) / (_MOST_WIDE if _WIDE.search(sentence) else _MOST)
            if best is None or worth > best[0]:
                best = (worth, index, found)
        if best is None:
            break
        _, index, found = best
        taken[index] = Quotation(text=sentences[index], news=_join_spans(found))
        known.add(entry, taken[index], {one.key for one in found})
    return tuple(taken[index] for index in sorted(taken))


def _fits(sentence: str) -> bool:
    wide = _WIDE.search(sentence) is not None
    return (_LEAST_WIDE if wide else _LEAST) <= len(sentence) <= (_MOST_WIDE if wide else _MOST)


def _iter_news(sentence: str, entry: Entry, latin_lead: bool) -> Iterator[_News]:
    """Whatever could be news in a sentence: figures, companies and products by their tags, names."""
    for figure in islice(iter_figures(sentence), _MAX_FIGURES):
        yield _News(figure.key, figure.start, figure.end, _AMOUNT if figure.is_amount else _NUMBER)
    for tag in entry.tags:
        start = sentence.find(tag.found) if tag.kind != "topic" and tag.field in ("title", "text") else -1
        if tag.found and start >= 0:
            yield _News(f"tag {tag.slug}", start, start + len(tag.found), _TAGGED)
    if latin_lead:
        yield from _iter_names(sentence, get_primary(entry.language))


def _iter_names(sentence: str, language: str) -> Iterator[_News]:
    """Latin names by their capitals: not the first word of a sentence, and in German, whose nouns all have them, only
    such as stand together."""
    wide = _WIDE.search(sentence) is not None
    for found in _NAMES.finditer(sentence):
        words = found[0].split(" ")
        start = found.start()
        begins = not sentence[:start].strip("".join(_OPENINGS)) or sentence[:start].rstrip(" ")[-1:] in '.!?:…“„«"('
        if begins and not wide:
            start += len(words[0]) + 1
            words = words[1:]
        if not words or (language == "de" and len(words) < 2) or words[0].casefold() in _CALENDAR:
            continue
        name = sentence[start : found.end()]
        if len(name) > 2:
            yield _News(f"name {_fold(name)}", start, found.end(), _FULL_NAME if len(words) > 1 else _NAME)


def _is_known(news: _News, keys: set[str], text: str) -> bool:
    """A name is known when all of its words have been told: "Mistral" is, where "Mistral AI" was spoken of."""
    if news.key in keys:
        return True
    if not news.key.startswith("name "):
        return False
    return all(_POSSESSIVE.sub("", word) in text for word in news.key.removeprefix("name ").split())


def _join_spans(found: Sequence[_News]) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    for start, end in sorted({(news.start, news.end) for news in found}):
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return tuple(spans)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
