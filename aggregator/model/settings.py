"""What the editor set, as plain values for every floor that may not read `config`. Never reads a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from aggregator.model.feed import FeedSpec
from aggregator.model.interest import Interests
from aggregator.model.lexicon import Lexicon
from aggregator.model.newsletter import Newsletter
from aggregator.model.rule import Rules
from aggregator.model.tag import TagRules

#: The largest document that is read, decoded: the parser takes no larger one, so no setting may allow it.
MAX_DOCUMENT_BYTES = 10 * 1024 * 1024
#: What the name of a target begins with that is an address of mail.
MAIL_TARGET = "mail:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The publication itself."""

    title: str
    #: Public address, without a slash at its end.
    url: str
    #: BCP 47.
    language: str = "en"
    #: IANA name; what pages and command-line dates are shown in.
    timezone: str = "UTC"
    author: str = ""
    description: str = ""
    contact: str = ""
    postal_address: str = ""
    #: The hub that tells our readers' programs of news (WebSub); empty: none.
    hub: str = ""
    #: A newsletter is open, and pages that are served lead to its form; those in files have none.
    takes_subscribers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """How feeds are asked."""

    #: CIDR networks that the address guard lets through although they are private.
    allow_networks: tuple[str, ...] = ()
    concurrency: int = 32
    #: Requests at one time to one public host.
    per_host: int = 1
    host_gap_seconds: float = 1.0
    #: For the whole of one fetch, redirects included.
    timeout_seconds: float = 30.0
    #: Of the decoded body.
    max_bytes: int = MAX_DOCUMENT_BYTES
    min_interval: timedelta = timedelta(minutes=30)
    max_interval: timedelta = timedelta(hours=24)
    #: Complete User-Agent header.
    user_agent: str = ""
    #: Whose requests count together: each feed's own, all of one host, or all of one registrable domain.
    host_key: Literal["feed", "host", "domain"] = "host"
    #: Hosts (or registrable domains) that say 403 where they mean 429 (FreshRSS 8928); ``*``: all.
    forbidden_as_rate_limit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedList:
    """A list of feeds (OPML) on the web; the options hold for each of its feeds that does not say otherwise."""

    url: str
    language: str = ""
    weight: float = 1.0
    tags: tuple[str, ...] = ()
    interval: timedelta | None = None
    full_content: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedSettings:
    """The combined feed and the front page."""

    #: Entries in `/feed.atom`.
    limit: int = 60
    #: How far back the front page and the feed look.
    window: timedelta = timedelta(days=7)
    one_per_story: bool = True
    #: Of one feed, so many leads in one document of the combined feed; 0: no limit.
    per_feed: int = 10
    #: Of a feed's first import, this many of its newest entries enter the combined feed.
    first_import: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """How mail leaves; the connection itself is the mailer's."""

    #: ``AI Weekly <news@example.org>``.
    sender: str
    reply_to: str = ""
    #: Mails a second at most; 0: no limit.
    rate: float = 0.0
    #: (recipients' domain, mails a second at most).
    domain_rates: tuple[tuple[str, float], ...] = ()
    #: A mail whose final dot was sent and whose answer was never seen: sent again, or left to the editor.
    uncertain: Literal["resend", "hold"] = "resend"
    #: Processes that send a large issue.
    processes: int = 1
    dkim: DkimSettings | None = None
    bounces: BounceSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSettings:
    """How mails are signed (RFC 6376)."""

    domain: str
    selector: str
    #: RSA, PEM, 2048 bits or more; empty only where nothing is signed (`check --online` without the key at hand).
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceSettings:
    """Where mail comes back to. ``address`` makes the return paths; a folder or an IMAP box is read."""

    #: ``b@bounce.example.org``: return paths are ``b+...@``, unsubscribing by mail goes to ``b+u...@``.
    address: str
    #: Absolute path; empty: none.
    maildir: str = ""
    imap: ImapSettings | None = None
    #: So many soft bounces within so long end a subscription.
    soft_limit: int = 5
    soft_within: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapSettings:
    """A mailbox on a server."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    tls: Literal["starttls", "implicit", "none"] = "implicit"
    folder: str = "INBOX"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """The server that takes our mail."""

    host: str
    port: int
    #: Empty: no login.
    username: str = ""
    password: str = field(default="", repr=False)
    #: ``starttls``: a plain line that must turn into an encrypted one; ``implicit``: encrypted from the first byte.
    #: ``opportunistic``: encrypted when the server offers it, to nobody's proof.
    tls: Literal["starttls", "implicit", "opportunistic", "none"] = "starttls"
    #: Lines at one time.
    connections: int = 10
    timeout_seconds: float = 30.0
    #: For the answer after the final dot (RFC 5321 4.5.3.2.6 asks for ten minutes).
    final_timeout_seconds: float = 600.0
    #: What we call ourselves in EHLO; empty: this machine's name.
    local_hostname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """An address that events are posted to."""

    url: str
    #: What signs them; empty: nothing does.
    key: bytes = field(default=b"", repr=False)
    #: `model.notice.EVENTS`.
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """Who is told of what happens."""

    mail: tuple[str, ...] = ()
    #: Of what they are told.
    events: tuple[str, ...] = ()
    webhooks: tuple[WebhookSettings, ...] = ()

    @property
    def targets(self) -> dict[str, tuple[str, ...]]:
        """Each target, as `model.notice.Notice` names it, with the events that it is told of."""
        by_mail = {f"{MAIL_TARGET}{address}": self.events for address in self.mail}
        return by_mail | {webhook.url: webhook.events for webhook in self.webhooks}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where what is set was written, as ``config.yaml:41``."""

    #: By address of a feed, or `folder:` and its path.
    feeds: Mapping[str, str] = field(default_factory=dict)
    #: The file's own list of rules: each as it stands there, and its place.
    rules: tuple[tuple[Mapping[str, Any], str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it."""

    site: Site
    fetch: FetchSettings
    feeds: tuple[FeedSpec, ...]
    #: False: a list of feeds could not be read just now, so that what it named is missing from ``feeds``.
    feeds_complete: bool = True
    #: Lists on the web: their feeds come and go with them.
    lists: tuple[FollowedList, ...] = ()
    combined: CombinedSettings
    newsletters: tuple[Newsletter, ...]
    mail: MailSettings
    #: Letters to people who want to subscribe, all of them together.
    confirmations_per_hour: int = 200
    tag_rules: TagRules
    #: The words by which titles are recognised as telling the same, for `pipeline.group`.
    lexicon: Lexicon = field(default_factory=Lexicon, repr=False, compare=False)
    #: Language -> the mean of its vectors, for `pipeline.meaning`.
    language_means: tuple[tuple[str, tuple[float, ...]], ...] = field(default=(), repr=False)
    #: What the editor cares for: adds to, or takes from, the scores of stories.
    interests: Interests = field(default_factory=Interests)
    #: What the editor's rules do to entries.
    rules: Rules = field(default_factory=Rules)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    origins: Origins = field(default_factory=Origins, repr=False, compare=False)
