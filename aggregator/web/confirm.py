"""Yes, it was me. Never changes anything by GET: programs that look at links are no people."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aggregator.app import App
from aggregator.render.forms import render_confirm
from aggregator.tasks.subscribe import confirm, find_asked
from aggregator.web.forms import Form, show


def show_confirm(app: App, request: Request, form: Form) -> Response:
    """GET and HEAD show what is asked; POST says yes, once. A wrong token is an expired one."""
    token = request.path_params["token"]
    asked = confirm(app, token) if request.method == "POST" else find_asked(app, token)
    body = render_confirm(
        app.settings.site,
        templates=app.templates,
        standing=asked.standing,
        kind=asked.kind,
        titles=asked.titles,
        address=asked.address,
    )
    return show(body)
