"""A newsletter whose time the test sets: posts in a folder, three readers, a real mail server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aggregator.app import App
from aggregator.model.newsletter import Issue, Newsletter
from aggregator.model.subscriber import NewSubscriber
from aggregator.storage import deliveries, issues
from aggregator.tasks.deliver import Sending, deliver_issue
from aggregator.tasks.group import regroup_stories
from aggregator.tasks.issues import build_issue
from aggregator.tasks.refresh import refresh_feeds
from aggregator.tasks.subscribe import add_subscribers
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer

#: A Monday, 08:00 in Berlin: the slot of the newsletter that `Program.configure` writes.
SLOT = datetime(2025, 12, 8, 7, tzinfo=UTC)
READERS = ("ada@example.org", "bob@example.org", "cyd@example.org")
WEEKLY = {"slug": "weekly", "title": "AI Weekly", "schedule": "0 8 * * 1", "min_stories": 1}
WORDS = """harbour violin glacier pepper lantern saddle orchid turbine meadow compass granite pelican walnut ferry
cobalt thistle anchor marble juniper kettle falcon saffron tundra viaduct willow zeppelin badger cinnamon dolphin
ember""".split()


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)

    def pause(self, seconds: float) -> bool:
        """Waits without waiting."""
        self.move(seconds=seconds)
        return False


class Paper:
    """One newsletter with its folder of posts."""

    def __init__(self, program: Program, smtp: SmtpServer, *, at: datetime = SLOT) -> None:
        self.program = program
        self.smtp = smtp
        self.clock = Clock(at)
        self.folder = program.folder / "posts"
        self.folder.mkdir(exist_ok=True)

    def configure(
        self,
        *,
        rate: float = 0.0,
        newsletter: dict[str, Any] | None = None,
        mail: dict[str, Any] | None = None,
        **sections: Any,
    ) -> None:
        server = {"host": "127.0.0.1", "port": self.smtp.port, "tls": "none"}
        self.program.configure(
            feeds=[{"folder": "posts"}],
            combined={"first_import": 1000},
            newsletters=[{**WEEKLY, **(newsletter or {})}],
            mail={"from": "AI Weekly <news@example.org>", "smtp": server, "rate": rate, **(mail or {})},
            **sections,
        )

    def post(self, number: int, at: datetime, *, text: str = "One short sentence about it.", title: str = "") -> str:
        """Write a post that resembles no other."""
        named = title or f"The {WORDS[number % len(WORDS)]} {WORDS[number * 7 % len(WORDS)]} report {number * number}"
        head = f'---\ntitle: "{named}"\ndate: {at.isoformat()}\nurl: https://blog.example.org/{number}\n---\n'
        (self.folder / f"{number}.md").write_text(f"{head}\n{text}\n", encoding="utf-8")
        return named

    @contextmanager
    def app(self, **parts: Any) -> Iterator[App]:
        with self.program.app(now=self.clock, **parts) as app:
            yield app

    def read(self, app: App) -> None:
        """Fetch everything and group it."""
        with app.db.read() as conn:
            from aggregator.storage import feeds

            ids = [feed.id for feed in feeds.list_feeds(conn)]
        refresh_feeds(app, ids)
        regroup_stories(app)

    def subscribe(self, app: App, *emails: str) -> None:
        add_subscribers(app, [NewSubscriber(email=email, newsletter="weekly") for email in emails], consent="test")

    def newsletter(self, app: App) -> Newsletter:
        return app.settings.newsletters[0]

    def recipients(self) -> list[str]:
        """Who got a mail, in order."""
        return [address for mail in self.smtp.mails for address in mail.recipients]


def send_all(app: App, issue: Issue, **options: Any) -> Sending:
    """What `issues send` and the daemon do: all that is due, or until the server has had enough."""
    with app.db.write() as conn:
        issues.mark_sending(conn, issue.id, now=app.now())
    return deliver_issue(app, issue.id, **options)


def count_states(app: App, issue: Issue) -> dict[str, int]:
    with app.db.read() as conn:
        return deliveries.count_states(conn, issue.id)


def get_issue(app: App, slug: str) -> Issue:
    with app.db.read() as conn:
        found = issues.get(conn, "weekly", slug)
    assert found is not None
    return found


@contextmanager
def ready(paper: Paper, *emails: str) -> Iterator[tuple[App, Issue]]:
    """A frozen issue and its readers."""
    with paper.app() as app:
        paper.subscribe(app, *(emails or READERS))
        paper.read(app)
        yield app, build_issue(app, paper.newsletter(app))
