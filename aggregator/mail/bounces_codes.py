"""Whose fault a refusal is, by its codes and words; and which mails are a machine's answer. The table is data.

``aggregator/data/bounces.toml`` is the one place where a code or a sentence gets its meaning. Pure but for reading it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

Verdict = Literal["hard", "soft", "policy"]

#: Not a part of a version number, a date or an IP address. The first number is 2, 4 or 5 and both others are short.
STATUS = re.compile(r"(?<![\d.\w-])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
#: The reply code of SMTP: "550 no", "550-5.1.1 no", "said:550 no".
CODE = re.compile(r"(?<![A-Za-z0-9.,+@_/-])([245]\d\d)(?=[ -]|$)")
#: Words of a server that are looked at; they come from outside.
_MAX_WORDS = 4_000
_ADDRESSES = re.compile(r"[^\s<>()\[\]\"',;:]{1,128}@[^\s<>()\[\]\"',;]{1,255}|https?://\S{1,500}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The data file, ready to be asked."""

    #: "5.1.1" or "5.7" -> verdict, or "words".
    codes: Mapping[str, str]
    policy: re.Pattern[str]
    soft: re.Pattern[str]
    hard: re.Pattern[str]
    reply_headers: tuple[tuple[str, re.Pattern[str]], ...]
    reply_subjects: re.Pattern[str]
    complaints: frozenset[str]


@cache
def load_table() -> Table:
    """Read once, when the first mail came back."""
    text = resources.files("aggregator").joinpath("data", "bounces.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    words, replies = data["words"], data["replies"]
    return Table(
        codes={code: verdict for verdict, codes in data["codes"].items() for code in codes},
        policy=_any_of(words["policy"]),
        soft=_any_of(words["soft"]),
        hard=_any_of(words["hard"]),
        reply_headers=tuple((name, re.compile(begin, re.IGNORECASE)) for name, begin in replies["headers"]),
        reply_subjects=_any_of(replies["subjects"]),
        complaints=frozenset(data["feedback"]["complaints"]),
    )


def judge(status: str, code: int, words: str) -> Verdict:
    """Return what a refusal means. ``status``: the enhanced code, ``code``: SMTP's; each may be missing."""
    table = load_table()
    if status.startswith("4") or (not status and 400 <= code < 500):
        return "soft"
    known = table.codes.get(status) or table.codes.get(status.rpartition(".")[0])
    if known == "soft":
        return "soft"
    if known == "policy":
        return "policy"
    said = clean_words(words)
    if table.policy.search(said):
        return "policy"
    if known == "hard":
        # Google's 5.2.1 is a closed account, or one that gets too much at the moment.
        return "soft" if table.soft.search(said) else "hard"
    if status and known is None:
        return "soft"
    if table.soft.search(said) or not table.hard.search(said):
        return "soft"
    return "hard"


def judge_words(words: str) -> Verdict | None:
    """Return what a sentence says by itself; None: nothing that is known."""
    table, said = load_table(), clean_words(words)
    found: tuple[tuple[Verdict, re.Pattern[str]], ...] = (
        ("policy", table.policy),
        ("soft", table.soft),
        ("hard", table.hard),
    )
    return next((verdict for verdict, pattern in found if pattern.search(said)), None)


def clean_words(words: str) -> str:
    """Return words without addresses and links, whose names prove nothing: bob@nospam.example."""
    return " ".join(_ADDRESSES.sub(" ", words[:_MAX_WORDS]).split())


def find_status(words: str) -> str:
    """Return the first enhanced status code that is no success; empty: none."""
    found = (match for match in STATUS.finditer(words[:_MAX_WORDS]) if match[1] != "2")
    return next((".".join(str(int(part)) for part in match.groups()) for match in found), "")


def find_code(words: str) -> int:
    """Return the first SMTP reply code that is no success; 0: none."""
    return next((int(match[1]) for match in CODE.finditer(words[:_MAX_WORDS]) if match[1][0] != "2"), 0)


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE | re.MULTILINE)
