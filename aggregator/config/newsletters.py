"""The shape of `newsletters:`. Never reads a file."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from aggregator.config.kinds import SWITCH, choice, whole
from aggregator.config.mail_words import SUBJECT
from aggregator.config.section import Section, Title, Word
from aggregator.config.words import DURATION, EMAIL, LANGUAGE, MAILBOX, SCHEDULE, SLUG, TAG, TEMPLATE, TIMEZONE


class Filter(Section):
    """Which stories a newsletter takes; an empty list takes all."""

    tags: tuple[Annotated[str, TAG], ...] = Field((), description="Only stories that bear one of these tags.")
    languages: tuple[Annotated[str, LANGUAGE], ...] = Field((), description="Only stories in one of these languages.")


class Newsletter(Section):
    """A recurring mail."""

    slug: Annotated[str, SLUG] = Field(description="Its name in addresses and commands; never change it.")
    title: Title = Field(description="Its name for readers.")
    schedule: Annotated[str, SCHEDULE] = Field(
        description="When an issue is made, as five cron fields (0 and 7: Sunday)."
    )
    timezone: Annotated[str, TIMEZONE] = Field("", description="Zone of the schedule; default: site.timezone.")
    language: Annotated[str, LANGUAGE] = Field("", description="Language of its own words; default: site.language.")
    filter: Filter = Field(Filter(), description="Which stories it takes.")
    template: Annotated[str, TEMPLATE] = Field(
        "newsletter.mjml", description="MJML template; its text twin has the same name with .txt."
    )
    top_stories: Annotated[int, whole("a number of stories", least=1, most=100)] = Field(
        10, description="Stories with excerpt."
    )
    brief_stories: Annotated[int, whole("a number of stories", least=0, most=200)] = Field(
        20, description="Further stories, one line each."
    )
    min_stories: Annotated[int, whole("a number of stories", least=0, most=100)] = Field(
        3, description="With fewer stories the issue is skipped."
    )
    per_company: Annotated[int, whole("a number of stories", least=1, most=100)] = Field(
        3, description="Of an issue's first ten stories, at most so many are of one company."
    )
    per_feed: Annotated[int, whole("a number of stories", least=1, most=100)] = Field(
        3, description="Of an issue's first ten stories, at most so many are of one feed."
    )
    developing: Annotated[int, whole("a number of stories", least=0, most=50)] = Field(
        0, description="Stories of earlier issues that may return when they have grown, one marked line each."
    )
    description: Word = Field("", description="One sentence for those who think about subscribing.")
    sender: Annotated[str, MAILBOX] = Field("", alias="from", description="Sender; default: mail.from.")
    reply_to: Annotated[str, EMAIL] = Field("", description="Where answers go; default: mail.reply_to.")
    subject: Annotated[str, SUBJECT] = Field(
        "", description="Jinja template of the subject, of headline, title, issue and stories; default: the headline."
    )
    review: Annotated[Literal["auto", "manual"], choice("auto", "manual")] = Field(
        "auto", description="Whether a draft waits for `issues approve`."
    )
    review_for: Annotated[timedelta, DURATION] = Field(
        timedelta(hours=12), description="How long it waits, from its time in the schedule on."
    )
    after_review: Annotated[Literal["send", "skip"], choice("send", "skip")] = Field(
        "send", description="What happens to a draft that nobody approved in time."
    )
    sections: tuple[Annotated[str, TAG], ...] = Field(
        (), max_length=20, description="Tags that get sections of their own, in order."
    )
    topics: tuple[Annotated[str, TAG], ...] = Field(
        (), max_length=6, description="Tags that subscribers may choose among."
    )
    languages: tuple[Annotated[str, LANGUAGE], ...] = Field(
        (), max_length=4, description="Languages that subscribers may choose for the mail's own words."
    )
    open: Annotated[bool, SWITCH] = Field(True, description="Whether people may subscribe on the web.")
    welcome: Annotated[bool, SWITCH] = Field(False, description="Whether who confirms gets the last issue at once.")
