"""What a person gets and what we keep of them, behind a link that only they have. Never asks for a login."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.subscriber import Wishes
from aggregator.render.forms import Filled, render_preferences
from aggregator.tasks import preferences
from aggregator.tasks.preferences import Desk
from aggregator.tasks.subscribe import clean_email, hide_address
from aggregator.web.forms import Form, find_origin, list_topics, show
from aggregator.web.headers import PRIVATE


def show_preferences(app: App, request: Request, form: Form) -> Response:
    """GET shows; POST does what its button says: save, leave, change, export, ask, forget."""
    token, said = request.path_params["token"], form.get("do")
    if said == "save":
        wishes = Wishes(language=form.get("language"), topics=tuple(form.get_all("topic")))
        preferences.save(app, token, form.get_all("newsletter"), wishes, find_origin(app, request))
    elif said == "leave":
        preferences.leave(app, token)
    elif said == "change":
        return _change(app, request, token, form.get("address")[:254])
    elif said == "export" and (data := preferences.export(app, token)):
        return _export(data)
    elif said == "forget":
        return _show(app, None, said if preferences.forget(app, token) else "")
    return _show(app, preferences.find_desk(app, token), said)


def _change(app: App, request: Request, token: str, address: str) -> Response:
    try:
        asked = preferences.ask_change(app, token, clean_email(address), find_origin(app, request))
    except UsageError:
        return _show(app, preferences.find_desk(app, token), errors=["address"], address=address)
    return _show(app, preferences.find_desk(app, token), "change" if asked else "capped")


def _show(app: App, desk: Desk | None, said: str = "", errors: Sequence[str] = (), address: str = "") -> Response:
    newsletters = [one for one, _ in desk.choices] if desk else []
    offered = {topic for one in newsletters for topic in one.topics}
    body = render_preferences(
        app.settings.site,
        templates=app.templates,
        newsletters=newsletters,
        topics=list_topics(app, offered),
        filled=Filled(address=address, slugs=desk.slugs if desk else (), wishes=desk.wishes if desk else Wishes()),
        reader=hide_address(desk.email) if desk else "",
        gets_mail=desk is None or desk.gets_mail,
        said=said,
        errors=errors,
    )
    return show(body, 422 if errors else 200)


def _export(data: dict[str, Any]) -> Response:
    body = json.dumps(data, default=str, ensure_ascii=False, indent=2)
    name = 'attachment; filename="my-data.json"'
    return Response(body, media_type="application/json", headers={**PRIVATE, "Content-Disposition": name})
