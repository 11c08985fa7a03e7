"""What programs may do, as one OpenAPI 3.1 document, made from the same objects that answer. Never written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aggregator import __version__
from aggregator.app import App
from aggregator.model.settings import Site
from aggregator.render.links import get_root
from aggregator.tasks.desk.accounts import find_visitor
from aggregator.web.desk import guard
from aggregator.web.desk.rooms import ROOMS
from aggregator.web.desk.serving import find_caller, refuse_call
from aggregator.web.desk.visit import Action, Listing
from aggregator.web.desk.words import N_, say

_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_KINDS: dict[str, dict[str, Any]] = {
    "int": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    "str": {"type": "string", "minLength": 1, "pattern": "^[^/]+$"},
}
_REFUSALS = {
    "401": "There is no token, or it is nobody's.",
    "403": "The token may look, not change.",
    "404": "There is no such thing.",
    "422": "What was sent will not do: a sentence for each field.",
}


def list_api_routes(app: App) -> list[Route]:
    """The document, and JSON for what there is not."""

    def show(request: Request) -> Response:
        if find_visitor(app, guard.get_session(request)) is None:
            found = find_caller(app, request)
            if isinstance(found, Response):
                return found
        return JSONResponse(make_document(app.settings.site))

    async def serve(request: Request) -> Response:
        return await run_in_threadpool(show, request)

    async def find_nothing(_: Request) -> Response:
        return refuse_call(404, {"": say(N_("There is nothing here."))})

    return [
        Route("/api/v1/openapi.json", serve, methods=["GET"]),
        Route("/api/v1{path:path}", find_nothing, methods=["GET", "POST"]),
    ]


def make_document(site: Site) -> dict[str, Any]:
    """All of it: each listing and each action that is not about a session."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {"Refusal": _describe_refusal(), "Done": _describe_done(), "Shown": _describe_shown()}
    for room in ROOMS:
        for listing in room.listings:
            paths.setdefault(_plain(listing.path), {})["get"] = _describe_listing(room.key, listing)
        for action in room.actions:
            if not action.only_people:
                paths.setdefault(_plain(action.path), {})["post"] = _describe_action(room.key, action, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{site.title}: the desk", "version": __version__},
        "servers": [{"url": f"{get_root(site)}/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
        },
    }


def _plain(path: str) -> str:
    return _PARAMETER.sub(r"{\1}", path)


def _list_parameters(path: str) -> Iterator[dict[str, Any]]:
    for name, kind in _PARAMETER.findall(path):
        yield {"name": name, "in": "path", "required": True, "schema": _KINDS[kind or "str"]}


def _describe_listing(room: str, listing: Listing) -> dict[str, Any]:
    asked = [
        {"name": name, "in": "query", "description": words, "schema": {"type": "string"}}
        for name, words in listing.query.items()
    ]
    return {
        "operationId": f"get {_plain(listing.path)}",
        "tags": [room],
        "summary": listing.summary,
        "parameters": [*_list_parameters(listing.path), *asked],
        "responses": {"200": _answer("What was asked for.", {}), **_list_refusals("401", "403", "404", "422")},
    }


def _describe_action(room: str, action: Action, schemas: dict[str, Any]) -> dict[str, Any]:
    name, said = action.fields.__name__, "Shown" if action.shows else "Done"
    schema = action.fields.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= schema.pop("$defs", {})
    schemas[name] = schema
    return {
        "operationId": action.name,
        "tags": [room],
        "summary": action.done,
        "parameters": list(_list_parameters(action.path)),
        "requestBody": {
            "required": bool(schema.get("required")),
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
        },
        "responses": {
            "200": _answer("It is shown." if action.shows else "It is done.", {"$ref": f"#/components/schemas/{said}"}),
            **_list_refusals("401", "403", "404", "422"),
        },
    }


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _list_refusals(*codes: str) -> dict[str, Any]:
    return {code: _answer(_REFUSALS[code], {"$ref": "#/components/schemas/Refusal"}) for code in codes}


def _describe_refusal() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "error": {"type": "string", "description": "In English, for people."},
            "fields": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["error", "fields"],
    }


def _describe_done() -> dict[str, Any]:
    line = {"type": ["integer", "null"], "description": "Its line in the audit log, where it can be taken back."}
    return {"type": "object", "properties": {"change": line}}


def _describe_shown() -> dict[str, Any]:
    part = {"type": "string", "description": "A part of the desk's page."}
    return {"type": "object", "properties": {"html": part}, "required": ["html"]}
