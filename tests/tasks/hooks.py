"""A program that is told of what happens, and who would be told of it. Never asserts anything."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from aggregator.app import App
from aggregator.storage import schema
from aggregator.tasks.due import get_tasks
from tests.fixtures.http_server import Answer
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.told import Press, open_press

KEY = b"a key of thirty-two bytes, no le"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
EDITOR = "editor@example.org"
#: For what no database has a part in.
once = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Hook:
    """Takes what it is told, or answers as the test wants."""

    def __init__(self, server: Any, path: str = "/hook") -> None:
        self.url = f"{server.url}{path}?token=geheim"
        self.status = 204
        self.headers: dict[str, str] = {}
        self.requests: list[Any] = []
        server.handle(path, self._take)

    def _take(self, request: Any) -> Answer:
        self.requests.append(request)
        return Answer(status=self.status, headers=self.headers)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.requests]

    @property
    def kinds(self) -> list[str]:
        return [body["type"] for body in self.bodies]


def run(app: App) -> None:
    """What the daemon does."""
    get_tasks(app, pause=lambda seconds: False)["notices"]()


def mail_by(server: SmtpServer) -> dict[str, Any]:
    """Its section of the configuration."""
    return {"from": "AI News <news@example.org>", "smtp": {"host": "127.0.0.1", "port": server.port, "tls": "none"}}


def list_rows(app: App) -> list[tuple[str, str, int, str]]:
    table = schema.notices
    query = sa.select(table.c.kind, table.c.state, table.c.code, table.c.reply_text).order_by(table.c.id)
    with app.db.read() as conn:
        return [tuple(row) for row in conn.execute(query)]


def import_feeds(app: App) -> None:
    """The first import of all feeds lies behind us."""
    with app.db.write() as conn:
        conn.execute(sa.update(schema.feeds).values(first_imported_at=app.now() - timedelta(hours=5)))


@contextmanager
def open_alerts(program: Program, *hooks: Hook, **alerts: Any) -> Iterator[Press]:
    webhooks = [{"url": hook.url, "secret": SECRET} for hook in hooks]
    with open_press(program, alerts={"webhooks": webhooks, **alerts}) as press:
        press.tell("Long ago", feed="a")
        press.tell("Long ago, too", feed="b")
        import_feeds(press.app)
        run(press.app)
        press.clock.move(minutes=2)
        yield press


def break_feeds(app: App, *ids: int, **values: Any) -> None:
    with app.db.write() as conn:
        conn.execute(sa.update(schema.feeds).where(schema.feeds.c.id.in_(ids)).values(**values))
