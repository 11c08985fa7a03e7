"""A tag, or one more name of it, as a form: tried at once, saved. Never asks what entries bear."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import Response

from aggregator.errors import AggregatorError, ConfigError, NotFound
from aggregator.model.tag import TagRules
from aggregator.pipeline.tag.folding import fold_label
from aggregator.tasks.desk import tags
from aggregator.tasks.desk.rules import undo
from aggregator.web.desk import tag_words
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.rule import PATIENCE, SAMPLE
from aggregator.web.desk.tags import show_tag
from aggregator.web.desk.visit import Action, Done, Fields, Page, Section, Visit
from aggregator.web.desk.words import N_, FieldError, quote, say

_SLUG = Annotated[str, Field(min_length=1, max_length=100, description="Its slug, or its name.")]


class AliasFields(Fields):
    slug: _SLUG
    alias: Annotated[str, Field(max_length=200, description="As a tag file has it: with `=`, capitals count.")] = ""
    whole: Annotated[bool, Field(description="The whole page, not only what it would catch.")] = False


class RemoveFields(Fields):
    slug: _SLUG
    alias: Annotated[str, Field(max_length=200, description="Empty: all that was added to the tag here.")] = ""


class TagFields(Fields):
    slug: Annotated[
        str, Field(max_length=100, description="Lower case, hyphens between words; empty: of the name.")
    ] = ""
    kind: Literal["org", "product", "topic"] = "org"
    name: Annotated[str, Field(max_length=100)] = ""
    ja: Annotated[str, Field(max_length=100, description="Its name in Japanese.")] = ""
    zh: Annotated[str, Field(max_length=100, description="Its name in Chinese.")] = ""
    aliases: Annotated[str, Field(max_length=2_000, description="Other names, one a line.")] = ""
    parents: Annotated[str, Field(max_length=300, description="Tags that it brings along, by commas.")] = ""
    only_with: Annotated[str, Field(max_length=1_000, description="Only beside one of these words, by commas.")] = ""
    hosts: Annotated[str, Field(max_length=300, description="Its own sites, by commas.")] = ""
    whole: Annotated[bool, Field(description="The whole page, not only what it would catch.")] = False


def _make_tag(sent: TagFields) -> tuple[str, dict[str, Any]]:
    """Slug, and the tag as a tag file has it. Raises `FieldError`."""
    if not sent.name:
        raise FieldError({"name": say(N_("This is missing."))})
    slug = sent.slug or make_slug(sent.name)
    if not slug:
        raise FieldError({"slug": say(N_("Of this name no slug can be made: please write one."))})
    if slug in _PAGES:
        raise FieldError({"slug": say(N_("The desk has a page of this name: please write another slug."))})
    lists = {
        "aliases": [one.strip() for one in sent.aliases.splitlines()],
        **{key: [one.strip() for one in getattr(sent, key).split(",")] for key in ("parents", "only_with", "hosts")},
    }
    values: dict[str, Any] = {sent.kind: sent.name, "ja": sent.ja, "zh": sent.zh}
    values |= {key: [one for one in some if one] for key, some in lists.items()}
    return slug, {key: value for key, value in values.items() if value}


#: Addresses beside those of tags.
_PAGES = frozenset({"new", "candidates"})


def make_slug(name: str) -> str:
    """Of letters and digits; empty where there are none."""
    return re.sub(r"[^a-z0-9.]+", "-", fold_label(name)).strip("-.")


def find_slug(rules: TagRules, text: str) -> str:
    """Of a slug or a name. Raises `FieldError`."""
    folded = fold_label(text)
    by_name = {fold_label(rule.tag.name): rule.tag.slug for rule in rules.rules}
    found = text if any(rule.tag.slug == text for rule in rules.rules) else by_name.get(folded)
    if found is None:
        raise FieldError({"slug": say(N_("There is no tag of this slug or name."))})
    return found


def _blame(error: ConfigError, slug: str, names: dict[str, str], otherwise: str) -> FieldError:
    """Each mistake at its field."""
    errors: dict[str, str] = {}
    for problem in error.problems:
        key = problem.key.removeprefix(slug).lstrip(".")
        field = names.get(key, otherwise)
        errors[field] = f"{errors[field]}; {problem.message}" if field in errors else problem.message
    return FieldError(errors)


def _read_alias(visit: Visit, sent: AliasFields) -> tuple[str, dict[str, Any]]:
    slug = find_slug(visit.app.settings.tag_rules, sent.slug)
    if not sent.alias:
        raise FieldError({"alias": say(N_("This is missing."))})
    return slug, tags.with_alias(tags.get_added(visit.app), slug, sent.alias)


def _check(visit: Visit, slug: str, added: dict[str, Any], otherwise: str) -> TagRules:
    assert visit.app.layers is not None
    try:
        return visit.app.layers.check_tags(added)
    except ConfigError as error:
        raise _blame(error, slug, _NAMES, otherwise) from error


_NAMES = {key: key for key in ("aliases", "parents", "only_with", "hosts", "ja", "zh")} | {"": "slug"}


def _catch(visit: Visit, slug: str, added: dict[str, Any], otherwise: str) -> dict[str, Any]:
    wanted = _check(visit, slug, added, otherwise)
    sample = SAMPLE.get(visit.app, patience=PATIENCE)
    if sample is None:
        return {"catch": None, "waits": True}
    catch = tags.try_tag(sample, visit.app.settings.tag_rules, wanted, slug)
    return {"catch": catch, "waits": False, "sampled": len(sample.seen), "taken_at": sample.taken_at}


def _tried(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a form would do; or, as `fault`, why it would not."""
    try:
        return {"fault": None, **run()}
    except FieldError as error:
        return {"fault": error.errors}
    except AggregatorError as error:
        return {"fault": {"": quote(error)}}


def _try_alias(visit: Visit, sent: AliasFields) -> Response:
    def run() -> dict[str, Any]:
        slug, added = _read_alias(visit, sent)
        return _catch(visit, slug, added, "alias")

    tried = _tried(run)
    if not sent.whole:
        return show_page(visit, "tag_tried.html", tried=tried, words=tag_words)
    visit = replace(visit, sent={"alias": [sent.alias]})
    return show_tag(visit, find_slug(visit.app.settings.tag_rules, sent.slug), tried=tried)


def _try_tag(visit: Visit, sent: TagFields) -> Response:
    def run() -> dict[str, Any]:
        slug, values = _make_tag(sent)
        return _catch(visit, slug, tags.with_tag(tags.get_added(visit.app), slug, values), "name")

    tried = _tried(run)
    if not sent.whole:
        return show_page(visit, "tag_tried.html", tried=tried, words=tag_words)
    return show_page(visit, "tag_new.html", values=sent.model_dump(), tried=tried, words=tag_words)


def _show_new(visit: Visit) -> Response:
    names = [name for name in TagFields.model_fields if name != "whole"]
    values = {name: visit.get_sent(name, visit.query.get(name, "")) for name in names}
    return show_page(visit, "tag_new.html", values=values, tried=None, words=tag_words)


def _change(
    visit: Visit, make: Callable[[tags.Added | None], dict[str, Any]], action: str, slug: str, title: str, field: str
) -> int:
    """Each mistake stands at its field, or else at ``field``."""
    try:
        return tags.change_tags(visit.app, make, who=visit.account.name, action=action, title=title)
    except ConfigError as error:
        raise _blame(error, slug, _NAMES if field else {}, field) from error


def _add(visit: Visit, sent: TagFields) -> Done:
    slug, values = _make_tag(sent)
    if any(rule.tag.slug == slug for rule in visit.app.settings.tag_rules.rules):
        raise FieldError({"slug": say(N_("There is a tag %(slug)s already."), slug=slug)})
    line = _change(visit, lambda added: tags.with_tag(added, slug, values), "tag.add", slug, sent.name, "name")
    return Done(to=f"/tags/{slug}", change=line, body={"slug": slug, "tag": values})


def _add_alias(visit: Visit, sent: AliasFields) -> Done:
    slug, _ = _read_alias(visit, sent)
    title = f"{slug}: {sent.alias}"
    line = _change(visit, lambda added: tags.with_alias(added, slug, sent.alias), "tag.alias", slug, title, "alias")
    return Done(to=f"/tags/{slug}", change=line, body={"slug": slug, "alias": sent.alias})


def _remove(visit: Visit, sent: RemoveFields) -> Done:
    slug = find_slug(visit.app.settings.tag_rules, sent.slug)
    title = f"{slug}: {sent.alias}" if sent.alias else slug
    line = _change(visit, lambda added: tags.without(added, slug, sent.alias), "tag.remove", slug, title, "")
    gone = all(rule.tag.slug != slug for rule in visit.app.settings.tag_rules.rules)
    return Done(to="/tags" if gone else f"/tags/{slug}", change=line, body={"slug": slug})


def _show_sent(visit: Visit) -> Response:
    """The page of the tag that a form was about; of none, where all of them stand."""
    try:
        slug = find_slug(visit.app.settings.tag_rules, visit.get_sent("slug"))
        return show_tag(visit, slug)
    except (FieldError, NotFound):
        return show_page(visit, "tag_unknown.html")


ROOM = Section(
    key="tags",
    pages=(Page(path="/tags/new", show=_show_new),),
    actions=(
        Action(
            name="tag.add", path="/tags/new", fields=TagFields, run=_add, done=N_("A tag was made"), page=_show_new,
            undo=undo,
        ),
        Action(
            name="tag.alias", path="/tags/alias", fields=AliasFields, run=_add_alias,
            done=N_("A tag has one more name"), page=_show_sent, undo=undo,
        ),
        Action(
            name="tag.remove", path="/tags/remove", fields=RemoveFields, run=_remove,
            done=N_("What was added to a tag here was removed"), page=_show_sent, undo=undo,
        ),
        Action(
            name="tag.try", path="/tags/try", fields=TagFields, run=_try_tag, done=N_("Tried"), page=_show_new,
            for_viewers=True, shows=True,
        ),
        Action(
            name="tag.try_alias", path="/tags/alias/try", fields=AliasFields, run=_try_alias, done=N_("Tried"),
            page=_show_sent, for_viewers=True, shows=True,
        ),
    ),
)  # fmt: skip
