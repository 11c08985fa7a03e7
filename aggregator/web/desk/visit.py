"""What every page and action of the desk is given, and what it gives back. Never reads a request itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from aggregator.app import App
from aggregator.model.account import Account, Change
from aggregator.web.desk.words import Said


def mark(value: Any) -> str:
    """What a form was made from, so that two editors do not write over each other. ``value``: as JSON has it."""
    return sha256(json.dumps(value, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()[:16]


class Fields(BaseModel):
    """What a form, or the JSON document of a program, holds. Every text is bounded by its own field."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class NoFields(Fields):
    """Of an action that is a button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of somebody who is logged in."""

    app: App
    account: Account
    #: Of the path, converted: ``{"feed": 12}``.
    params: Mapping[str, Any] = field(default_factory=dict)
    #: Beside the path.
    query: Mapping[str, str] = field(default_factory=dict)
    #: What was sent and is shown again, because of ``errors``.
    sent: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: By field; under "" about the whole.
    errors: Mapping[str, Said] = field(default_factory=dict)
    #: Uploaded files by field.
    files: Mapping[str, bytes] = field(default_factory=dict)
    #: For the forms of the page.
    csrf: str = ""
    #: What was done last, by its line in the audit log.
    done: Change | None = None

    def get_sent(self, name: str, otherwise: object = "") -> str:
        """What a field shows: what was typed into it, else ``otherwise``."""
        found = self.sent.get(name)
        return found[0] if found else str(otherwise)

    def get_seen(self, current: str, field: str) -> str:
        """What a form with ``field`` was made from: as it was sent, unless the answer shows what stands there now."""
        known = "seen" in self.sent and field in self.sent and "seen" not in self.errors
        return self.sent["seen"][0] if known else current

    def get_page(self, name: str = "before") -> int | None:
        """A number of the query, for pages that begin below it; None: the first page."""
        return read_number(self.query.get(name, ""))


def read_number(text: str) -> int | None:
    """Of what was typed; None: it is none, or one that no database counts to."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An action is done. ``to``: the page that is shown then, below ``/admin``; ``change``: its line in the log."""

    to: str
    change: int | None = None
    #: For programs: JSON.
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page below ``/admin``, for everybody who is logged in."""

    path: str
    show: Callable[[Visit], Response]
    #: Not for viewers: what takes people's addresses out of the house.
    only_editors: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a program may read below ``/api/v1``: a JSON value."""

    path: str
    read: Callable[[Visit], Any]
    #: A sentence for the API's document.
    summary: str
    #: Names of query parameters with what they mean.
    query: Mapping[str, str] = field(default_factory=dict)
    #: Not for tokens that may only look: people's addresses.
    only_editors: bool = False


Undo = Callable[..., int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What an editor may do: a POST below ``/admin`` with a form, or below ``/api/v1`` with JSON."""

    #: As the audit log has it: ``feed.pause``.
    name: str
    path: str
    run: Callable[[Visit, Any], Done | Response]
    #: A message: what the page says, and the log, when it is done.
    done: str
    fields: type[Fields] = NoFields
    #: What is shown, with `Visit.errors`, when a field will not do.
    page: Callable[[Visit], Response] | None = None
    #: ``undo(app, change, who=...)``: puts `Change.before` back, and gives the number of the line that says so.
    undo: Undo | None = None
    #: Not for programs: what is about the session itself.
    only_people: bool = False
    #: Viewers may: what changes nothing but their own account, and previews.
    for_viewers: bool = False
    #: Answers a page by itself instead of a redirect (previews): what `run` gives is a Response then.
    shows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One room of the desk."""

    #: Of the menu entry.
    key: str
    pages: tuple[Page, ...] = ()
    actions: tuple[Action, ...] = ()
    listings: tuple[Listing, ...] = ()
