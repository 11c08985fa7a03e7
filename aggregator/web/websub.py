"""Where hubs call us (WebSub): they ask back whether we subscribed, and later tell us of news. Never keeps a document.

Answers are the same for a delivery that is genuine and one that is not (WebSub 8.1.1), so that nobody can try secrets.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aggregator.app import App
from aggregator.tasks.websub import answer_hub, open_delivery, take_delivery

#: Hubs send whole feeds; more than this is no feed of ours.
MAX_DELIVERY_BYTES = 10 * 1024 * 1024
_NO_STORE = {"Cache-Control": "no-store"}


async def take_call(request: Request) -> Response:
    """GET: the hub verifies (5.3), or says that it denies us (5.2). POST: there is news (7)."""
    app: App = request.app.state.app
    token = request.path_params["token"]
    if request.method == "POST":
        return await _take_news(app, token, request)
    answer = await run_in_threadpool(answer_hub, app, token, dict(request.query_params))
    return _nobody() if answer is None else PlainTextResponse(answer, headers=_NO_STORE)


async def _take_news(app: App, token: str, request: Request) -> Response:
    delivery = await run_in_threadpool(open_delivery, app, token, request.headers.get("x-hub-signature", ""))
    if delivery is None:
        return _nobody()
    taken = 0
    async for chunk in request.stream():
        taken += len(chunk)
        if taken > MAX_DELIVERY_BYTES:
            return PlainTextResponse("Too large.\n", status_code=413, headers=_NO_STORE)
        delivery.feed(chunk)
    await run_in_threadpool(take_delivery, app, delivery)
    return Response(status_code=202, headers=_NO_STORE)


def _nobody() -> Response:
    return PlainTextResponse("Nobody asked for this.\n", status_code=404, headers=_NO_STORE)
