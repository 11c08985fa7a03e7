"""Makes aggregator/data/language_means.json anew: what vectors of headlines have in common in each language.

    python bench/language_means.py CORPUS [--write]

The headlines are those of the corpus's feeds; the labelled stories, which grouping is measured on, are not looked at.
Needs the extra `semantic`. Prints how many headlines each mean was made of, and how near the shipped means are to it.
"""

from __future__ import annotations

import argparse
import json
import random
import struct
from base64 import b64encode
from collections import defaultdict
from collections.abc import Sequence
from math import sqrt
from pathlib import Path

import feedparser

from aggregator.config.meanings import SCALE, SHIPPED, load_language_means
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.language import find_language
from aggregator.pipeline.meaning import TEST_SENTENCE, average_vectors
from aggregator.pipeline.words import clean_line

FEWEST, MOST = 30, 300
#: Of one feed in a language with many, and in one with few.
PER_FEED, PER_RARE_FEED = 40, 300
COMMON = ("en", "de")


def collect_headlines(corpus: Path) -> dict[str, list[str]]:
    """Language -> up to `MOST` different headlines, the same at every run."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(path for path in (corpus / "feeds").glob("*/*") if path.is_file()):
        document = feedparser.parse(path.read_bytes(), sanitize_html=False)
        claimed = str(document.feed.get("language") or "")
        most = PER_FEED if claimed[:2].lower() in COMMON or not claimed else PER_RARE_FEED
        for entry in document.entries[:most]:
            title = clean_line(html_to_text(entry.get("title", "")), 400)
            if len(title) >= 10:
                summary = html_to_text(entry.get("summary", ""))[:300]
                found[find_language(f"{title}\n{summary}", claimed).partition("-")[0]].add(title)
    draw = random.Random(1)
    return {
        language: draw.sample(sorted(titles), min(MOST, len(titles)))
        for language, titles in sorted(found.items())
        if len(titles) >= FEWEST and language != "und"
    }


def pack(vector: Sequence[float]) -> str:
    return b64encode(struct.pack(f">{len(vector)}h", *(round(value * SCALE) for value in vector))).decode()


def compare(one: Sequence[float], other: Sequence[float]) -> float:
    dot = sum(left * right for left, right in zip(one, other, strict=True))
    return dot / sqrt(sum(value * value for value in one) * sum(value * value for value in other))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="the corpus folder")
    parser.add_argument("--write", action="store_true", help="write the file; otherwise only compare")
    asked = parser.parse_args()
    headlines = collect_headlines(asked.corpus)
    means = {language: average_vectors(titles) for language, titles in headlines.items()}
    means["und"] = tuple(sum(column) / len(column) for column in zip(*means.values(), strict=True))
    means["test"] = average_vectors([TEST_SENTENCE])
    shipped = dict(load_language_means()) if SHIPPED.exists() else {}
    for language, mean in means.items():
        near = f"{compare(mean, shipped[language]):.4f}" if language in shipped else "none shipped"
        print(f"{language:5} {len(headlines.get(language, ())):4} headlines, likeness to the shipped mean: {near}")
    if asked.write:
        SHIPPED.write_text(json.dumps({language: pack(mean) for language, mean in means.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
