"""Rules and tags that the desk sets: kept, obeyed from now on, and by what is stored. Never judges an entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.account import Change, Setting
from aggregator.storage import audit
from aggregator.storage.audit import Connection
from aggregator.tasks.desk.settings import adopt_settings
from aggregator.tasks.desk.undone import record_undo
from aggregator.tasks.tag import plan_retagging

RULES, TAGS = "rules", "tags"


def get_setting(app: App, name: str) -> Setting | None:
    """What the desk says of a section; None: nothing."""
    with app.db.read() as conn:
        return audit.list_settings(conn).get(name)


def list_rules(app: App) -> list[Mapping[str, Any]]:
    """The list that holds, as config.yaml would have it: the desk's, else the file's."""
    said = get_setting(app, RULES)
    return list(said.value) if said is not None else [rule for rule, _ in app.settings.origins.rules]


def set_rules(
    app: App, rules: Sequence[Mapping[str, Any]] | None, *, who: str, action: str, title: str = "", seen: Any = ...
) -> int:
    """This list stands in place of the file's; None: the file's holds again. The line in the log.

    ``seen``: the list that was changed; when another holds meanwhile, nothing is done. Raises `ConfigError` with every
    mistake, and `UsageError`.
    """
    assert app.layers is not None
    if rules is not None:
        app.layers.check_rules(rules, app.settings.tag_rules)
    value = None if rules is None else [dict(rule) for rule in rules]
    return _set(app, RULES, value, who=who, action=action, title=title, seen=seen)


def set_tags(
    app: App, added: Mapping[str, Any] | None, *, who: str, action: str, title: str = "", seen: Any = ...
) -> int:
    """These tags, as a tag file has them, come on top of all files. As `set_rules`."""
    assert app.layers is not None
    if added is not None:
        app.layers.check_tags(added)
    return _set(app, TAGS, added or None, who=who, action=action, title=title, seen=seen)


def _set(app: App, name: str, value: Any, *, who: str, action: str, title: str, seen: Any) -> int:
    with app.db.write() as conn:
        before = _read(conn, name)
        if seen is not ... and before != seen:
            raise UsageError("somebody else has changed this meanwhile: look at it, and say it again")
        if before == value:
            raise UsageError("nothing is other than it was")
        audit.set_setting(conn, name, value, who=who, now=app.now())
        line = audit.record(
            conn, who=who, action=action, subject=f"setting:{name}", title=title, before=before, after=value,
            now=app.now(),
        )  # fmt: skip
    obey(app)
    return line


def _read(conn: Connection, name: str) -> Any:
    said = audit.list_settings(conn, lock=True).get(name)
    return said.value if said is not None else None


def undo(app: App, change: Change, *, who: str) -> int:
    """What stood there before holds again, unless something else was said since. Raises `UsageError`."""
    name = change.subject.partition(":")[2]
    with app.db.write() as conn:
        if _read(conn, name) != change.after:
            raise UsageError("it was changed since")
        audit.set_setting(conn, name, change.before, who=who, now=app.now())
        line = record_undo(app, conn, change, who=who, before=change.after)
    obey(app)
    return line


def obey(app: App) -> None:
    """Here and now; what is stored is judged again in the rounds of the daemon."""
    adopt_settings(app)
    plan_retagging(app)
