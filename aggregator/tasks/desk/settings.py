"""What the desk sets beside the configuration: every process has it soon after it was said. Never reads a file."""

from __future__ import annotations

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.storage import audit

log = get_logger(__name__)


def adopt_settings(app: App) -> bool:
    """Let ``app`` have what the desk has said meanwhile; whether that was anything. Costs one row where it was not.

    What cannot be read any more (a tag that is gone, a newer program's word) is logged, and the file's own holds.
    """
    layers = app.layers
    if layers is None:
        return False
    with app.db.read() as conn:
        mark = audit.get_settings_mark(conn)
        if mark == layers.mark:
            return False
        said = audit.list_settings(conn)
    app.settings, layers.mark = layers.read(said), mark
    for problem in layers.problems:
        log.warning("desk.setting", problem=str(problem))
    return True
