"""How much room there is for the database. Never makes any."""

from __future__ import annotations

import shutil
from pathlib import Path

from aggregator.app import App


def measure_disk(app: App) -> tuple[int, int] | None:
    """Free and whole, in bytes; None where the database is a server's, or nobody can say."""
    if app.db.dialect != "sqlite":
        return None
    try:
        found = shutil.disk_usage(Path(app.db.engine.url.database or "."))
    except OSError:
        return None
    return found.free, found.total
