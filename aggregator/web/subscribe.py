"""The form for people who want a newsletter. Never says whether it knows an address, never mails."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.subscriber import Wishes
from aggregator.pipeline.schedule import read_rhythm
from aggregator.render.forms import Filled, render_asked, render_subscribe
from aggregator.tasks.subscribe import ask, clean_email, list_open
from aggregator.web.forms import Form, find_origin, judge_stamp, list_topics, make_stamp, show

#: Longer addresses do not exist (RFC 5321 4.5.3.1).
_MAX_ADDRESS = 254


def show_subscribe(app: App, request: Request, form: Form) -> Response:
    """GET shows the form; POST asks for a letter, or shows the form again with what is wrong at its field."""
    if request.method != "POST":
        slugs = {one.slug for one in list_open(app)}
        wanted = request.query_params.get("newsletter", "")
        return _show_form(app, Filled(slugs=(wanted,) if wanted in slugs else ()))
    filled = Filled(
        address=form.get("address").strip()[:_MAX_ADDRESS],
        slugs=tuple(one.slug for one in list_open(app) if one.slug in form.get_all("newsletter")),
        wishes=Wishes(language=form.get("language")[:35], topics=tuple(form.get_all("topic"))),
    )
    stamp = judge_stamp(app, form.get("stamp"))
    # What only a machine sees was filled, or filled faster than a person can: it hears what everybody hears.
    if form.get("website") or stamp == "fast":
        return show(render_asked(app.settings.site, templates=app.templates))
    errors = ["form"] if stamp != "ok" else []
    if not filled.slugs:
        errors.append("newsletter")
    try:
        address = clean_email(filled.address)
    except UsageError:
        errors.append("address")
    if errors:
        return _show_form(app, filled, errors)
    ask(app, address, tuple(filled.slugs), filled.wishes, find_origin(app, request))
    return show(render_asked(app.settings.site, templates=app.templates))


def _show_form(app: App, filled: Filled, errors: list[str] | None = None) -> Response:
    newsletters = list_open(app)
    body = render_subscribe(
        app.settings.site,
        templates=app.templates,
        newsletters=newsletters,
        rhythms={one.slug: read_rhythm(one.schedule) for one in newsletters},
        topics=list_topics(app, {topic for one in newsletters for topic in one.topics}),
        stamp=make_stamp(app),
        filled=filled,
        errors=errors or (),
    )
    return show(body, 422 if errors else 200)
