"""Stories held against labels: 960 real entries of three windows, grouped by the program itself.

    python bench/stories.py [--items FILE] [--direct] [--errors] [--baselines]

Each publisher becomes a feed on 127.0.0.1; `fetch --all` reads them, `stories list --json` says what became of them.
``--direct`` calls `find_tags` and `group_entries` in this process instead, without feeds and database: quick, for
trying things out. Stories are parted by a hash of their label: the even half may be read while the rules are written,
the odd half never; ``--errors`` lists mistakes of the even half only. ``--baselines``: every item alone, and TF-IDF of
3-5-grams with average link at the threshold that is best for these very items.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import combinations
from math import log, sqrt
from pathlib import Path
from typing import Any

from bcubed import HEADER, Item, measure
from clients import PROJECT, write_config

CORPUS = PROJECT.parent / "shared" / "corpus" / "stories" / "dev.jsonl"
WINDOW = timedelta(days=3)
Rows = Sequence[Mapping[str, Any]]
Groups = dict[str, object]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, default=CORPUS)
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--baselines", action="store_true")
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.items.read_text(encoding="utf-8").splitlines()]
    print("`find_tags` and `group_entries` called directly" if options.direct else "through the program")
    groups = group_directly(rows) if options.direct else group_by_program(rows)
    report(rows, groups)
    if options.baselines:
        print("every item alone")
        report(rows, {row["id"]: row["id"] for row in rows})
        groups, threshold = group_by_grams(rows)
        print(f"TF-IDF of 3-5-grams, average link at {threshold}")
        report(rows, groups)
    if options.errors:
        list_errors(rows, group_directly(rows) if options.direct else groups)
    return 0


def report(rows: Rows, groups: Groups) -> None:
    """All, halves, windows and both, as a Markdown table."""
    parts: dict[str, list[Item]] = defaultdict(list)
    for row in rows:
        item = Item(id=row["id"], story=row["story"], language=row["lang"])
        window, half = row["story"].partition("/")[0], "tuned half" if is_even(row) else "untouched half"
        for name in ("all", half, window, f"{window}, {half}"):
            parts[name].append(item)
    print(HEADER)
    for name in sorted(parts, key=lambda name: (", " in name, name[0].isdigit(), name)):
        print(f"| {name} | {measure(parts[name], groups).to_line()} |")
    sizes = Counter(groups[row["id"]] for row in rows)
    print(f"{len(sizes)} stories, {sum(count > 1 for count in sizes.values())} of more than one entry\n")


def is_even(row: Mapping[str, Any]) -> bool:
    """Whether a story belongs to the half that may be read."""
    return int(hashlib.sha256(row["story"].encode()).hexdigest()[0], 16) % 2 == 0


# Through the program


def group_by_program(rows: Rows) -> Groups:
    """Item id -> story id, as `stories list` says."""
    by_source: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_source[row["source"]].append(row)
    documents = {f"/{number}.xml": make_feed(name, of) for number, (name, of) in enumerate(by_source.items())}
    with serve(documents) as port, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_config(folder, [f"http://127.0.0.1:{port}{path}" for path in documents])
        run(config, "fetch", "--all")
        found = json.loads(run(config, "stories", "list", "--json", "--limit", "0"))
    groups: Groups = {entry["guid"].removeprefix("urn:item:"): s["id"] for s in found for entry in s["entries"]}
    missing = [row["id"] for row in rows if row["id"] not in groups]
    if missing:
        print(f"not stored: {' '.join(missing)}")
        groups |= {number: number for number in missing}
    return groups


def make_feed(name: str, rows: Rows) -> bytes:
    """RSS with the items of one publisher."""
    items = "".join(
        f"<item><guid isPermaLink='false'>urn:item:{row['id']}</guid><title>{escape(row['title'])}</title>"
        f"<link>{escape(row['url'])}</link><description>{escape(escape(row['summary']))}</description>"
        f"<pubDate>{format_datetime(datetime.fromisoformat(row['published']))}</pubDate></item>"
        for row in rows
    )
    (language, _), *_ = Counter(row["lang"] for row in rows).most_common(1)
    head = f"<title>{escape(name)}</title><link>https://example.org/</link><language>{language}</language>"
    return f"<rss version='2.0'><channel>{head}{items}</channel></rss>".encode()


@contextmanager
def serve(documents: Mapping[str, bytes]) -> Iterator[int]:
    """A port of 127.0.0.1 where they lie."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = documents.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/rss+xml")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def run(config: Path, *words: str) -> str:
    """One command of the program; its output."""
    command = [sys.executable, "-m", "aggregator", *words, "--config", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    found = subprocess.run(command, cwd=config.parent, env=environment, capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit(f"{' '.join(words)}: {found.stderr[-2000:]}")
    return found.stdout


# In this process


def group_directly(rows: Rows) -> Groups:
    from aggregator.config.events import load_lexicon
    from aggregator.config.taxonomy import load_tag_rules
    from aggregator.model.ids import EntryId, FeedId
    from aggregator.model.story import GroupCandidate
    from aggregator.pipeline.excerpt import make_excerpt
    from aggregator.pipeline.group import group_entries
    from aggregator.pipeline.tag import find_tags
    from aggregator.pipeline.urls import canonicalize_url

    rules, feeds = load_tag_rules(()), dict[str, int]()
    candidates = []
    for number, row in enumerate(rows, 1):
        tags = find_tags(
            title=row["title"],
            text=row["summary"],
            categories=(),
            url=row["url"],
            language=row["lang"],
            feed_tags=(),
            rules=rules,
        )
        candidates.append(
            GroupCandidate(
                id=EntryId(number),
                story_id=None,
                feed_id=FeedId(feeds.setdefault(row["source"], len(feeds) + 1)),
                feed_weight=1.0,
                canonical_url=canonicalize_url(row["url"]),
                title=row["title"],
                language=row["lang"],
                effective_at=datetime.fromisoformat(row["published"]),
                url=row["url"],
                summary=make_excerpt(row["summary"], row["lang"]),
                tags=tuple(tag for tag in tags if tag.kind != "topic"),
            )
        )
    stories = group_entries(candidates, (), load_lexicon())
    return {rows[entry - 1]["id"]: place for place, story in enumerate(stories) for entry in story.entry_ids}


# A baseline


def group_by_grams(rows: Rows) -> tuple[Groups, float]:
    """The groups at the threshold with the best BCubed F1, and the threshold."""
    items = [Item(id=row["id"], story=row["story"], language=row["lang"]) for row in rows]
    vectors = make_vectors([row["title"] for row in rows])
    moments = [datetime.fromisoformat(row["published"]) for row in rows]
    likeness = {
        (one, other): similarity
        for one, other in combinations(range(len(rows)), 2)
        if abs(moments[one] - moments[other]) <= WINDOW
        and (similarity := sum(w * vectors[other].get(gram, 0.0) for gram, w in vectors[one].items())) > 0
    }
    best: tuple[float, float, Groups] = (0.0, 0.0, {})
    for threshold in (step / 100 for step in range(6, 50, 2)):
        clusters = link_averages(len(rows), likeness, threshold)
        groups: Groups = {rows[member]["id"]: place for place, of in enumerate(clusters) for member in of}
        best = max(best, (measure(items, groups).bcubed[2], threshold, groups), key=lambda found: found[0])
    return best[2], best[1]


def make_vectors(titles: Sequence[str]) -> list[dict[str, float]]:
    """Of unit length; weights are (1 + log tf) * (log(N / df) + 1)."""
    counts = [
        Counter(f" {title.lower()} "[at : at + n] for n in (3, 4, 5) for at in range(len(title) + 3 - n))
        for title in titles
    ]
    frequency = Counter(gram for of in counts for gram in of)
    vectors = []
    for of in counts:
        vector = {g: (1 + log(n)) * (log((1 + len(titles)) / (1 + frequency[g])) + 1) for g, n in of.items()}
        length = sqrt(sum(weight * weight for weight in vector.values()))
        vectors.append({gram: weight / length for gram, weight in vector.items()})
    return vectors


def link_averages(size: int, likeness: Mapping[tuple[int, int], float], threshold: float) -> list[list[int]]:
    members = {number: [number] for number in range(size)}
    sums: dict[int, dict[int, float]] = {number: {} for number in range(size)}
    for (one, other), similarity in likeness.items():
        sums[one][other] = sums[other][one] = similarity
    waiting = sorted(((s, one, other) for (one, other), s in likeness.items() if s >= threshold), reverse=True)
    while waiting:
        again: list[tuple[float, int, int]] = []
        _, one, other = waiting[0]
        for third, similarity in sums.pop(other).items():
            sums[third].pop(other)
            if third != one:
                sums[one][third] = sums[third][one] = sums[one].get(third, 0.0) + similarity
        members[one] += members.pop(other)
        for third, similarity in sums[one].items():
            if (mean := similarity / (len(members[one]) * len(members[third]))) >= threshold:
                again.append((mean, one, third))
        gone = {one, other}
        waiting = sorted([w for w in waiting if w[1] not in gone and w[2] not in gone] + again, reverse=True)
    return list(members.values())


# Mistakes


def list_errors(rows: Rows, groups: Groups) -> None:
    """Of the even half: pairs wrongly together, stories wrongly apart."""
    even = [row for row in rows if is_even(row)]
    print("wrongly together")
    for one, other in combinations(even, 2):
        if groups[one["id"]] == groups[other["id"]] and one["story"] != other["story"]:
            print(f"  {one['id']} {other['id']} | {one['title'][:90]} | {other['title'][:90]}")
    print("wrongly apart")
    by_story: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in even:
        by_story[row["story"]].append(row)
    for story, members in by_story.items():
        if len({groups[row["id"]] for row in members}) > 1:
            print(f"  {story}")
            for row in sorted(members, key=lambda row: str(groups[row["id"]])):
                print(f"    {groups[row['id']]} {row['lang']} {row['id']} {row['title'][:110]}")


if __name__ == "__main__":
    sys.exit(main())
