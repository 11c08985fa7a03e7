"""The taxonomy with counts and trends, one tag with what puts it there, names that no tag knows. Never changes a tag;
`tag_form` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from aggregator.config.tag_rules import read_alias
from aggregator.model.tag import Alias, TagRule
from aggregator.pipeline.tag import get_tags
from aggregator.pipeline.tag.candidates import Candidate
from aggregator.pipeline.tag.folding import fold_label
from aggregator.tasks.desk import tags
from aggregator.tasks.desk.retagging import get_progress
from aggregator.web.desk import tag_words
from aggregator.web.desk.aside import Aside
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Action, Done, Fields, Listing, Page, Section, Visit
from aggregator.web.desk.words import N_

#: Ten minutes old at most: to count them is to walk through everything that was tagged in twelve weeks.
COUNTS: Aside[tags.Counts] = Aside(tags.count_tags, seconds=600)
NAMES: Aside[tuple[Candidate, ...]] = Aside(tags.find_names, seconds=600)
_ON_A_PAGE = 50
#: A page waits so long for numbers that have not been counted yet, in seconds.
_PATIENCE = 0.02


class NameFields(Fields):
    name: Annotated[str, Field(min_length=1, max_length=100, description="As it was offered.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One tag of the list."""

    rule: TagRule
    weeks: tuple[int, ...]
    #: Whether it was made here.
    here: bool

    @property
    def rise(self) -> int:
        """More entries in the last week than in the middle of the four before it."""
        return self.weeks[-1] - sum(self.weeks[-5:-1]) // 4


def _list_rows(visit: Visit, counts: tags.Counts | None) -> list[Row]:
    words, kind = fold_label(visit.query.get("words", "")[:100]), visit.query.get("kind", "")
    added = tags.get_added(visit.app)
    rows = [
        Row(
            rule=rule,
            weeks=counts.get(rule.tag.slug) if counts else (0,) * tags.WEEKS,
            here=tags.is_made_here(added, rule.tag.slug),
        )
        for rule in visit.app.settings.tag_rules.rules
        if (not kind or rule.tag.kind == kind) and (not words or _is_called(rule, words))
    ]
    order = visit.query.get("order", "used")
    if order == "name":
        return sorted(rows, key=lambda row: fold_label(row.rule.tag.name))
    if order == "rising":
        return sorted(rows, key=lambda row: (-row.rise, -row.weeks[-1], row.rule.tag.slug))
    return sorted(rows, key=lambda row: (-row.weeks[-1], -sum(row.weeks), row.rule.tag.slug))


def _is_called(rule: TagRule, words: str) -> bool:
    return words in rule.tag.slug or any(
        words in fold_label(text) for text in (rule.tag.name, *(alias.text for alias in rule.aliases))
    )


def _show_tags(visit: Visit) -> Response:
    counts = COUNTS.get(visit.app, patience=_PATIENCE)
    rows = _list_rows(visit, counts)
    begin = min(visit.get_page("after") or 0, len(rows))
    return show_page(
        visit,
        "tags.html",
        rows=rows[begin : begin + _ON_A_PAGE],
        total=len(rows),
        begin=begin,
        more=begin + _ON_A_PAGE if begin + _ON_A_PAGE < len(rows) else None,
        counts=counts,
        wanted={name: visit.query.get(name, "") for name in ("words", "kind", "order")},
        progress=get_progress(visit.app),
        words=tag_words,
    )


def list_names(visit: Visit, rule: TagRule, added: tags.Added | None) -> list[tuple[Alias, str, str]]:
    """Each name of a tag: how it is read, as it was written, and where; empty: here."""
    layers = visit.app.layers
    written = {alias: (text, place) for alias, text, place in (layers.list_tag_names(rule.tag.slug) if layers else ())}
    for text in tags.list_added(added, rule.tag.slug):
        written |= {read_alias(text, exact): (text, "") for exact in (False, True)}
    return [(alias, *written.get(alias, (alias.text, ""))) for alias in rule.aliases]


def show_tag(visit: Visit, slug: str, **more: Any) -> Response:
    """The page of one tag. Raises `NotFound`."""
    rules = visit.app.settings.tag_rules
    rule = tags.find_rule(rules, slug)
    added = tags.get_added(visit.app)
    counts = COUNTS.get(visit.app, patience=_PATIENCE)
    shown: dict[str, Any] = {
        "rule": rule,
        "names": list_names(visit, rule, added),
        "added": tags.list_added(added, slug),
        "here": tags.is_made_here(added, slug),
        "reasons": tags.see_reasons(visit.app, rule),
        "weeks": counts.get(slug) if counts else None,
        "counts": counts,
        "tags": get_tags(rules),
        "tried": None,
        "words": tag_words,
    }
    return show_page(visit, "tag.html", **{**shown, **more})


def _show_tag(visit: Visit) -> Response:
    return show_tag(visit, visit.params["slug"])


def _find_offered(visit: Visit, patience: float | None = None) -> Sequence[Candidate] | None:
    """Those that nobody has decided about meanwhile."""
    found = NAMES.get(visit.app, patience=patience)
    if found is None:
        return None
    with visit.app.db.read() as conn:
        dismissed = set(tags.list_dismissed(conn))
    known = {fold_label(alias.text) for rule in visit.app.settings.tag_rules.rules for alias in rule.aliases}
    return [one for one in found if (key := fold_label(one.name)) not in dismissed and key not in known]


def _show_names(visit: Visit) -> Response:
    offered = _find_offered(visit)
    return show_page(visit, "tag_names.html", offered=offered and offered[:_ON_A_PAGE])


def _dismiss(visit: Visit, sent: NameFields) -> Done:
    line = tags.dismiss_name(visit.app, sent.name, who=visit.account.name)
    return Done(to="/tags/candidates", change=line, body={"name": sent.name})


def _tell_tags(visit: Visit) -> Any:
    counts = COUNTS.get(visit.app, patience=5)
    return [_describe(row.rule) | {"weeks": row.weeks} for row in _list_rows(visit, counts)]


def _describe(rule: TagRule) -> dict[str, Any]:
    tag = rule.tag
    return {"slug": tag.slug, "kind": tag.kind, "name": tag.name, "names": dict(tag.names)}


def _tell_tag(visit: Visit) -> Any:
    rule = tags.find_rule(visit.app.settings.tag_rules, visit.params["slug"])
    added = tags.get_added(visit.app)
    reasons, counts = tags.see_reasons(visit.app, rule), COUNTS.get(visit.app, patience=5)
    return {
        **_describe(rule),
        "parents": rule.parents,
        "hosts": rule.hosts,
        "weeks": counts.get(rule.tag.slug) if counts else None,
        "looked_at": reasons.entries,
        "aliases": [
            {"alias": text, "place": place, "entries": reasons.by_alias.get(alias, 0)}
            for alias, text, place in list_names(visit, rule, added)
        ],
        "other_reasons": [
            {"kind": kind, "of": whose, "entries": number} for (kind, whose), number in reasons.others.items()
        ],
        "beside": dict(reasons.beside),
    }


def _tell_names(visit: Visit) -> Any:
    offered: Sequence[Candidate] = _find_offered(visit, patience=10) or ()
    return [
        {
            "name": one.name,
            "entries": one.entries,
            "feeds": len(one.feeds),
            "samples": [{"id": number, "title": title} for number, title in one.samples],
        }
        for one in offered
    ]


_FILTER: Mapping[str, str] = {
    "words": "A part of a slug or a name.",
    "kind": "org, product or topic.",
    "order": "used, rising or name.",
}

ROOM = Section(
    key="tags",
    pages=(
        Page(path="/tags", show=_show_tags),
        Page(path="/tags/candidates", show=_show_names),
        Page(path="/tags/{slug}", show=_show_tag),
    ),
    actions=(
        Action(
            name="candidate.dismiss", path="/tags/candidates/dismiss", fields=NameFields, run=_dismiss,
            done=N_("This name is not offered any more"), page=_show_names, undo=tags.offer_again,
        ),
    ),
    listings=(
        Listing(
            path="/tags", read=_tell_tags, query=_FILTER,
            summary="The taxonomy, with entries of each of the last twelve weeks.",
        ),
        Listing(path="/tags/candidates", read=_tell_names, summary="Frequent names that no tag knows."),
        Listing(path="/tags/{slug}", read=_tell_tag, summary="One tag: what put it on its newest entries."),
    ),
)  # fmt: skip
