"""What the desk sets beside the configuration: every process has it soon. Never decides what it means."""

from __future__ import annotations

from threading import Lock

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.storage import audit

log = get_logger(__name__)

#: Held by the thread that lets the process have new settings: an older word would stand with the mark of a newer.
_ADOPTING = Lock()


def get_mark(app: App) -> str:
    """Of what the desk has said as far as ``app`` obeys it; to be asked before `App.settings` is read."""
    return app.layers.mark if app.layers is not None else ""


def is_outdated(app: App, conn: audit.Connection, mark: str) -> bool:
    """Whether the desk has said more since ``mark``. If not, it says nothing before this transaction has ended."""
    return app.layers is not None and audit.get_settings_mark(conn, lock=True) != mark


def forget_written(app: App) -> None:
    """What the configuration itself says by now is said by the desk no more: its next words count again."""
    if app.layers is None:
        return
    with app.db.read() as conn:
        said = audit.list_settings(conn)
    written = {name: one.value for name, one in said.items() if app.layers.is_written(name, one.value)}
    if not written:
        return
    with app.db.write() as conn:
        now = app.now()
        still = {name: one.value for name, one in audit.list_settings(conn, lock=True).items()}
        for name in [name for name, value in written.items() if name in still and still[name] == value]:
            audit.set_setting(conn, name, None, who="command", now=now)
            subject = f"setting:{name}"
            audit.record(conn, who="command", action="setting.written", subject=subject, before=written[name], now=now)


def adopt_settings(app: App) -> bool:
    """Let ``app`` have what the desk has said meanwhile; whether that was anything. Costs one row where it was not.

    What cannot be read any more (a tag that is gone, a newer program's word) is logged, and the file's own holds.
    """
    layers = app.layers
    if layers is None:
        return False
    with app.db.read() as conn:
        if audit.get_settings_mark(conn) == layers.mark:
            return False
    with _ADOPTING:
        with app.db.read() as conn:
            mark, said = audit.get_settings_mark(conn), audit.list_settings(conn)
        if mark == layers.mark:  # another thread has done it
            return False
        app.settings, layers.mark = layers.read(said), mark
    for problem in layers.problems:
        log.warning("desk.setting", problem=str(problem))
    return True
