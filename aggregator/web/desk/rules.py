"""The list of rules: in words, in their order, with what each decided. Never writes one; `rule` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import Response

from aggregator.app import App
from aggregator.errors import ConfigError, NotFound
from aggregator.model.account import Setting
from aggregator.model.rule import Rule, RuleAction
from aggregator.storage import rules as stored
from aggregator.tasks.desk.retagging import Progress, apply_anew, get_progress
from aggregator.tasks.desk.rules import RULES, get_setting, list_rules, set_rules, undo
from aggregator.web.desk import rule_words
from aggregator.web.desk.aside import Aside
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.rule_form import show_yaml
from aggregator.web.desk.visit import Action, Done, Fields, Listing, NoFields, Page, Section, Visit, mark
from aggregator.web.desk.words import N_, FieldError, say

Counts = Mapping[tuple[str, RuleAction], int]


class SeenFields(Fields):
    seen: Annotated[str, Field(max_length=64, description="Of the list that was looked at.")] = ""


class MoveFields(SeenFields):
    item: Annotated[int, Field(ge=1, le=10**6, description="The rule's number.")]
    before: Annotated[str, Field(max_length=7, pattern="^[0-9]*$", description="Before this rule; empty: last.")] = ""
    step: Annotated[Literal["", "up", "down"], Field(description="One place up or down, in place of `before`.")] = ""
    list: Annotated[str, Field(max_length=20, description="Of no use here.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One rule of the list."""

    number: int
    raw: Mapping[str, Any]
    #: None: it cannot be read.
    rule: Rule | None
    #: It is not asked.
    off: bool
    #: ``config.yaml:41``; empty: it was set here.
    place: str
    #: By action; None: not counted yet.
    decided: Mapping[str, int] | None


def _count(app: App) -> Counts:
    with app.db.read() as conn:
        return stored.count_decisions(conn)


_DECISIONS: Aside[Counts] = Aside(_count, seconds=60)


def get_said(app: App) -> Any:
    """What the desk says of the rules, to be handed to `set_rules` as what was seen; None: nothing."""
    said = get_setting(app, RULES)
    return said.value if said is not None else None


def _list(app: App, counts: Counts | None) -> tuple[list[Listed], list[Listed], Setting | None]:
    """Rules of single feeds, which are asked first, those of the list, and what the desk says of it."""
    said = get_setting(app, RULES)
    by_name = {rule.name: rule for rule in app.settings.rules.rules}
    places = app.settings.origins.rules
    raws = list(said.value) if said is not None else [raw for raw, _ in places]
    of_file = {str(raw.get("name", "")).strip() for raw, _ in places}
    decided = _sum(counts) if counts is not None else None
    listed = []
    for number, raw in enumerate(raws, start=1):
        name = str(raw.get("name", "")) if isinstance(raw, Mapping) else ""
        place = next((place for known, place in places if known == raw), "")
        listed.append(
            Listed(
                number=number,
                raw=raw,
                rule=by_name.pop(name.strip(), None) or _read(app, raw),
                off=isinstance(raw, Mapping) and raw.get("off") is True,
                place=place,
                decided=None if decided is None else decided.get(name.strip(), {}),
            )
        )
    own = [
        Listed(
            number=0,
            raw={},
            rule=rule,
            off=False,
            place="",
            decided=None if decided is None else decided.get(rule.name, {}),
        )
        for rule in by_name.values()
        if rule.name not in of_file  # where the desk's list cannot be read these hold in its place
    ]
    return own, listed, said


def _read(app: App, raw: Any) -> Rule | None:
    """One that is not asked, as it would be; None: it cannot be read."""
    if not isinstance(raw, Mapping) or app.layers is None:
        return None
    try:
        alone = {key: value for key, value in raw.items() if key != "off"}
        return app.layers.check_rules([alone], app.settings.tag_rules).rules[-1]
    except ConfigError:
        return None


def _sum(counts: Counts) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for (name, action), number in counts.items():
        found.setdefault(name, Counter())[action] += number
    return found


def show_rules(visit: Visit) -> Response:
    """The page."""
    app = visit.app
    own, listed, said = _list(app, _DECISIONS.get(app))
    gone = [(raw, place) for raw, place in app.settings.origins.rules if raw not in [one.raw for one in listed]]
    return show_page(
        visit,
        "rules.html",
        own=own,
        listed=listed,
        said=said,
        gone=gone,
        seen=mark(said.value if said else None),
        problems=list(app.layers.problems) if app.layers else [],
        progress=get_progress(app),
        show_yaml=show_yaml,
        words=rule_words,
    )


def _take(visit: Visit, seen: str) -> tuple[list[Mapping[str, Any]], Any]:
    """The list that holds, when it is the one that was looked at."""
    said = get_said(visit.app)
    if seen and seen != mark(said):
        message = N_(
            "Somebody else has changed the rules meanwhile. These are the ones that hold now; please say it again."
        )
        raise FieldError({"": say(message)})
    return list_rules(visit.app), said


def _move(visit: Visit, sent: MoveFields) -> Done:
    listed, said = _take(visit, sent.seen)
    if sent.item > len(listed):
        raise NotFound(f"no rule {sent.item}")
    raw = listed[sent.item - 1]
    rest = [one for number, one in enumerate(listed, start=1) if number != sent.item]
    place = len(rest)
    if sent.step:
        place = sent.item - 2 if sent.step == "up" else sent.item
    elif sent.before:
        wanted = int(sent.before)
        place = wanted - 2 if wanted > sent.item else wanted - 1
    place = min(max(place, 0), len(rest))
    if place == sent.item - 1:
        raise FieldError({"": say(N_("This rule stands there already."))})
    return _set(visit, [*rest[:place], raw, *rest[place:]], said, "rule.move", raw, place + 1)


def _find(visit: Visit, sent: SeenFields) -> tuple[list[Mapping[str, Any]], Any, int]:
    listed, said = _take(visit, sent.seen)
    number: int = visit.params["rule"]
    if not 1 <= number <= len(listed):
        raise NotFound(f"no rule {number}")
    return listed, said, number


def _remove(visit: Visit, sent: SeenFields) -> Done:
    listed, said, number = _find(visit, sent)
    return _set(visit, [*listed[: number - 1], *listed[number:]], said, "rule.remove", listed[number - 1])


def _turn_off(visit: Visit, sent: SeenFields) -> Done:
    listed, said, number = _find(visit, sent)
    listed[number - 1] = {**listed[number - 1], "off": True}
    return _set(visit, listed, said, "rule.off", listed[number - 1], number)


def _turn_on(visit: Visit, sent: SeenFields) -> Done:
    listed, said, number = _find(visit, sent)
    listed[number - 1] = {key: value for key, value in listed[number - 1].items() if key != "off"}
    return _set(visit, listed, said, "rule.on", listed[number - 1], number)


def _set(visit: Visit, wanted: Any, said: Any, action: str, raw: Mapping[str, Any], number: int = 0) -> Done:
    line = set_rules(
        visit.app, wanted, who=visit.account.name, action=action, title=str(raw.get("name", "")), seen=said
    )
    return Done(to=f"/rules#rule-{number}" if number else "/rules", change=line, body={"rules": wanted})


def _reset(visit: Visit, sent: SeenFields) -> Done:
    _, said = _take(visit, sent.seen)
    if said is None:
        raise FieldError({"": say(N_("The file's rules hold already."))})
    line = set_rules(visit.app, None, who=visit.account.name, action="rules.reset", seen=said)
    return Done(to="/rules", change=line, body={"rules": list_rules(visit.app)})


def _apply(visit: Visit, _: NoFields) -> Done:
    line = apply_anew(visit.app, who=visit.account.name)
    return Done(to="/rules", change=line, body={"progress": _tell(get_progress(visit.app))})


def _tell(progress: Progress | None) -> Any:
    return {"left": progress.left, "all": progress.whole} if progress else None


def _describe(visit: Visit) -> Any:
    app = visit.app
    own, listed, said = _list(app, _DECISIONS.get(app, patience=5))
    return {
        "set_here": {"at": said.made_at, "by": said.made_by} if said else None,
        "of_feeds": [one.rule.name for one in own if one.rule],
        "rules": [
            {"number": one.number, "place": one.place, "rule": one.raw, "decisions": one.decided} for one in listed
        ],
        "applying": _tell(get_progress(app)),
    }


ROOM = Section(
    key="rules",
    pages=(Page(path="/rules", show=show_rules),),
    actions=(
        Action(
            name="rule.move", path="/rules/move", fields=MoveFields, run=_move, done=N_("A rule was moved"),
            page=show_rules, undo=undo,
        ),
        Action(
            name="rule.remove", path="/rules/{rule:int}/remove", fields=SeenFields, run=_remove,
            done=N_("A rule was removed"), page=show_rules, undo=undo,
        ),
        Action(
            name="rule.off", path="/rules/{rule:int}/off", fields=SeenFields, run=_turn_off,
            done=N_("A rule was turned off"), page=show_rules, undo=undo,
        ),
        Action(
            name="rule.on", path="/rules/{rule:int}/on", fields=SeenFields, run=_turn_on,
            done=N_("A rule was turned on"), page=show_rules, undo=undo,
        ),
        Action(
            name="rules.reset", path="/rules/reset", fields=SeenFields, run=_reset,
            done=N_("The file's rules hold again"), page=show_rules, undo=undo,
        ),
        Action(
            name="rules.apply", path="/rules/apply", run=_apply, done=N_("All stored entries are judged again"),
            page=show_rules,
        ),
    ),
    listings=(Listing(path="/rules", read=_describe, summary="The rules in their order, with what each decided."),),
)  # fmt: skip
