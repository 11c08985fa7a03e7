"""For the machine that watches: alive, and ready. Never tells a stranger more than that, and lets none of them write
as often as he likes: one look serves all who ask within a second.
"""

from __future__ import annotations

import asyncio
from time import monotonic

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aggregator.app import App
from aggregator.errors import StorageError
from aggregator.storage import meta, migrate, troubles

_HEADERS = {"Cache-Control": "no-store"}
_KEPT_SECONDS = 1.0


async def check_health(request: Request) -> Response:
    """200 as long as the process answers."""
    return PlainTextResponse("ok\n", headers=_HEADERS)


class Readiness:
    """200 when the database can be written and has our schema, else 503 with the reason in a few words.

    What else does not work and waits for the editor (`storage.troubles`) is named below the word ``ready``: the site is
    served all the same.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._look: asyncio.Task[tuple[str, tuple[str, ...]]] | None = None
        self._looked_at = 0.0

    async def check(self, request: Request) -> Response:
        """An answer that is a second old at most, or under way."""
        if self._look is None or (self._look.done() and monotonic() - self._looked_at > _KEPT_SECONDS):
            self._looked_at = monotonic()
            self._look = asyncio.get_running_loop().create_task(run_in_threadpool(self._find_fault))
        fault, named = await asyncio.shield(self._look)
        lines = [fault] if fault else ["ready", *named]
        return PlainTextResponse("\n".join([*lines, ""]), status_code=503 if fault else 200, headers=_HEADERS)

    def _find_fault(self) -> tuple[str, tuple[str, ...]]:
        """The fault, empty when there is none; and the names of troubles that are none of the site's."""
        try:
            state = migrate.current(self._app.db)
            with self._app.db.read() as conn:
                named = tuple(trouble.name for trouble in troubles.list_troubles(conn))
            meta.try_to_write(self._app.db)
        except StorageError:
            return "the database does not answer", ()
        return ("" if state == "current" else f"the schema is {state}"), named
