"""One rule: written, tried at once on the newest entries, saved. Never says what a rule makes of an entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from aggregator.errors import ConfigError, NotFound
from aggregator.model.ids import EntryId
from aggregator.pipeline.rules import trace
from aggregator.tasks.desk.rules import list_rules, set_rules, undo
from aggregator.tasks.desk.samples import Sample, find_seen, take_sample
from aggregator.tasks.desk.trial import try_rule
from aggregator.web.desk import rule_words
from aggregator.web.desk.aside import Aside
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.rule_form import ACTIONS, RuleFields, blame, get_values, make_raw, show_yaml, spread
from aggregator.web.desk.rules import get_said
from aggregator.web.desk.visit import Action, Done, Page, Section, Visit, mark, read_number
from aggregator.web.desk.words import N_, FieldError, say

#: What a rule, or a name of a tag, is tried on is a minute old at most.
SAMPLE: Aside[Sample] = Aside(take_sample, seconds=60)
#: Somebody who asks for a trial waits so long for it, in seconds.
PATIENCE = 3.0


def find_raw(visit: Visit, number: int) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    """The list that holds, and its rule of this number, counted from 1."""
    listed = list_rules(visit.app)
    if not 1 <= number <= len(listed):
        raise NotFound(f"no rule {number}")
    return listed, listed[number - 1]


def _show_new(visit: Visit) -> Response:
    way = visit.get_sent("way", visit.query.get("as", "fields"))
    return _show_form(visit, number=0, raw={}, way=way)


def _show_edit(visit: Visit) -> Response:
    number = visit.params["rule"]
    _, raw = find_raw(visit, number)
    return _show_form(visit, number=number, raw=raw, way=visit.get_sent("way", visit.query.get("as", "")))


def _show_form(visit: Visit, *, number: int, raw: Mapping[str, Any], way: str, **more: Any) -> Response:
    values = spread(raw) if raw else {}
    if values is None or way not in ("fields", "yaml"):
        way = "yaml" if values is None else "fields"
    shown: dict[str, Any] = {
        "number": number,
        "raw": raw,
        "way": way,
        "can_fields": values is not None,
        "values": get_values(visit, values or {}),
        "yaml": visit.get_sent("yaml", show_yaml(raw)),
        "seen": mark(raw),
        "stands": show_yaml(raw) if visit.sent and visit.get_sent("seen") != mark(raw) else "",
        "tried": None,
        "words": rule_words,
    }
    return show_page(visit, "rule.html", **(shown | more))


def _try(visit: Visit, sent: RuleFields) -> Response:
    number = int(sent.number or 0)
    listed, raw = find_raw(visit, number) if number else (list_rules(visit.app), {})
    tried: dict[str, Any] = {"trial": None, "fault": None, "waits": False}
    errors: Mapping[str, Any] = {}
    try:
        tried |= _run(visit, listed, number, sent)
    except FieldError as error:
        errors = error.errors
        tried["fault"] = errors
    if not sent.whole:
        return show_page(visit, "rule_tried.html", tried=tried, words=rule_words)
    values = {name: getattr(sent, name) for name in RuleFields.model_fields}
    return _show_form(
        replace(visit, errors=errors), number=number, raw=raw, way=sent.way, values=values, yaml=sent.yaml,
        seen=sent.seen, tried=tried, can_fields=True,
    )  # fmt: skip


def _run(visit: Visit, listed: list[Mapping[str, Any]], number: int, sent: RuleFields) -> dict[str, Any]:
    mine = _finish(make_raw(sent))
    wanted, index = _place(listed, number, mine)
    assert visit.app.layers is not None
    try:
        rules = visit.app.layers.check_rules(wanted, visit.app.settings.tag_rules)
    except ConfigError as error:
        raise blame(error, index, sent.way) from error
    rule = next(rule for rule in rules.rules if rule.name == str(mine["name"]).strip())
    sample = SAMPLE.get(visit.app, patience=PATIENCE)
    trial = try_rule(sample, rules, rule.name) if sample else None
    return {"trial": trial, "rule": rule, "waits": sample is None, "taken_at": sample.taken_at if sample else None}


def _finish(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A rule that is being written, so that it can be tried: with a name, turned on, and doing nothing at worst."""
    mine = {key: value for key, value in raw.items() if key != "off"}
    mine["name"] = mine.get("name") or "…"
    if not any(mine.get(action) not in (None, "", [], False) for action in ACTIONS):
        mine["weight"] = 1
    return mine


def _place(listed: list[Mapping[str, Any]], number: int, raw: dict[str, Any]) -> tuple[list[Mapping[str, Any]], int]:
    """The list with ``raw`` in place of rule ``number``, or at its end; and where it stands there."""
    if number:
        return [*listed[: number - 1], raw, *listed[number:]], number - 1
    return [*listed, raw], len(listed)


def _write(visit: Visit, sent: RuleFields) -> Response:
    """The same rule the other way: of fields YAML, of YAML fields."""
    raw = make_raw(sent)
    values = spread(raw)
    if sent.way == "yaml" and values is None:
        raise FieldError({"yaml": say(N_("This says more than the fields can. It stays as it is here."))})
    number = int(sent.number or 0)
    way = "fields" if sent.way == "yaml" else "yaml"
    return _show_form(
        visit, number=number, raw={}, way=way, values=values or {}, yaml=show_yaml(raw), seen=sent.seen, can_fields=True
    )


def _show_sent(visit: Visit) -> Response:
    """After a mistake in `_write`."""
    if number := read_number(visit.get_sent("number")):
        return _show_edit(replace(visit, params={"rule": number}))
    return _show_new(visit)


def _save(visit: Visit, sent: RuleFields) -> Done:
    number = visit.params.get("rule", 0)
    said = get_said(visit.app)
    listed, raw = find_raw(visit, number) if number else (list_rules(visit.app), {})
    if number and sent.seen and sent.seen != mark(raw):
        message = N_(
            "Somebody else has changed this rule meanwhile. It says now: %(rule)s Save again to put yours there."
        )
        raise FieldError({"": say(message, rule=show_yaml(raw))})
    mine = make_raw(sent)
    wanted, index = _place(listed, number, mine)
    try:
        line = set_rules(
            visit.app, wanted, who=visit.account.name, action="rule.edit" if number else "rule.add",
            title=str(mine.get("name", "")), seen=said,
        )  # fmt: skip
    except ConfigError as error:
        raise blame(error, index, sent.way) from error
    return Done(to=f"/rules#rule-{index + 1}", change=line, body={"number": index + 1, "rule": wanted[index]})


def _show_trace(visit: Visit) -> Response:
    text = visit.query.get("entry", "").strip()
    number = read_number(text)
    seen = find_seen(visit.app, EntryId(number)) if number is not None else None
    rules = visit.app.settings.rules
    return show_page(
        visit,
        "rule_trace.html",
        asked=text,
        entry=seen,
        steps=list(zip(rules.rules, trace(seen.sight, rules), strict=True)) if seen else [],
        words=rule_words,
    )


ROOM = Section(
    key="rules",
    pages=(
        Page(path="/rules/new", show=_show_new),
        Page(path="/rules/trace", show=_show_trace),
        Page(path="/rules/{rule:int}/edit", show=_show_edit),
    ),
    actions=(
        Action(
            name="rule.add", path="/rules/new", fields=RuleFields, run=_save, done=N_("A rule was written"),
            page=_show_new, undo=undo,
        ),
        Action(
            name="rule.edit", path="/rules/{rule:int}/edit", fields=RuleFields, run=_save,
            done=N_("A rule was changed"), page=_show_edit, undo=undo,
        ),
        Action(
            name="rule.try", path="/rules/try", fields=RuleFields, run=_try, done=N_("Tried"), page=_show_sent,
            for_viewers=True, shows=True,
        ),
        Action(
            name="rule.write", path="/rules/write", fields=RuleFields, run=_write, done=N_("Shown"), page=_show_sent,
            for_viewers=True, shows=True, only_people=True,
        ),
    ),
)  # fmt: skip
