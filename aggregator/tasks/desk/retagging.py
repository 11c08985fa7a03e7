"""What is stored, judged and tagged again at the editor's word, and how far that is. Never does the work: rounds do."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.app import App
from aggregator.storage import audit, changes
from aggregator.tasks.tag import plan_retagging


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Numbers of entries, which are as good as a count of them."""

    left: int
    whole: int

    @property
    def share(self) -> float:
        """From 0 to 1: how much is done."""
        return 1 - self.left / self.whole if self.whole else 1.0


def get_progress(app: App) -> Progress | None:
    """None: all that is stored has been judged."""
    with app.db.read() as conn:
        made, last = changes.get_made_with(conn), changes.get_last(conn)
    return Progress(left=min(made.below - 1, last), whole=last) if made.below > 1 and last else None


def apply_anew(app: App, *, who: str) -> int:
    """Let all that is stored be judged and tagged again; the line in the log."""
    plan_retagging(app, anew=True)
    with app.db.write() as conn:
        return audit.record(conn, who=who, action="rules.apply", subject="setting:rules", now=app.now())
