"""A recurring publication and its issues. Never knows a subscriber."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from aggregator.model.ids import EntryId, IssueId, StoryId
from aggregator.model.story import Story
from aggregator.model.tag import TagActivity

IssueState = Literal["draft", "ready", "sending", "sent", "skipped"]
Section = Literal["top", "brief", "more"]
#: What becomes of a draft: ready at once, or when the editor has approved it.
Review = Literal["auto", "manual"]
#: To the readers of a newsletter: all of it is of this issue's days; it began before, untold; an issue told it.
Standing = Literal["new", "growing", "update"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsletter:
    """A newsletter as configured."""

    slug: str
    title: str
    #: Debian cron's meaning: five fields, 0 and 7 are Sunday.
    schedule: str
    #: IANA name.
    timezone: str
    language: str = "en"
    #: Only stories that bear one of these tags / languages; empty: all.
    filter_tags: tuple[str, ...] = ()
    filter_languages: tuple[str, ...] = ()
    #: File name of the MJML template; the text part is its ``.txt`` twin.
    template: str = "newsletter.mjml"
    top_stories: int = 10
    brief_stories: int = 20
    #: Fewer stories than this: the issue is skipped.
    min_stories: int = 3
    #: Of the first `SPREAD` stories of an issue, at most so many are of one company, and of one feed.
    per_company: int = 3
    per_feed: int = 3
    #: At most so many stories that earlier issues told return when they have grown, one marked line each.
    developing: int = 0
    #: One sentence for those who think about subscribing.
    description: str = ""
    #: ``AI Weekly <news@example.org>``; empty: `MailSettings.sender`. Likewise ``reply_to``.
    sender: str = ""
    reply_to: str = ""
    #: Jinja template of the subject, of ``headline``, ``title``, ``issue`` and ``stories``; empty: the headline.
    subject: str = ""
    review: Review = "auto"
    #: How long a draft waits for the editor, from its slot on; what happens then.
    review_for: timedelta = timedelta(hours=12)
    after_review: Literal["send", "skip"] = "send"
    #: Slugs of tags that get a section of their own among the stories with excerpt, in this order.
    sections: tuple[str, ...] = ()
    #: What a subscriber may choose: slugs of tags, and languages of the mail's own words (BCP 47).
    topics: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    #: People may subscribe on the web.
    is_open: bool = True
    #: Who confirms gets the last issue at once.
    welcome: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """When a newsletter comes, for people."""

    #: English, of any schedule ("At 08:00 on Monday").
    sentence: str
    #: ``8:00``; empty when there is more to it than once a day or a week.
    clock: str = ""
    #: 0 is Monday; None: every day.
    weekday: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueItem:
    """One story of an issue as it was when the issue was frozen."""

    story_id: StoryId
    entry_ids: tuple[EntryId, ...]
    section: Section
    #: An earlier issue told it, and it returns on purpose.
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueEdits:
    """The editor's word on a draft; empty: as it was composed."""

    subject: str = ""
    #: Markdown.
    introduction: str = ""
    #: In the order in which they are to stand, before all others of their place.
    placed: tuple[tuple[StoryId, Section], ...] = ()
    dropped: tuple[StoryId, ...] = ()
    #: Headline and excerpt of a story in the editor's words; an empty one is the source's own.
    texts: tuple[tuple[StoryId, str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedIssue:
    """The bytes of one variant of an issue: the same for everybody who wishes it, but for the personal `TOKENS`."""

    #: `subscriber.Wishes.variant`; empty: the whole issue in the newsletter's language.
    variant: str = ""
    subject: str
    preheader: str
    #: Both empty when no story of the issue is about what this variant wishes: nothing is mailed.
    mail_html: str
    mail_text: str
    #: The archive page's body, without tokens; of the variant "" only.
    web_html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A stored issue. The window is half open: [start, end)."""

    id: IssueId
    newsletter: str
    #: ``2026-W48``: the ISO week (or the date, for a daily) of the slot in the newsletter's zone.
    slug: str
    slot_at: datetime
    window_start: datetime
    window_end: datetime
    state: IssueState
    reason: str
    subject: str
    frozen_at: datetime | None
    sent_at: datetime | None
    #: Of a draft under review: when it sends itself, or is skipped; and from when on the editor's yes holds.
    review_until: datetime | None = None
    approved_at: datetime | None = None
    edits: IssueEdits = IssueEdits()
    #: Sending rests: why (empty: it does not), and until when (None: until the editor says so).
    paused_reason: str = ""
    paused_until: datetime | None = None
    story_count: int = 0
    #: (state, count), by state.
    deliveries: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        """``weekly/2026-W48``."""
        return f"{self.newsletter}/{self.slug}"


#: What stands in the frozen bytes where each subscriber's own addresses go.
UNSUBSCRIBE_TOKEN = "@@UNSUBSCRIBE_URL@@"
PREFERENCES_TOKEN = "@@PREFERENCES_URL@@"
TOKENS = (UNSUBSCRIBE_TOKEN, PREFERENCES_TOKEN)
#: The HTML part of a mail never exceeds this (Gmail clips at about 102 KB).
MAX_MAIL_HTML_BYTES = 90_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSlot:
    """What becomes of one ended slot: an issue to draft, or a row that says why there is none."""

    slot_at: datetime
    slug: str
    window_start: datetime
    window_end: datetime
    state: Literal["draft", "skipped"]
    #: Empty for a draft; ``merged into 2026-W48``, ``too late: ...``.
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TooFew:
    """Not enough stories for an issue: the slot is skipped."""

    found: int
    wanted: int

    @property
    def reason(self) -> str:
        """For the skipped row."""
        return f"too few stories: {self.found} found, {self.wanted} wanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuity:
    """How a story stands to what the newsletter's readers know, and what is new about it."""

    standing: Standing
    #: Names of feeds that did not tell it before, the first to tell it first; and how many more.
    publishers: tuple[str, ...] = ()
    more_publishers: int = 0
    #: Amounts that were not named before, as they stand in the text.
    numbers: tuple[str, ...] = ()
    #: Slugs of companies and products that were not named before.
    names: tuple[str, ...] = ()

    @property
    def adds(self) -> bool:
        """There is something new to say."""
        return bool(self.publishers or self.numbers or self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedIssue:
    """An issue before it is rendered: which stories stand where."""

    newsletter: Newsletter
    slug: str
    window_start: datetime
    window_end: datetime
    #: With excerpt, tags and "also covered by".
    top: tuple[Story, ...]
    #: One line each.
    brief: tuple[Story, ...]
    #: Only on the web; the mail says how many.
    more: tuple[Story, ...]
    entry_count: int
    feed_count: int
    mentioned: tuple[TagActivity, ...]
    #: Told by an earlier issue and grown since: one line each, beside all others.
    developing: tuple[Story, ...] = ()
    #: Of the stories that are not simply new, by their ids.
    continuity: Mapping[StoryId, Continuity] = field(default_factory=dict)
