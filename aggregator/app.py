"""The one place where the parts are chosen and joined. Never does any of the work itself.

A task is handed the `App` and nothing else; a test hands in other parts. The three Protocols are the only seams
with more than one implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, overload

from aggregator.config import Config
from aggregator.config.desk import layer_settings, read_rules, read_tags
from aggregator.config.events import load_lexicon
from aggregator.config.export import is_written
from aggregator.config.feeds import read_feed_lists
from aggregator.config.meanings import load_language_means
from aggregator.config.settings import build_settings
from aggregator.config.tag_drafts import Draft
from aggregator.config.tag_rules import list_written
from aggregator.config.taxonomy import SHIPPED, load_tag_rules, read_drafts
from aggregator.errors import Problem
from aggregator.log import get_logger
from aggregator.model.account import DeskSettings
from aggregator.model.feed import FetchRequest, Reply
from aggregator.model.lane import Lane
from aggregator.model.mailing import Ledger
from aggregator.model.rule import Rules
from aggregator.model.settings import Settings
from aggregator.model.tag import Alias, TagRules
from aggregator.pipeline.opml import parse_opml
from aggregator.render.templates import Templates, load_templates
from aggregator.sandbox import ParseSandbox
from aggregator.storage.engine import Database, open_database

log = get_logger(__name__)

#: Shipped files: inside the installed package, or beside it in a checkout.
PACKAGE = Path(__file__).parent


class Fetcher(Protocol):
    """Asks many feeds at once."""

    @overload
    def fetch(self, requests: Iterable[FetchRequest]) -> Generator[Reply, None, None]: ...
    @overload
    def fetch(self, requests: Iterable[FetchRequest], *, tick: float) -> Generator[Reply | None, None, None]:
        """Replies as they come, one per request; with ``tick`` None, too, whenever so many seconds bring none.

        ``requests`` is read only so far ahead of the replies. What goes wrong with a feed is a reply, no exception.
        """
        ...

    def close(self) -> None: ...


class Mailer(Protocol):
    """Hands messages to the outside."""

    def deliver(self, ledger: Ledger) -> str:
        """Sends what ``ledger`` gives until it has no more or stops; why it ended, in words.

        Raises `errors.SenderRefused` or `errors.MailUnavailable` when nothing can be sent at all, and what the ledger
        raised; before that, what was under way is finished and committed.
        """
        ...

    def check(self) -> str:
        """Connects, logs in and sends nothing; what there is, in words. Raises `errors.MailError`."""
        ...

    def close(self) -> None: ...


class TaskQueue(Protocol):
    """Runs tasks by name, now or later."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes, maybe of other machines, take its jobs, too."""
        ...

    def defer(self, task: str, *, key: str, **ids: int | str) -> bool:
        """Queue one call; False when a job of the same key is waiting already."""
        ...

    def run(self, tasks: Mapping[str, Callable[..., None]]) -> None:
        """Take jobs until `stop`; blocks until those that had begun are finished."""
        ...

    def stop(self) -> None:
        """Begin no further job."""
        ...

    def measure(self) -> Sequence[Lane]:
        """How much waits, and how long: lane by lane, always the same ones."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True, kw_only=True)
class App:
    """The whole machine on one page."""

    #: Replaced as a whole when the desk says something else (`tasks.desk.settings.adopt_settings`), and by nobody else.
    settings: Settings
    db: Database
    fetcher: Fetcher
    mailer: Mailer
    queue: TaskQueue
    #: Reads hostile documents in a child process of its own.
    sandbox: ParseSandbox
    templates: Templates
    now: Callable[[], datetime]
    #: What the desk may set, on top of the configuration; None: there is none, as in some tests.
    layers: Layers | None = field(default=None, repr=False)


@dataclass(slots=True, kw_only=True)
class Layers:
    """The configuration, and the desk's word on top of it."""

    config: Config
    #: Made of the configuration alone.
    base: Settings
    #: Of the word that `App.settings` holds now (`storage.audit.get_settings_mark`).
    mark: str = ""
    #: What of it cannot be read any more.
    problems: tuple[Problem, ...] = ()
    #: Made when it is first asked for: it takes longer than a page may.
    _drafts: Mapping[str, Draft] | None = field(default=None, repr=False)

    def read(self, desk: DeskSettings) -> Settings:
        """The settings with the desk's word; what of it cannot be read is told by `problems`."""
        settings, self.problems = layer_settings(self.config, self.base, desk)
        return settings

    def is_written(self, name: str, value: Any) -> bool:
        """Whether the configuration itself says by now what the desk says of a section."""
        return is_written(self.config, name, value)

    def check_rules(self, raw: Sequence[Any], tag_rules: TagRules) -> Rules:
        """What a list of rules would be. Raises `ConfigError` with every mistake."""
        return read_rules(self.config, raw, tag_rules)

    def check_tags(self, added: Mapping[str, Any]) -> TagRules:
        """What the taxonomy would be with these on top. Raises `ConfigError` with every mistake."""
        return read_tags(self.config, added)

    def list_tag_names(self, slug: str) -> list[tuple[Alias, str, str]]:
        """What the files write of a tag's names: how it is read, as it stands there, and where (``tags.yaml:41``)."""
        if self._drafts is None:
            self._drafts = read_drafts(self.config.tag_files)
        draft = self._drafts.get(slug)
        return [
            (alias, written, f"{Path(file).name if Path(file) == SHIPPED else file}:{line}")
            for alias, written, (file, line) in (list_written(draft) if draft else ())
        ]


@contextmanager
def open_app(config: Config) -> Iterator[App]:
    """All parts as ``config`` asks for them, closed again at the end.

    Opens no connection, starts no thread and sends nothing yet: parts do that when first used. Raises `ConfigError`.
    """
    from aggregator.fetch.feeds import FeedFetcher

    settings = load_settings(config)
    db = open_database(config.database_url)
    app = App(
        settings=settings,
        db=db,
        fetcher=FeedFetcher(settings.fetch),
        mailer=build_mailer(config),
        queue=build_queue(db),
        sandbox=ParseSandbox(),
        templates=load_templates([config.templates_folder]),
        now=read_clock,
        layers=Layers(config=config, base=settings),
    )
    try:
        yield app
    finally:
        app.fetcher.close()
        app.mailer.close()
        app.queue.close()
        app.sandbox.close()
        app.db.close()


def load_settings(config: Config) -> Settings:
    """Everything the editor set, the lists and files that the configuration names included.

    What cannot be read of a list of feeds is logged; the rest goes on. Raises `ConfigError`.
    """
    lists = read_feed_lists(config, parse_opml)
    for problem in lists.problems:
        log.warning("feeds.list", problem=str(problem))
    settings = build_settings(
        config,
        feeds=lists.specs,
        tag_rules=load_tag_rules(config.tag_files),
        language_means=load_language_means(),
    )
    return replace(settings, feeds_complete=not lists.problems, lexicon=load_lexicon())


def build_mailer(config: Config) -> Mailer:
    """SMTP when the configuration names a server, else the outbox folder."""
    if config.mail.smtp is not None:
        from aggregator.mail.smtp import SmtpMailer

        second = config.mail.fallback
        return SmtpMailer(config.mail.smtp.build_settings(), second.build_settings() if second else None)
    from aggregator.mail.outbox import OutboxMailer

    return OutboxMailer(config.outbox_folder)


def build_queue(db: Database) -> TaskQueue:
    """In PostgreSQL for whoever works on it; with SQLite in this process."""
    if db.dialect == "sqlite":
        from aggregator.taskqueue.local import LocalQueue

        return LocalQueue()
    from aggregator.taskqueue.postgres import PostgresQueue

    return PostgresQueue(db.conninfo)


def shipped_config() -> Path:
    """The configuration that comes with the program: in the wheel beside the data, in a checkout at its top."""
    packaged = PACKAGE / "data" / "config.yaml"
    return packaged if packaged.exists() else PACKAGE.parent / "config.yaml"


def read_clock() -> datetime:
    """The time, aware and in UTC."""
    return datetime.now(UTC)
