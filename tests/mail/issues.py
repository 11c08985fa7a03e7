"""Issues as mail, from the program's own templates and invented stories. Nothing here was ever published."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from aggregator.mail.message import get_sender_domain, message_id, prepare_message
from aggregator.model.ids import StoryId
from aggregator.model.newsletter import RenderedIssue
from aggregator.model.story import Story
from aggregator.model.subscriber import Message
from aggregator.pipeline.words import header_text
from aggregator.render.newsletter import render_issue, too_large
from aggregator.render.templates import load_templates
from tests.mail.mails import NOW, PREFERENCES, UNSUBSCRIBE, make_signer
from tests.render.samples import COMPOSED, NEWSLETTER, SITE, STORIES, TAGS, make_entry, make_story

SENDERS = {"en": "The Model Post <news@news.example.org>", "ja": "週刊モデル通信 <news@news.example.org>"}
_TEMPLATES = load_templates()
_LEADS = {"en": (STORIES[1].lead, STORIES[2].lead, STORIES[6].lead), "ja": (STORIES[0].lead, STORIES[10].lead)}


def tell_stories(language: str, count: int) -> tuple[Story, ...]:
    """So many stories in one language, each with an address of its own."""
    leads = _LEADS[language]
    stories = []
    for number in range(1, count + 1):
        lead = leads[number % len(leads)]
        tags = " ".join(tag.slug for tag in lead.tags)
        entry = make_entry(number, lead.feed_id, lead.title, lead.excerpt, lead.reading_minutes, tags, number)
        stories.append(make_story(number, entry))
    return tuple(stories)


@cache
def render_sample(language: str, top: int = 8, brief: int = 12) -> RenderedIssue:
    """An issue in English or Japanese with so many stories."""
    stories = tell_stories(language, top + brief)
    newsletter = replace(NEWSLETTER, language=language, title="週刊モデル" if language == "ja" else NEWSLETTER.title)
    issue = replace(
        COMPOSED,
        newsletter=newsletter,
        top=stories[:top],
        brief=stories[top:],
        more=(),
        developing=(),
        continuity={StoryId(2): COMPOSED.continuity[StoryId(2)]},
    )
    archive_url = f"{SITE.url}/issues/{newsletter.slug}/{issue.slug}"
    return render_issue(issue, site=SITE, tags=TAGS, templates=_TEMPLATES, archive_url=archive_url)


@cache
def render_full(language: str) -> RenderedIssue:
    """As much as the limit on the HTML lets into a mail."""
    fits, too_many = 8, 128
    while too_many - fits > 1:
        top = (fits + too_many) // 2
        fits, too_many = (fits, top) if too_large(render_sample(language, top)) else (top, too_many)
    return render_sample(language, fits)


def mail_issue(rendered: RenderedIssue, language: str = "en") -> Message:
    """To one reader, signed, with everything that a mail can have."""
    sender = SENDERS[language]
    domain = get_sender_domain(sender)
    prepared = prepare_message(
        newsletter="weekly",
        issue_slug="2025-W49",
        subject=header_text(rendered.subject),
        html=rendered.mail_html,
        text=rendered.mail_text,
        sender=sender,
        reply_to="Newsroom <desk@example.org>",
        list_title="The Model Post Weekly",
        list_id_domain=domain,
        archive_url=f"{SITE.url}/issues/weekly/",
        help_url=f"{SITE.url}/privacy",
        subscribe_url=f"{SITE.url}/subscribe/weekly",
        signer=make_signer(),
    )
    return prepared.personalise(
        address="reader@example.net",
        message_id=message_id("2025-W49", "q8Zk1-_x", domain),
        unsubscribe_url=UNSUBSCRIBE,
        preferences_url=PREFERENCES,
        date=NOW,
        return_path="b+d17-plufxzt2d44chgld@bounce.example.org",
        unsubscribe_mail="b+u9-plufxzt2d44chgld@bounce.example.org",
    )
