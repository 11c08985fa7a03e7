"""What the log says when something is taken back. Never puts anything back itself."""

from __future__ import annotations

from typing import Any

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.account import Change
from aggregator.storage import audit
from aggregator.storage.audit import Connection


def record_undo(
    app: App, conn: Connection, change: Change, *, who: str, before: Any = None, after: dict[str, Any] | None = None
) -> int:
    """The line of it, in the transaction that put back what was before. Raises `UsageError` when it is the second."""
    line = audit.record(
        conn,
        who=who,
        action="undo",
        subject=change.subject,
        title=change.title,
        before=before,
        after={"change": change.id, **(after or {})},
        now=app.now(),
    )
    if not audit.mark_undone(conn, change.id, line):
        raise UsageError("this was taken back already")
    return line
