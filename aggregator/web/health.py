"""For the machine that watches: alive, and ready. Never tells a stranger more than that."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.storage import meta, migrate

_HEADERS = {"Cache-Control": "no-store"}


class _Undone(Exception):
    """Rolls a trial write back."""


def check_health(request: Request) -> Response:
    """200 as long as the process answers."""
    return PlainTextResponse("ok\n", headers=_HEADERS)


def check_readiness(request: Request) -> Response:
    """200 when the database can be written and has our schema, else 503 with the reason in a few words."""
    app: App = request.app.state.app
    try:
        state = migrate.current(app.db)
        with app.db.write() as conn:
            meta.renew_revision(conn)  # PostgreSQL says only at a real write that it may not
            raise _Undone
    except _Undone:
        pass
    except StorageError:
        return PlainTextResponse("the database does not answer\n", status_code=503, headers=_HEADERS)
    if state != "current":
        return PlainTextResponse(f"the schema is {state}\n", status_code=503, headers=_HEADERS)
    return PlainTextResponse("ready\n", headers=_HEADERS)
