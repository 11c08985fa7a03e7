"""What must hold before anything else runs: a schema, an identity, the feeds of the configuration, no half-done claims.
Never fetches, never sends.
"""

from __future__ import annotations

from pathlib import Path

from aggregator.app import App
from aggregator.errors import SenderRefused, StorageError
from aggregator.log import get_logger
from aggregator.mail.headers import prove_headers
from aggregator.pipeline.lifecycle import spread_overdue as plan_overdue
from aggregator.storage import deliveries, feeds, host_leases, meta, migrate
from aggregator.storage.copying import MARK as COPYING
from aggregator.tasks.deliver import recover_dead
from aggregator.tasks.desk.settings import adopt_settings, forget_written
from aggregator.tasks.hand import get_gap
from aggregator.tasks.worker import is_dead, worker_name

log = get_logger(__name__)


def prepare_database(app: App) -> None:
    """For every command: an empty database is made, an older one is refused (`db upgrade` is the user's to say).

    Raises `SchemaMismatch` or `DatabaseUnavailable`.
    """
    if migrate.current(app.db) == "empty":
        migrate.upgrade(app.db)
    require_whole(app)
    with app.db.write() as conn:
        meta.ensure_identity(conn, site_url=app.settings.site.url, now=app.now())
        counts = feeds.sync_specs(conn, app.settings.feeds, now=app.now(), complete=app.settings.feeds_complete)
    forget_written(app)
    adopt_settings(app)
    if counts.added or counts.paused:
        log.info("feeds.synced", added=counts.added, updated=counts.updated, paused=counts.paused)


def require_whole(app: App) -> None:
    """Raises `SchemaMismatch`, or `StorageError` for a database that was copied in part only."""
    migrate.require_current(app.db)
    with app.db.read() as conn:
        if meta.get_value(conn, COPYING) is not None:
            raise StorageError(f"{app.db.url_text}: is a copy that was broken off: run `aggregator db copy` again")


def upgrade_database(app: App, backups: Path) -> Path | None:
    """For the daemon and ``db upgrade``: back up, then migrate, when the schema is older; the backup's path."""
    if migrate.current(app.db) != "older":
        return None
    saved = migrate.backup(app.db, backups, app.now())
    migrate.upgrade(app.db)
    log.info("database.upgraded", backup=str(saved) if saved else "none")
    return saved


def recover_claims(app: App, *, ours: bool = False) -> None:
    """For the daemon that has just become the only one: what a dead process had claimed is free again.

    Who lives (a command beside the daemon) keeps its claims; those of another machine end with their lease.

    ``ours``: for one that ends with work under way. Whatever its threads still do, a row that was freed is not sent:
    each mark looks at the row first.
    """
    with app.db.write() as conn:
        now = app.now()
        for owner in sorted({*feeds.list_owners(conn), *host_leases.list_owners(conn, now=now)}):
            if is_dead(owner) or (ours and owner == worker_name()):
                feeds.release(conn, owner=owner)
                host_leases.release(conn, now=now, gap=get_gap(app), owner=owner)
        if ours:
            deliveries.recover(conn, now=app.now(), policy=app.settings.mail.uncertain, owner=worker_name())
    if not ours:
        recover_dead(app)


def prove_mail() -> None:
    """For the daemon: a title cannot become a mail header on this Python, or it is told at once.

    The site is served all the same; each mail is refused when it is made.
    """
    try:
        prove_headers()
    except SenderRefused as error:
        log.error("mail.unfit", reason=str(error))


def spread_overdue(app: App) -> int:
    """For the daemon that has just become the only one: what fell due while nobody ran is asked without a burst.

    Feeds that are not due yet keep their time, and new ones are asked at once. How many were put off.
    """
    now = app.now()
    with app.db.write() as conn:
        overdue = feeds.list_overdue(conn, now=now)
        due = plan_overdue(overdue, now=now, rng_key=now.isoformat())
        later = {feed_id: due_at for feed_id, due_at in due.items() if due_at > now}
        feeds.put_off(conn, later, reason="overdue after a restart: asked in turn")
    if later:
        log.info("feeds.spread", overdue=len(overdue), put_off=len(later))
    return len(later)
