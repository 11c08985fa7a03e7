"""``aggregator check``: everything wrong with an installation at once. Never fetches a feed, never sends a mail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import typer

from aggregator.app import build_mailer, load_settings, read_clock
from aggregator.cli.console import ConfigOption, JsonOption, find_config, print_json, print_line
from aggregator.config import Config
from aggregator.config.desk import layer_settings
from aggregator.config.feeds import read_feed_lists
from aggregator.config.schema import OpmlFeeds
from aggregator.config.settings import find_unknown_tags
from aggregator.errors import AggregatorError, Problem, SenderRefused, UsageError
from aggregator.log import configure_logging
from aggregator.mail.dkim import build_signer
from aggregator.mail.headers import prove_headers
from aggregator.mail.mailbox import open_mailbox
from aggregator.model.account import DeskSettings
from aggregator.model.finding import Finding, Light
from aggregator.model.said import say_count
from aggregator.model.settings import Settings
from aggregator.pipeline.opml import parse_opml
from aggregator.pipeline.schedule import describe_schedule, next_slots
from aggregator.render.templates import Templates, load_templates
from aggregator.storage import audit, migrate
from aggregator.storage.engine import open_database
from aggregator.tasks.check import find_idle_feed_tags, find_template_problems, find_template_warnings
from aggregator.tasks.interests import describe_interests
from aggregator.tasks.online import look_at_dns


class _Report:
    """What was found: printed at once for people, or all of it at the end as JSON."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.findings: list[dict[str, Any]] = []
        self.failed = False

    def tell(self, light: Light, about: str, text: str, *, name: str = "", more: Iterable[str] = ()) -> None:
        """One finding; ``more`` are lines beneath it."""
        self.failed = self.failed or light == "failed"
        lines = list(more)
        found = {"light": light, "about": about, "name": name, "text": text, "lines": lines, "record": None}
        self.findings.append(found)
        if not self.as_json:
            print_line(": ".join(word for word in (light, about, text) if word), err=light == "failed")
            for line in lines:
                print_line(f"      {line}")

    def tell_found(self, found: Finding) -> None:
        """One finding of DNS, with the record to paste."""
        record = found.record
        pasted = {"name": record.name, "type": record.type, "value": record.value} if record else None
        self.findings.append(
            {
                "light": found.light,
                "about": found.about,
                "name": found.name,
                "text": found.text,
                "lines": [],
                "record": pasted,
            }
        )
        if not self.as_json:
            print_line(found, err=found.light == "failed")
            if record:
                print_line(f"      {record}", err=found.light == "failed")

    def look(self, about: str, look: Callable[[], str]) -> None:
        """Tell what ``look`` found, or each line of why it failed."""
        try:
            text = look()
        except AggregatorError as error:
            for line in str(error).splitlines():
                self.tell("failed", about, line)
        else:
            if text:
                self.tell("ok", about, text)

    def end(self) -> None:
        """The JSON document, when that was wished."""
        if self.as_json:
            is_good = not any(found["light"] == "failed" for found in self.findings)
            print_json({"ok": is_good, "findings": self.findings})


def check(
    config: ConfigOption = None,
    online: Annotated[bool, typer.Option("--online", help="Look at the DNS records of the mail as well.")] = False,
    address: Annotated[
        list[str] | None,
        typer.Option(
            metavar="IP", help="Where mail leaves from; default: the addresses of mail.smtp.host.", show_default=False
        ),
    ] = None,
    nameserver: Annotated[
        str, typer.Option(metavar="IP[:PORT]", help="Ask this name server; default: the machine's own.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Look for mistakes in configuration, database and mail.

    In templates, tags and lists of feeds as well; and say when the next issues are due. Exit code 2 when something
    is wrong; 1 when that is in DNS only.
    """
    found = find_config(config)
    configure_logging(level="error", style=found.log.style)
    settings = load_settings(found)
    templates = load_templates([found.templates_folder])
    report = _Report(as_json)
    newsletters = say_count(len(settings.newsletters), "newsletter")
    report.tell("ok", str(found.path), f"{say_count(len(settings.feeds), 'feed')}, {newsletters}")
    for warning in [*found.warnings, *find_idle_feed_tags(settings)]:
        report.tell("warning", "", str(warning))
    report.look("feeds", lambda: _check_lists(found))
    desk = _read_desk(found)
    layered, problems = layer_settings(found, settings, desk)
    report.look("tags", lambda: _check_tags(found, layered))
    report.look("templates", lambda: _check_templates(settings, templates))
    for warning in find_template_warnings(settings, templates, read_clock()):
        report.tell("warning", "templates", warning)
    report.look("database", lambda: _check_database(found))
    _tell_desk(desk, problems, report)
    report.look("mail", lambda: _check_mail(found, settings))
    report.look("bounces", lambda: _check_bounces(settings))
    _tell_alerts(settings, report)
    _tell_interests(settings, report)
    _tell_schedules(settings, report)
    is_bad = report.failed
    if online:
        _look_online(report, found, settings, tuple(address or ()), nameserver)
    report.end()
    if is_bad or report.failed:
        raise typer.Exit(2)
    if any(finding["light"] == "failed" for finding in report.findings):
        raise typer.Exit(1)


def _look_online(
    report: _Report, config: Config, settings: Settings, addresses: tuple[str, ...], nameserver: str
) -> None:
    servers = tuple(server.host for server in (config.mail.smtp, config.mail.fallback) if server is not None)

    def look() -> str:
        for finding in look_at_dns(settings, servers=servers, addresses=addresses, nameserver=nameserver):
            report.tell_found(finding)
        return ""

    report.look("dns", look)


def _check_lists(config: Config) -> str:
    _refuse(read_feed_lists(config, parse_opml).problems)
    lists = [feed for feed in config.feeds if isinstance(feed, OpmlFeeds)]
    followed = sum(feed.is_followed for feed in lists)
    read = say_count(len(lists) - followed, "OPML list") + " read"
    return f"{read}, {followed} on the web to be followed" if followed else read


def _check_tags(config: Config, settings: Settings) -> str:
    _refuse(find_unknown_tags(config, settings.tag_rules))
    return f"{len(settings.tag_rules.rules)} in the taxonomy"


def _check_templates(settings: Settings, templates: Templates) -> str:
    _refuse(find_template_problems(settings, templates, read_clock()))
    return "all render"


def _refuse(problems: Iterable[object]) -> None:
    text = "\n".join(str(problem) for problem in problems)
    if text:
        raise UsageError(text)


def _check_database(config: Config) -> str:
    notes = {
        "empty": "reachable; empty, made at the first start",
        "current": "reachable, schema current",
        "older": "reachable; schema older, upgraded (after a backup) by `run`",
    }
    db = open_database(config.database_url)
    try:
        state = migrate.current(db)
    finally:
        db.close()
    if state not in notes:
        raise UsageError(f"{db.url_text} was made by a newer version of this program")
    return f"{db.url_text}: {notes[state]}"


def _read_desk(config: Config) -> DeskSettings:
    """Nothing where the database has no such table yet, or cannot be reached, which is told elsewhere."""
    try:
        with closing(open_database(config.database_url)) as db:
            if migrate.current(db) != "current":
                return {}
            with db.read() as conn:
                return audit.list_settings(conn)
    except AggregatorError:
        return {}


def _tell_desk(desk: DeskSettings, problems: Iterable[Problem], report: _Report) -> None:
    """What stands in place of sections of the file, and what of it is not obeyed."""
    for name, setting in desk.items():
        how = "in place of" if name == "rules" else "on top of"
        report.tell("ok", "desk", f"{name} set by {setting.made_by} on {setting.made_at:%Y-%m-%d}, {how} the file's")
    for problem in problems:
        report.tell("warning", "desk", f"not obeyed: {problem}")


def _check_mail(config: Config, settings: Settings) -> str:
    mailer = build_mailer(config)
    try:
        prove_headers()
        signer = build_signer(settings.mail.dkim)
        signed = f"; signed by {signer.domain} ({signer.selector})" if signer else ""
        return mailer.check() + signed
    except SenderRefused as error:
        raise UsageError(f"the mail server refused us: {error}" if error.code else str(error)) from error
    finally:
        mailer.close()


def _check_bounces(settings: Settings) -> str:
    """Empty when none come back to us."""
    mailbox = open_mailbox(settings.mail.bounces)
    if mailbox is None:
        return ""
    try:
        return f"{say_count(len(mailbox.find()), 'mail')} to be read"
    finally:
        mailbox.close()


def _tell_alerts(settings: Settings, report: _Report) -> None:
    """Who is told of what, when anybody is. Of a webhook's address only the host: the rest may be its secret."""
    alerts = settings.alerts
    if not alerts.targets:
        return
    lines = [f"{address}: {', '.join(alerts.events)}" for address in alerts.mail]
    lines += [
        f"{urlsplit(hook.url).hostname}, {'signed' if hook.key else 'not signed'}: {', '.join(hook.events)}"
        for hook in alerts.webhooks
    ]
    people, programs = say_count(len(alerts.mail), "address", "addresses"), say_count(len(alerts.webhooks), "webhook")
    report.tell("ok", "alerts", f"{people}, {programs}", more=lines)


def _tell_interests(settings: Settings, report: _Report) -> None:
    """What the editor's sentences became: it counts in every score."""
    made = list(describe_interests(settings))
    if made:
        text = "what was made of your sentences; points of your own for a tag or a word win, 0: gone"
        report.tell("ok", "interests", text, more=made)


def _tell_schedules(settings: Settings, report: _Report) -> None:
    for newsletter in settings.newsletters:
        slots = next_slots(newsletter.schedule, newsletter.timezone, read_clock(), 3)
        text = f"{describe_schedule(newsletter.schedule)}, {newsletter.timezone}. Next issues:"
        zone = ZoneInfo(newsletter.timezone)
        shown = [f"{slot.astimezone(zone):%a %Y-%m-%d %H:%M %Z}" for slot in slots]
        report.tell("ok", f"newsletter {newsletter.slug}", text, name=newsletter.slug, more=shown)
