"""Who may write what, one transaction at a time. Never writes.

On SQLite each write transaction is alone anyway. On PostgreSQL two that change the same rows in another order would
wait for each other until the server ends one, and what both find missing both would write. A lock is held until its
transaction ends. Whoever needs both takes that of stories first; either comes before any row that others write, too.
"""

from __future__ import annotations

from sqlalchemy.engine import Connection

from aggregator.storage.engine import lock_name


def lock_stories(conn: Connection) -> None:
    """From now on nobody else groups, rules or scores: what is read stays true until it is written."""
    lock_name(conn, "stories")


def lock_entries(conn: Connection) -> None:
    """From now on nobody else saves entries, or what is made of them: tags, verdicts, links, counts, stories."""
    lock_name(conn, "entries")
