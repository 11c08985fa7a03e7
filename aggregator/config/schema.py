"""The shape of `config.yaml`: one frozen model a section, each key with its kind, default and meaning.

The keys are declared here once; messages, environment names and the tests of the documentation are made from them.
Never reads a file: `load` fills it, `settings` and `feeds` turn it into what the other rooms take.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PrivateAttr, SecretStr, Tag

from aggregator.config.alerts import Alerts
from aggregator.config.interests import Interests
from aggregator.config.kinds import SECRET, SWITCH, choice, number, text, whole
from aggregator.config.mail import Mail
from aggregator.config.newsletters import Newsletter
from aggregator.config.rules import FeedRule, Rule
from aggregator.config.section import Path_, Section, Title, Word
from aggregator.config.words import (
    CONTACT,
    DATABASE,
    DURATION,
    HEADER_NAME,
    HOST,
    JSON_PATH,
    LANGUAGE,
    LIST_PLACE,
    LISTEN,
    NETWORK,
    SELECTOR,
    SITE_URL,
    TAG,
    TIMEZONE,
    URL,
    split_listen,
)
from aggregator.errors import Problem
from aggregator.model.settings import MAX_DOCUMENT_BYTES

WEIGHT = number("how much it counts", least=0, most=100)


class Site(Section):
    """The publication itself."""

    title: Title = Field(description="Name of the publication: pages, feed and mail bear it.")
    url: Annotated[str, SITE_URL] = Field(description="Public address; a slash at its end is dropped.")
    language: Annotated[str, LANGUAGE] = Field("en", description="Language of the site's own words.")
    timezone: Annotated[str, TIMEZONE] = Field(
        "UTC", description="Zone of the times on pages and of dates in commands."
    )
    author: Annotated[str, text("a name", limit=200)] = Field("", description="Who edits it, for the feed.")
    description: Word = Field("", description="One sentence for the front page and the feed.")
    contact: Annotated[str, CONTACT] = Field("", description="Where a publisher can complain; sent in the User-Agent.")
    postal_address: Annotated[str, text("an address", limit=500, lines=True)] = Field(
        "", description="Printed at the foot of each mail, which many countries require."
    )
    hub: Annotated[str, URL] = Field("", description="WebSub hub that is told of news in our feeds; default: none.")


class Fetch(Section):
    """How feeds are asked."""

    allow_networks: tuple[Annotated[str, NETWORK], ...] = Field(
        (), description="Private networks that may be fetched from all the same; all others are refused."
    )
    concurrency: Annotated[int, whole("feeds fetched at one time", least=1, most=1_000)] = Field(
        32, description="Feeds fetched at one time."
    )
    per_host: Annotated[int, whole("requests at one time to a host", least=1, most=16)] = Field(
        1, description="Requests at one time to one public host."
    )
    host_gap_seconds: Annotated[float, number("a wait in seconds", least=0, most=600)] = Field(
        1.0, description="Wait between two requests to one public host."
    )
    timeout_seconds: Annotated[float, number("a wait in seconds", least=1, most=600)] = Field(
        30.0, description="For the whole of one fetch, redirects included."
    )
    max_bytes: Annotated[int, whole("a size in bytes", least=10_000, most=MAX_DOCUMENT_BYTES)] = Field(
        10_485_760, description="Largest feed, after decompression."
    )
    min_interval: Annotated[timedelta, DURATION] = Field(
        timedelta(minutes=30), description="A feed is not asked more often than this."
    )
    max_interval: Annotated[timedelta, DURATION] = Field(
        timedelta(hours=24), description="A feed that works is not asked less often than this."
    )
    user_agent: Annotated[str, text("a User-Agent", limit=300, ascii_only=True)] = Field(
        "", description="Complete User-Agent; default: ai-news-aggregator/VERSION (+CONTACT or site.url)."
    )
    host_key: Annotated[Literal["feed", "host", "domain"], choice("feed", "host", "domain")] = Field(
        "host", description="Whose requests count together: a feed's own, a host's, or all of a registrable domain."
    )
    forbidden_as_rate_limit: tuple[Annotated[str, HOST], ...] = Field(
        (), description="Hosts or domains that say 403 where they mean 429: left alone for a while; * for all."
    )


class FeedOptions(Section):
    """What may be said of a feed wherever it comes from."""

    language: Annotated[str, LANGUAGE] = Field("", description="Language of its entries; default: as the feed claims.")
    weight: Annotated[float, WEIGHT] = Field(1.0, description="How much its entries count in a story's score.")
    tags: tuple[Annotated[str, TAG], ...] = Field((), description="Tags that all of its entries bear.")
    full_content: Annotated[bool, SWITCH] = Field(
        False, description="Our feeds carry its entries whole, not as excerpts: only if its publisher allows it."
    )
    interval: Annotated[timedelta, DURATION] | None = Field(
        None,
        description="At least this long between two checks, up to fetch.max_interval; feed or server may ask for more.",
    )


class Page(Section):
    """How entries are found on a page that has no feed: CSS selectors, all but ``items`` within one item."""

    items: Annotated[str, SELECTOR] = Field(description="What one entry stands in.")
    title: Annotated[str, SELECTOR] = Field("", description="Its title; default: the item's own text.")
    link: Annotated[str, SELECTOR] = Field("", description="Its link; default: the first one in the item.")
    date: Annotated[str, SELECTOR] = Field("", description="Its date (<time> or text); default: none.")


class UrlFeed(FeedOptions):
    """A feed on the web."""

    url: Annotated[str, URL] = Field(description="Address of the Atom, RSS, RDF or JSON feed.")
    title: Title = Field("", description="What pages call it; default: as the feed says.")
    headers: dict[Annotated[str, HEADER_NAME], Annotated[SecretStr, SECRET]] = Field(
        {}, description="HTTP headers to send along, such as Authorization."
    )
    points: Annotated[str, JSON_PATH] = Field(
        "", description="In a JSON feed: where each item tells how much it is discussed."
    )
    page: Page | None = Field(None, description="The address is that of a page without a feed: how it is read.")
    rules: tuple[FeedRule, ...] = Field((), description="Rules for its entries, asked before those of the list.")


class FolderFeed(FeedOptions):
    """A folder of Markdown posts with front matter."""

    folder: Path_ = Field(description="Folder of Markdown posts with front matter (Jekyll, Hugo).")
    title: Title = Field("", description="What pages call it; default: the folder's name.")
    url_prefix: Annotated[str, URL] = Field(
        "", description="What the posts' public addresses begin with; default: our own /entries/ID."
    )
    rules: tuple[FeedRule, ...] = Field((), description="Rules for its entries, asked before those of the list.")


class OpmlFeeds(FeedOptions):
    """A list of feeds in an OPML file; the options hold for each feed of the list that does not say otherwise."""

    opml: Annotated[str, LIST_PLACE] = Field(description="OPML file with a list of feeds; on the web it is followed.")

    @property
    def is_followed(self) -> bool:
        """It lies on the web, and its feeds come and go with it."""
        return "://" in self.opml


FEED_FORMS: dict[str, type[FeedOptions]] = {"url": UrlFeed, "folder": FolderFeed, "opml": OpmlFeeds}


def find_form(value: Any) -> str | None:
    """Which of the three forms a feed has, for pydantic: None when it has none of their keys, or more than one."""
    found = [key for key in FEED_FORMS if isinstance(value, dict) and key in value]
    return f"<{found[0]}>" if len(found) == 1 else None


FeedItem = Annotated[
    Annotated[UrlFeed, Tag("<url>")] | Annotated[FolderFeed, Tag("<folder>")] | Annotated[OpmlFeeds, Tag("<opml>")],
    Discriminator(find_form),
]


class Combined(Section):
    """The combined feed and the front page."""

    limit: Annotated[int, whole("a number of stories", least=1, most=1_000)] = Field(
        60, description="Most entries in the combined feed and stories on the front page."
    )
    window: Annotated[timedelta, DURATION] = Field(timedelta(days=7), description="How far back both look.")
    one_per_story: Annotated[bool, SWITCH] = Field(
        True, description="One feed entry for each story (its lead) instead of every entry."
    )
    per_feed: Annotated[int, whole("a number of stories", least=0, most=1_000)] = Field(
        10, description="Of one feed at most so many in the combined feed, the best ranked ones; 0: no limit."
    )
    first_import: Annotated[int, whole("a number of entries", least=0, most=1_000)] = Field(
        10, description="Of a new feed, this many of its newest entries enter the combined feed."
    )


class Web(Section):
    """The public pages and feeds."""

    listen: Annotated[str, LISTEN] = Field("127.0.0.1:8000", description="Address and port of the web server.")
    admin_listen: Annotated[str, LISTEN] | None = Field(
        None, description="Address and port of the desk alone; without it, it is at /admin of the public site."
    )
    trusted_proxies: tuple[Annotated[str, NETWORK], ...] = Field(
        ("127.0.0.0/8", "::1/128"), description="Networks whose X-Forwarded-For and -Proto are believed."
    )
    searches_per_minute: Annotated[int, whole("a number of searches", least=0, most=10_000)] = Field(
        60, description="Of one address, as far as they are not in memory; more are asked to wait. 0: no limit."
    )
    metrics_allow: tuple[Annotated[str, NETWORK], ...] = Field(
        ("127.0.0.0/8", "::1/128"), description="Networks for which /metrics is there; none: for nobody."
    )
    confirmations_per_hour: Annotated[int, whole("a number of mails", least=1, most=100_000)] = Field(
        200, description="Mails to people who want to subscribe, at most, all of them together."
    )

    @property
    def desk_address(self) -> tuple[str, int] | None:
        """Where the desk listens alone."""
        return split_listen(self.admin_listen) if self.admin_listen else None

    @property
    def host(self) -> str:
        return split_listen(self.listen)[0]

    @property
    def port(self) -> int:
        return split_listen(self.listen)[1]


class Log(Section):
    """What is written to standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], choice("debug", "info", "warning", "error")] = Field(
        "info", description="The least important lines that are written."
    )
    style: Annotated[Literal["console", "json"], choice("console", "json")] = Field(
        "console", description="For people or for machines."
    )


class Config(Section):
    """The whole file. Relative paths are relative to the folder of the file."""

    site: Site = Field(description="The publication itself.")
    database: Annotated[SecretStr, DATABASE] = Field(
        SecretStr("sqlite:///var/aggregator.db"), description="SQLite file or PostgreSQL database."
    )
    fetch: Fetch = Field(Fetch(), description="How feeds are asked.")
    feeds: tuple[FeedItem, ...] = Field((), description="What is read: each with url, folder or opml.")
    tags: tuple[Path_, ...] = Field((), description="Files of your own tags, added to the shipped taxonomy.")
    interests: Interests = Field(Interests(), description="What the editor cares for, in plain words or in points.")
    rules: tuple[Rule, ...] = Field((), description="What is done to entries: tags, out of sight, weight, section.")
    combined: Combined = Field(Combined(), description="The combined feed and the front page.")
    newsletters: tuple[Newsletter, ...] = Field((), description="The recurring mails.")
    mail: Mail = Field(Mail(), description="How mail leaves.")
    alerts: Alerts = Field(Alerts(), description="Who is told of what happens.")
    web: Web = Field(Web(), description="The public pages and feeds.")
    log: Log = Field(Log(), description="What is written to standard error.")

    _path: Path = PrivateAttr(default=Path("config.yaml"))
    _folder: Path | None = PrivateAttr(default=None)
    _warnings: tuple[Problem, ...] = PrivateAttr(default=())
    _lines: dict[tuple[str | int, ...], int] = PrivateAttr(default_factory=dict)
    _raw_rules: tuple[dict[str, Any], ...] = PrivateAttr(default=())

    @property
    def path(self) -> Path:
        """The file as it was named."""
        return self._path

    @property
    def folder(self) -> Path:
        """Absolute folder that relative paths start from."""
        return self._folder or self._path.absolute().parent

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is odd but does not stop the program."""
        return self._warnings

    @property
    def raw_rules(self) -> tuple[dict[str, Any], ...]:
        """`rules:` as it stands in the file."""
        return self._raw_rules

    def find_line(self, *location: str | int) -> int:
        """The line of a key, such as ``("feeds", 3, "url")``; 0 when the file does not hold it."""
        return self._lines.get(location, 0)

    @property
    def database_url(self) -> str:
        """With its password; a relative SQLite path made absolute."""
        url = self.database.get_secret_value()
        path = url.removeprefix("sqlite:///")
        return url if path == url or path == ":memory:" else f"sqlite:///{self.folder / path}"

    @property
    def templates_folder(self) -> Path:
        """Where the editor's own templates are; need not exist."""
        return self.folder / "templates"

    @property
    def outbox_folder(self) -> Path:
        return self.folder / (self.mail.outbox or "var/outbox")

    @property
    def tag_files(self) -> tuple[Path, ...]:
        return tuple(self.folder / name for name in self.tags)
