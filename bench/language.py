"""Languages held against labels: titles and summaries of recorded feeds, and of labelled news items.

    python bench/language.py [--errors]

The truth of a feed is what the corpus's list says of it, else what the feed says of itself, where either names a
language; it was checked by eye where the product disagreed, and `TRUTH` names what is otherwise: feeds whose word is
wrong, or which hold several languages (not counted). Every entry goes through the product's own `enrich_entry`, with
its feed's claim as it comes ("with the claim"), and its title and text once more without any ("text alone"), where
there are at least forty columns of letters. News items have a language each, given with the data.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from recorded import CORPUS, iter_recorded

from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.language import find_language

LANGUAGES = ("en", "ja", "zh", "ko", "de", "fr", "es")
#: What labels say wrongly, or leave open: file -> language; empty: several, or none that a reader could name.
TRUTH = {
    "feeds/general/areweanticheatyet.com.rss20.xml": "",  # notes in English about games named in any language
    "feeds/general/avandeursen.com.rss20.xml": "",  # English and Dutch
    "feeds/general/fale.io.rss20.xml": "",  # English and Italian
    "feeds/samples/picofeed_sametmax.xml": "fr",  # says en
    "feeds/samples/plagger_monkey.rss": "",  # names of videos in any language
    "feeds/world/plagger_atom-related.xml": "",  # bookmarks in Japanese and English
    "feeds/world/plagger_mixed_nolang.xml": "",  # a text in each of several languages
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One text whose language is known."""

    place: str
    title: str
    text: str
    claim: str
    truth: str
    found: str


def read_labels() -> dict[str, str]:
    with (CORPUS / "MANIFEST.csv").open(encoding="utf-8", newline="") as lines:
        return {row["file"]: row["language"] for row in csv.DictReader(lines)}


def iter_feed_cases() -> Iterator[Case]:
    """One for each different entry of feeds whose language is known."""
    labels, seen = read_labels(), set[tuple[str, str]]()
    for feed in chain(iter_recorded(), iter_recorded(folder="hostile/encodings-made")):
        said = primary(feed.document.language)
        label = labels.get(feed.name, "")
        truth = TRUTH.get(feed.name, said if label in ("", "und") else label)
        for entry in feed.entries:
            key = (entry.title, entry.content_html[:200])
            if truth in LANGUAGES and key not in seen:
                seen.add(key)
                text = html_to_text(entry.content_html)
                claim = entry.parsed.language or feed.document.language
                yield Case(
                    place=feed.name, title=entry.title, text=text, claim=claim, truth=truth, found=entry.language
                )


def iter_news_cases() -> Iterator[Case]:
    for line in (CORPUS / "stories" / "dev.jsonl").read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        found = find_language(f"{item['title']}\n{item['summary']}", item["lang"])
        yield Case(
            place=item["id"], title=item["title"], text=item["summary"], claim="", truth=item["lang"], found=found
        )


def primary(tag: str) -> str:
    return tag.partition("-")[0].partition("_")[0].lower()


def has_enough(case: Case) -> bool:
    return sum(2 if letter >= "\u3040" else 1 for letter in case.title + case.text[:200] if letter.isalpha()) >= 40


def report(name: str, cases: list[Case], *, errors: bool) -> None:
    with_claim, alone = defaultdict[str, Counter[bool]](Counter), defaultdict[str, Counter[bool]](Counter)
    for case in cases:
        with_claim[case.truth][primary(case.found) == case.truth] += 1
        if has_enough(case):
            unclaimed = primary(find_language(f"{case.title}\n{case.text}", ""))
            alone[case.truth][unclaimed == case.truth] += 1
            if errors and unclaimed != case.truth:
                print(f"  alone {case.truth} -> {unclaimed} {case.place}: {case.title[:60]} / {case.text[:80]!r}")
        if errors and primary(case.found) != case.truth:
            print(f"  claim {case.truth} -> {case.found} {case.place}: {case.title[:60]} / {case.text[:80]!r}")
    print(f"\n{name}\n\n| language | with the claim | right | text alone | right |\n|---|---|---|---|---|")
    for language in [*(one for one in LANGUAGES if one in with_claim), "all"]:
        row = [language]
        for counts in (with_claim, alone):
            count = sum(counts.values(), Counter[bool]()) if language == "all" else counts[language]
            right = f"{count[True] / count.total():.1%}" if count.total() else "none"
            row += [f"{count[True]}/{count.total()}", right]
        print(f"| {' | '.join(row)} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--errors", action="store_true")
    given = parser.parse_args()
    report("Entries of recorded feeds", list(iter_feed_cases()), errors=given.errors)
    report("Labelled news items (no claim but their own label)", list(iter_news_cases()), errors=given.errors)
    return 0


if __name__ == "__main__":
    sys.exit(main())
