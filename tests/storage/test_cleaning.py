"""Stored entries cleaned by a better policy: what readers see of that, and what waits for tags again."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from aggregator.model.parsed import Enclosure
from aggregator.storage import changes, cleaning
from aggregator.storage.engine import Database
from aggregator.storage.schema import entry_changes
from tests.storage.samples import NOW, make_entry, save_entries, tag_entries

ENCLOSURE = Enclosure(url="https://a.example/1.mp3", type="audio/mpeg", length=7)


@pytest.mark.parametrize(
    ("other", "count"),
    [
        ({}, 0),
        ({"title": "Another title"}, 1),
        ({"content_html": "<p>other</p>"}, 1),
        ({"url": "https://a.example/other"}, 1),
        ({"canonical_url": "https://a.example/other"}, 1),
        ({"categories": ("News", "robots")}, 1),
        ({"enclosures": ()}, 1),
    ],
)
def test_whatever_is_shown_otherwise_is_counted_and_tagged_again(
    db: Database, other: dict[str, Any], count: int
) -> None:
    said: dict[str, Any] = {"categories": ("News",), "enclosures": (ENCLOSURE,)}
    with db.write() as conn:
        (number,) = save_entries(conn, make_entry("1", **said))
        tag_entries(conn, {number: ()})
        changed = cleaning.save_cleaned(conn, {number: make_entry("1", **(said | other), policy_version=2)}, now=NOW)
        waiting = conn.execute(sa.select(sa.func.count()).select_from(entry_changes)).scalar_one()

        assert (changed, waiting) == (count, count)
        assert changes.find_lag(conn, NOW)[0] == count
