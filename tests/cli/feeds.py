"""Invented feeds for the commands to read."""

from __future__ import annotations

from collections.abc import Sequence


def make_rss(*items: str, title: str = "Harbour Wire") -> bytes:
    """An RSS document around ``items``, each the inside of an <item>."""
    body = "".join(f"<item>{item}</item>" for item in items)
    return f'<rss version="2.0"><channel><title>{title}</title>{body}</channel></rss>'.encode()


def make_item(number: int, day: str, title: str = "") -> str:
    """One whole item; ``day`` as ``01 Dec 2025``."""
    name = title or f"OpenAI ships part {number} of its harbour crane software"
    return (
        f"<title>{name}</title><link>https://wire.example.com/{number}</link>"
        f"<guid isPermaLink='false'>wire-{number}</guid><pubDate>{day} 12:00:00 GMT</pubDate>"
        f"<description>The crane number {number} lifts boxes.</description>"
    )


def make_items(days: Sequence[str]) -> list[str]:
    """Unlike stories, one a day."""
    subjects = ("OpenAI opens a port office", "Anthropic paints its ships", "Nvidia cools a warehouse with sea water")
    return [make_item(number, day, subjects[number % 3]) for number, day in enumerate(days)]
