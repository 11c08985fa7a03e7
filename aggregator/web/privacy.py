"""What is kept of people, for how long and why. Never about one person: the page is the same for all."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aggregator.app import App
from aggregator.render.forms import render_privacy
from aggregator.web.forms import Form


def show_privacy(app: App, request: Request, form: Form) -> Response:
    """The constants by which the daemon really deletes."""
    body = render_privacy(app.settings.site, templates=app.templates)
    return Response(body, media_type="text/html", headers={"Cache-Control": "public, max-age=300"})
