"""Tags held against labels: companies and products of labelled news items, and of a newsletter's descriptions.

    python bench/tagging.py [--items FILE] [--newsletter FOLDER] [--errors] [--extras 100] [--seed 1]

Every text goes through the product's own `find_tags` with the shipped taxonomy. Items are parted by a hash of their
id: the even half may be read while the taxonomy is written, the odd half never; ``--errors`` lists mistakes of the even
half only. ``--extras`` prints tags of the newsletter's descriptions that its own labels lack, for judging by eye.

A label counts as found when the tag that bears its name was found by words of its own, or is the brand inside the name
of a product that was found (GitHub Copilot gives GitHub). A label that no tag bears is a miss.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aggregator.config.taxonomy import load_tag_rules
from aggregator.model.tag import TagEvidence, TagKind, TagRule, TagRules
from aggregator.pipeline.tag import find_tags
from aggregator.pipeline.tag.folding import fold_label, holds, make_plain, view_text
from aggregator.pipeline.tag.matching import Matcher, get_matcher, iter_found

CORPUS = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
KINDS: dict[str, TagKind] = {"orgs": "org", "products": "product"}

#: Labels that name a tag in words which nobody would search a text for.
NAMES: dict[str, str] = {
    "Block": "block",
    "Claude Mythos": "claude-mythos",
    "Cursor Composer 2.5": "cursor-composer",
    "Galaxy S26": "galaxy",
    "Perplexity Computer": "perplexity-computer",
    "X": "x-corp",
}
#: Labels of the newsletter that mean another of our slugs than the one spelt alike.
NEWSLETTER: dict[str, str] = {
    "meta-ai-fair": "meta",
    "berkeley": "uc-berkeley",
    "thinking-machines": "thinking-machines-lab",
    "lm-arena": "lmarena",
    "lmsys": "lmarena",
    "llama-cpp": "llama.cpp",
    "openai-devs": "openai",
}


@dataclass(slots=True)
class Score:
    """Labels found, tags without a label, labels not found."""

    right: int = 0
    extra: int = 0
    missed: int = 0

    def __str__(self) -> str:
        precision = self.right / max(1, self.right + self.extra)
        recall = self.right / max(1, self.right + self.missed)
        both = 2 * precision * recall / max(1e-9, precision + recall)
        return f"{self.right + self.missed} | {precision:.3f} | {recall:.3f} | {both:.3f}"


@dataclass(slots=True)
class Finding:
    """What differs in one item, by kind: slugs without a label, labels without their slug."""

    item: Mapping[str, Any]
    extra: dict[str, list[str]] = field(default_factory=dict)
    missed: dict[str, list[str]] = field(default_factory=dict)


class Lookup:
    """Labels -> slugs by the taxonomy's own names and patterns."""

    def __init__(self, rules: TagRules) -> None:
        self.matcher = get_matcher(rules)
        self.rules = rules.rules
        self._known: dict[tuple[str, str], str] = {}

    def find(self, label: str, kind: TagKind, names: Mapping[str, str] = NAMES) -> str:
        """The slug of ``kind`` that is named ``label``; empty when there is none."""
        if label in names:
            return names[label]
        if (label, kind) not in self._known:
            self._known[label, kind] = next(self._search(label, kind), "")
        return self._known[label, kind]

    def _search(self, label: str, kind: TagKind) -> Iterator[str]:
        """As the label is read when it stands alone; then its words in any case."""
        for found in iter_found(self.matcher, view_text(label, "en"), "en"):
            if (found.start, found.end) == (0, len(label)) and found.needle.rule.tag.kind == kind:
                yield found.needle.rule.tag.slug
        yield from (rule.tag.slug for rule in self.matcher.by_label.get(fold_label(label), ()) if rule.tag.kind == kind)
        plain, key = make_plain(label), fold_label(label)
        for rule in self.rules:
            if rule.tag.kind == kind and (fold_label(rule.tag.name) == key or fits_pattern(rule, plain)):
                yield rule.tag.slug


def fits_pattern(rule: TagRule, label: str) -> bool:
    """Whether the whole label, in any case, is one find of one of the rule's patterns."""
    needles = get_matcher(TagRules(rules=(rule,))).needles if any(alias.pattern for alias in rule.aliases) else ()
    patterns = [needle.pattern.pattern for shared in needles for needle in shared if needle.pattern is not None]
    return any(re.fullmatch(pattern, label, re.IGNORECASE) for pattern in patterns)


def tag(title: str, text: str, language: str, rules: TagRules) -> tuple[TagEvidence, ...]:
    return find_tags(title=title, text=text, categories=(), url="", language=language, feed_tags=(), rules=rules)


def find_own(evidence: Sequence[TagEvidence], lookup: Lookup) -> dict[str, set[str]]:
    """Slugs by kind of label: found by their own words, or a brand within the name of what brought them along."""
    found: dict[str, set[str]] = {"orgs": set(), "products": set()}
    for one in evidence:
        if not one.rule.startswith("parent:"):
            for name, kind in KINDS.items():
                if one.kind == kind:
                    found[name].add(one.slug)
        elif one.kind == "org" and is_brand(one, lookup.matcher):
            found["orgs"].add(one.slug)
    return found


def is_brand(one: TagEvidence, matcher: Matcher) -> bool:
    """Whether a company that a product brought along is named in the product's words."""
    child = matcher.by_slug[one.rule.removeprefix("parent:")]
    aliases = matcher.by_slug[one.slug].aliases
    return child.tag.kind == "product" and any(
        not alias.pattern and holds(fold_label(one.found), alias.text) for alias in aliases
    )


def compare(item: Mapping[str, Any], rules: TagRules, lookup: Lookup, scores: Mapping[str, Score]) -> Finding:
    own = find_own(tag(item["title"], item["summary"], item["lang"], rules), lookup)
    finding = Finding(item)
    for name, kind in KINDS.items():
        wanted = {label: lookup.find(label, kind) for label in item[name]}
        finding.missed[name] = [label for label, slug in wanted.items() if slug not in own[name]]
        finding.extra[name] = sorted(own[name].difference(wanted.values()))
        named = {slug or label for label, slug in wanted.items()}
        right = len(own[name].intersection(named))
        scores[name].right += right
        scores[name].missed += len(named) - right
        scores[name].extra += len(finding.extra[name])
    return finding


def is_even(name: str) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest()[-1], 16) % 2 == 0


def report_items(path: Path, rules: TagRules, *, errors: bool) -> None:
    items = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lookup = Lookup(rules)
    print(
        f"\n{path.name}: {len(items)} items\n\n"
        "| half | kind | labels | precision | recall | F1 |\n|---|---|---|---|---|---|"
    )
    findings: list[Finding] = []
    for half in ("even", "odd"):
        scores = {name: Score() for name in KINDS}
        for item in items:
            if is_even(item["id"]) is (half == "even"):
                finding = compare(item, rules, lookup, scores)
                findings += [finding] if half == "even" else []
        for name, score in scores.items():
            print(f"| {half} | {name} | {score} |")
    if errors:
        for name, kind in KINDS.items():
            list_errors(findings, name, lambda label, kind=kind: bool(lookup.find(label, kind)))


def list_errors(findings: Iterable[Finding], name: str, has_rule: Any) -> None:
    """Mistakes of the even half, the most frequent first."""
    extra, missed, shown = Counter[str](), Counter[str](), dict[str, str]()
    for one in findings:
        for slug in one.extra[name]:
            extra[slug] += 1
            shown[f"+{slug}"] = f"{one.item['id']} {one.item['title'][:100]} / {one.item['summary'][:160]}"
        for label in one.missed[name]:
            missed[label] += 1
            shown[f"-{label}"] = f"{one.item['id']} {one.item['title'][:100]} / {one.item['summary'][:160]}"
    for mark, counter in (("+", extra), ("-", missed)):
        print(f"\n{name}: {'tags without a label' if mark == '+' else 'labels not found'}, {counter.total()}")
        for word, count in counter.most_common():
            hint = "" if mark == "+" or has_rule(word) else " (no rule)"
            print(f"  {mark}{word} {count}{hint}: {shown[mark + word]}")


# The newsletter


def read_labels(folder: Path) -> dict[tuple[str, str], str]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as lines:
        return {(row["kind"], row["label"]): row["canonical"] for row in csv.DictReader(lines)}


def report_newsletter(folder: Path, rules: TagRules, *, extras: int, seed: int) -> None:
    """Recall of the labels whose own words stand in the description; extras to be judged."""
    folds, lookup = read_labels(folder), Lookup(rules)
    issues = [json.loads(line) for line in (folder / "ainews-dev.jsonl").read_text(encoding="utf-8").splitlines()]
    found, missed, others = Counter[str](), dict[str, Counter[str]](), list[tuple[str, TagEvidence, str]]()
    for issue in issues:
        text = issue["title"] + "\n" + issue["description"].replace("**", "")
        evidence = tag(issue["title"], issue["description"].replace("**", ""), "en", rules)
        bears = {one.slug for one in evidence}
        wanted: set[str] = set()
        for kind, labels in (("company", issue["companies"]), ("model", issue["models"])):
            for label in labels:
                slug = find_slug(folds.get((kind, label), label), kind, lookup)
                wanted.add(slug)
                if names(text, label, folds.get((kind, label), label)):
                    found[kind] += slug in bears
                    if slug not in bears:
                        missed.setdefault(kind, Counter())[label] += 1
        others += [
            (issue["file"], one, text)
            for one in evidence
            if one.kind != "topic" and one.slug not in wanted and not one.rule.startswith("parent:")
        ]
    print(f"\n{folder.name}: {len(issues)} issues\n\n| kind | labels named in the text | recall |\n|---|---|---|")
    for kind in ("company", "model"):
        total = found[kind] + missed.get(kind, Counter()).total()
        print(f"| {kind} | {total} | {found[kind] / max(1, total):.3f} |")
    print(f"extra companies and products: {len(others)}")
    if extras:
        for kind, counter in missed.items():
            print(f"\n{kind} missed: " + ", ".join(f"{label} {count}" for label, count in counter.most_common()))
        for file, one, text in random.Random(seed).sample(others, min(extras, len(others))):
            place = text.find(one.found)
            print(f"\n{one.slug} ({one.rule}, {one.found!r}) {file}\n    {text[max(0, place - 90) : place + 90]!r}")


def find_slug(label: str, kind: str, lookup: Lookup) -> str:
    """A newsletter's label is spelt like a slug: ``claude-3.5-sonnet``. Either kind serves, Claude is its company."""
    if label in NEWSLETTER:
        return NEWSLETTER[label]
    kinds: tuple[TagKind, ...] = ("org", "product") if kind == "company" else ("product", "org")
    if label in lookup.matcher.by_slug:
        return label
    spellings = (label, label.replace("-", " "))
    return next((slug for one in kinds for words in spellings if (slug := lookup.find(words, one, {}))), "")


def names(text: str, *labels: str) -> bool:
    padded = f" {fold_label(''.join(c if c.isalnum() or c in '.-+' else ' ' for c in text)).replace('. ', ' ')} "
    return any(f" {fold_label(label)} " in padded for label in labels)


def report_speed(path: Path, rules: TagRules) -> None:
    items = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    tag("warm", "", "zh", rules)
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        for item in items:
            tag(item["title"], item["summary"], item["lang"], rules)
        best = min(best, time.process_time() - started)
    print(f"\n{best / len(items) * 1e6:.0f} µs an item, title and summary")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, default=CORPUS / "stories" / "dev.jsonl")
    parser.add_argument("--newsletter", type=Path, default=CORPUS / "tagging")
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--extras", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rules = load_tag_rules([])
    counts = Counter(rule.tag.kind for rule in rules.rules)
    print(", ".join(f"{count} {kind}s" for kind, count in sorted(counts.items())))
    if given.items.exists():
        report_items(given.items, rules, errors=given.errors)
        report_speed(given.items, rules)
    if given.newsletter.exists():
        report_newsletter(given.newsletter, rules, extras=given.extras, seed=given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
