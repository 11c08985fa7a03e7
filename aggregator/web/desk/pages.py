"""A page of the desk within its frame. Never asks the database."""

from __future__ import annotations

from typing import Any

from starlette.responses import HTMLResponse, Response

from aggregator.app import App
from aggregator.errors import RenderError
from aggregator.model.account import Change
from aggregator.model.settings import Site
from aggregator.render.desk import render_desk
from aggregator.render.templates import Templates
from aggregator.web.desk.visit import Visit
from aggregator.web.desk.words import Said, say

#: Messages by action, as `Action.done` has them: filled when the desk is put together (`desk.rooms`).
DONE: dict[str, str] = {}
#: Actions that can be taken back.
UNDONE: set[str] = set()


def show_page(visit: Visit, template: str, /, *, status: int = 200, **values: Any) -> Response:
    """``desk/TEMPLATE``, with ``visit``, ``me`` and what every page knows."""
    body = _render(
        f"desk/{template}",
        visit.app.settings.site,
        visit.app.templates,
        language=visit.account.language,
        visit=visit,
        me=visit.account,
        csrf=visit.csrf,
        errors=visit.errors,
        done_words=DONE,
        can_undo=can_undo,
        **values,
    )
    return HTMLResponse(body, status_code=status)


def show_bare(app: App, template: str, /, *, status: int = 200, language: str = "", **values: Any) -> Response:
    """For who is not logged in."""
    known = {"me": None, "visit": None, "csrf": "", "errors": {}} | values
    body = _render(f"desk/{template}", app.settings.site, app.templates, language=language, **known)
    return HTMLResponse(body, status_code=status)


def _render(name: str, site: Site, templates: Templates, /, **values: Any) -> str:
    """A page of ours that cannot be made is a fault of ours: not one of who asked, as a template of theirs would be."""
    try:
        return render_desk(name, site, templates, **values)
    except RenderError as error:
        raise RuntimeError(str(error)) from error


def show_refusal(app: App, status: int, said: Said | str = "", visit: Visit | None = None) -> Response:
    """What was asked for is not done, and why."""
    reason = said if isinstance(said, Said) or not said else say(said)
    if visit is None:
        return show_bare(app, "refused.html", status=status, code=status, reason=reason)
    return show_page(visit, "refused.html", status=status, code=status, reason=reason)


def can_undo(change: Change) -> bool:
    """Whether its line may be taken back."""
    return change.undone_by is None and change.action in UNDONE
