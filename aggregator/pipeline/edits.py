"""What an edit took away and brought, as lines of plain text. Never decides whether it matters: `compare` does."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from aggregator.model.entry import EntryVersion
from aggregator.model.parsed import ParsedEntry
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.words import clean_line

#: Lines of one text that are compared with another's; the time grows with their product.
_MAX_LINES = 1_000
_MAX_CHARACTERS = 500_000
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])|\n+")


def describe_history(versions: Sequence[EntryVersion], now: ParsedEntry | None) -> list[dict[str, Any]]:
    """One document for each edit that is kept, the oldest first. ``now``: what the entry says today."""
    said = [version.parsed for version in versions]
    after = [*said[1:], now] if now is not None else said[1:]
    return [
        {
            "edited_at": version.replaced_at,
            "content_hash": version.content_hash,
            "title_before": before.title,
            "title_after": later.title,
            "changes": diff_entries(before, later),
        }
        for version, before, later in zip(versions, said, after, strict=False)
    ]


def diff_entries(before: ParsedEntry, after: ParsedEntry) -> list[str]:
    """Lines that went (``- ``) and came (``+ ``), as plain text; a long text is compared as far as `_MAX_LINES` go."""
    lines = difflib.unified_diff(_list_lines(before), _list_lines(after), n=0, lineterm="")
    return [f"{line[0]} {line[1:]}" for line in list(lines)[2:] if line[0] in "+-"]


def _list_lines(said: ParsedEntry) -> list[str]:
    """What an entry said, a sentence a line."""
    text = html_to_text((said.content_html or said.summary_html)[:_MAX_CHARACTERS])
    sentences = (part.strip() for part in _SENTENCE_END.split(text))
    dates = [f"{name}: {at.isoformat()}" for name in ("published_at", "updated_at") if (at := getattr(said, name))]
    fields = [f"title: {clean_line(said.title, 500)}", f"url: {said.url}", f"author: {said.author}", *dates]
    return [*fields, *filter(None, sentences)][:_MAX_LINES]
