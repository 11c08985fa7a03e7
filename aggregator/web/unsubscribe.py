"""Leaving, with one click: a link in the mail, a button, or the mail program's own (RFC 8058). Never asks for a login,
a cookie or a reason, and never tells whether a token was one of ours.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aggregator.app import App
from aggregator.render.forms import render_unsubscribe
from aggregator.tasks.personal_links import UNSUBSCRIBE
from aggregator.tasks.subscribe import end_all_by_token, end_by_token, find_by_token, undo_by_token
from aggregator.web.forms import Form, show


def show_unsubscribe(app: App, request: Request, form: Form) -> Response:
    """GET changes nothing, however often a link scanner asks; it shows the buttons.

    POST ends the subscription at once, whatever its body says but ``do=all`` (every newsletter) and ``do=undo``; 200
    the second time and for unknown tokens, too. Our own button says ``do=one``: what does not is a mail program.
    """
    token, do = request.path_params["token"], form.get("do")
    done = request.method == "POST"
    how = do if do in ("all", "undo") else "one"
    if done:
        if how == "all":
            end_all_by_token(app, token)
        elif how == "undo":
            undo_by_token(app, token)
        else:
            end_by_token(app, token, reason="page" if do == "one" else "one click")
    several = len(app.settings.newsletters) > 1
    body = render_unsubscribe(
        app.settings.site,
        templates=app.templates,
        newsletter_title=_get_name(app, token),
        done=done,
        how=how,
        several=several,
    )
    return show(body)


def _get_name(app: App, token: str) -> str:
    """Of the newsletter that the link is of; of a wrong link, the site's."""
    newsletters = app.settings.newsletters
    if len(newsletters) == 1:
        return newsletters[0].title
    found = find_by_token(app, token, UNSUBSCRIBE)
    return next((one.title for one in newsletters if found and one.slug == found.newsletter), app.settings.site.title)
