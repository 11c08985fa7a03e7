"""Leaving, with one click: a link in the mail, a button, or the mail program's own (RFC 8058). Never asks for a login,
a cookie or a reason, and never tells whether a token was one of ours.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aggregator.app import App
from aggregator.render.page import render_unsubscribe
from aggregator.tasks.subscribe import end_by_token

_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}


def show_unsubscribe(request: Request) -> Response:
    """GET changes nothing, however often a link scanner asks; it shows the button.

    POST ends the subscription at once; 200 the second time and for unknown tokens, too. The body is not read.
    """
    app: App = request.app.state.app
    done = request.method == "POST"
    if done:
        end_by_token(app, request.path_params["token"], reason="one click")
    body = render_unsubscribe(app.settings.site, templates=app.templates, newsletter_title=_get_name(app), done=done)
    return Response(body, media_type="text/html", headers=_HEADERS)


def _get_name(app: App) -> str:
    """The same for every token, so that the page tells nothing about it."""
    newsletters = app.settings.newsletters
    return newsletters[0].title if len(newsletters) == 1 else app.settings.site.title
