"""``aggregator rules``: what the editor's rules do, would do, and did. Never decides."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aggregator.cli.console import (
    ConfigOption,
    JsonOption,
    SinceOption,
    new_group,
    opened,
    print_json,
    print_line,
    print_list,
    print_table,
    read_instant,
    show_progress,
)
from aggregator.model.rule import Rule
from aggregator.storage import rules
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.rules import RuleReport, try_rules
from aggregator.tasks.tag import is_retagging, plan_retagging, retag_some

commands = new_group("The editor's rules about entries.")

_CHANGES = {
    "hide": "would go out of sight",
    "show": "would come back",
    "tag": "would bear a tag more",
    "untag": "would lose a tag",
    "weight": "would have another weight",
    "section": "would be in another section",
}


@commands.command("list")
def list_rules(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the rules in their order, with how much each decided."""
    with opened(config) as app:
        with app.db.read() as conn:
            counts = rules.count_decisions(conn)
        listed = app.settings.rules.rules
    documents = [_describe(rule) for rule in listed]
    for document in documents:
        document["decisions"] = {
            action: count for (name, action), count in sorted(counts.items()) if name == document["name"]
        }
    if not as_json:
        for document in documents:
            document["actions"] = ", ".join(document["actions"])
            document["decisions"] = _join(document["decisions"])
    print_list(as_json, documents, ("name", "scope", "actions", "decisions"), empty="No rules.")


def _describe(rule: Rule) -> dict[str, Any]:
    scope = [*(f"tag:{slug}" for slug in rule.scope.tags), *(f"feed:{name}" for name in rule.scope.feeds)]
    actions = [f"tag {slug}" for slug, _ in rule.tags]
    actions += ["drop"] if rule.drop else []
    actions += [f"weight {rule.weight:g}"] if rule.weight is not None else []
    actions += [f"section {rule.section}"] if rule.section else []
    actions += ["stop"] if rule.stop else []
    return {"name": rule.name, "scope": ", ".join(scope) or "all", "actions": actions}


def _join(counts: Any) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


@commands.command("test", short_help="Try the rules out on stored entries; write nothing.")
def test_rules(
    config: ConfigOption = None,
    rule: Annotated[str | None, typer.Option(metavar="NAME", help="Only this rule.", show_default=False)] = None,
    since: SinceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try the rules out on stored entries: what each would do, and what would change. Nothing is written."""
    with opened(config) as app:
        begin = read_instant(since, app)
        with app.db.read() as conn:
            total = rules.count_entries(conn, since=begin)
        with show_progress("Testing", total, show=not as_json) as update:
            report = try_rules(app, since=begin, name=rule, advance=lambda count: update(advance=count))
    if as_json:
        print_json(_describe_report(report))
    else:
        _print_report(report)


def _describe_report(report: RuleReport) -> dict[str, Any]:
    def show(samples: list[Any]) -> list[dict[str, Any]]:
        return [{"id": number, "title": title} for number, title in samples]

    return {
        "entries": report.entries,
        "rules": [
            {
                "name": name,
                "entries": report.matched[name],
                "actions": dict(actions),
                "samples": show(report.samples.get(name, [])),
            }
            for name, actions in report.actions.items()
        ],
        "changes": {
            change: {"entries": report.changes[change], "samples": show(report.changed.get(change, []))}
            for change in _CHANGES
        },
    }


def _print_report(report: RuleReport) -> None:
    rows = [(name, report.matched[name], _join(actions)) for name, actions in report.actions.items()]
    print_table(("rule", "entries", "actions"), rows, empty="No rules.")
    for name, samples in report.samples.items():
        print_line(f"{name}, the newest:")
        for number, title in samples:
            print_line(f"  {number}  {title}")
    print_line(f"Of {report.entries} stored entries, as compared with now:")
    for change, words in _CHANGES.items():
        if report.changes[change]:
            print_line(f"  {report.changes[change]} {words}, such as")
            for number, title in report.changed[change]:
                print_line(f"    {number}  {title}")
    if not report.changes:
        print_line("  nothing would change.")


@commands.command("apply", short_help="Judge all stored entries again.")
def apply_rules(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Judge all stored entries again, newest first, and tag them on the way.

    Can be broken off at any time and begun again. A daemon does the same by itself when it starts with other rules.
    """
    read = changed = 0
    with opened(config) as app:
        total = plan_retagging(app, anew=True)
        with show_progress("Applying", total, show=not as_json) as update:
            while is_retagging(app):
                done = retag_some(app)
                read, changed = read + done.read, changed + done.changed
                update(advance=done.read)
        regroup_stories(app)
        with app.db.read() as conn:
            counts = rules.count_decisions(conn)
    decisions = [{"rule": rule, "action": action, "entries": count} for (rule, action), count in sorted(counts.items())]
    if as_json:
        print_json({"entries": read, "changed": changed, "decisions": decisions})
        return
    print_line(f"{read} entries judged, {changed} of them are other than before.")
    print_list(False, decisions, ("rule", "action", "entries"), empty="No rule holds for any of them.")
