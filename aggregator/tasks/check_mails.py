"""Tries the mails of every newsletter with the worst that feeds can bring, in all its languages. Never mails, never
touches the database; what it sets is invented.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from aggregator.errors import RenderError
from aggregator.model.ids import EntryId, FeedId, StoryId
from aggregator.model.newsletter import PREFERENCES_TOKEN, ComposedIssue, Continuity, IssueEdits, Newsletter
from aggregator.model.settings import Settings
from aggregator.model.story import Story
from aggregator.model.tag import Tag
from aggregator.pipeline.tag import get_tags
from aggregator.render.newsletter import find_remote, get_text_name
from aggregator.render.templates import Templates
from aggregator.tasks.specimens import TAG, make_activity, make_entry, make_story
from aggregator.typesetter import Limits, SetIssue, set_issue

#: Nobody waits a minute for a check; a template that needs so long for one issue is broken.
_LIMITS = Limits(seconds=30.0, cpu_seconds=10)
_MARK = "feed-markup"
_WORD = "Pneumonoultramicroscopicsilicovolcanoconiosis"
#: Language, title, excerpt.
_HOSTILE = (
    ("en", f'<i class="{_MARK}">Ordinary</i> markup & "quotes" < and > in a title', "One & two <b>and</b> three."),
    (
        "en",
        "</mj-text></mj-column></mj-section><mj-raw><p>open",
        "<mj-include path='/etc/passwd' /><![CDATA[ x ]]> <!--",
    ),
    (
        "ja",
        "小さな半導体、大きな賭け：自社チップを一般公開した理由" * 6,
        "電力あたりの性能は前世代の三倍とされる。" * 20,
    ),
    ("ar", "كيف تتعلم الآلات من النصوص القصيرة", "ترتيب الأمثلة أهم من عددها."),
    ("he", "מכונות לומדות מטקסטים קצרים", ""),
    ("und", "{{ 7 * 7 }} {% raw %} {# note #} @@UNSUBSCRIBE_URL@@", "@@PREFERENCES_URL@@ %(names)s {0} $x"),
    ("de", _WORD * 5, _WORD * 12),
    ("zh", "\x00\x0b\u2028\ufffe 云端新芯片\ud800", "\U0001f469\u200d\U0001f4bb e\u0301 \u202e"),
    ("fr", "", ""),
)
_INTRODUCTION = "# Hello\n\nSome **bold** words & [a link](https://sample.example.org/?a=1&b=2) <b>\n\n- one\n- two\n"


def find_mail_problems(settings: Settings, templates: Templates, now: datetime) -> Iterator[str]:
    """A line for each newsletter whose mail cannot be set."""
    for newsletter in settings.newsletters:
        try:
            found = _try(newsletter, settings, templates, now)
        except RenderError as error:
            yield str(error)
            continue
        if any(f'class="{_MARK}"' in rendered.mail_html for rendered in found.renderings):
            yield f"{newsletter.template}: what a feed says becomes markup: is there a |safe?"


def find_mail_warnings(settings: Settings, templates: Templates, now: datetime) -> Iterator[str]:
    """A line for what the editor's own templates make of a mail that it should not be. Nothing for the shipped ones."""
    if not templates.has_own():
        return
    for newsletter in settings.newsletters:
        try:
            whole = _try(newsletter, settings, templates, now).renderings[0]
        except RenderError:
            continue  # a problem, not a warning
        name, text_name = newsletter.template, get_text_name(newsletter.template, templates)
        for text in find_remote(whole.mail_html):
            yield f"{name}: each reader's program is made to ask for {text}: that tells who reads, and when"
        for part, of in ((whole.mail_html, name), (whole.mail_text, text_name)):
            if PREFERENCES_TOKEN not in part:
                yield f"{of}: no link to the preferences: use {{{{ preferences_url }}}}"


def _try(newsletter: Newsletter, settings: Settings, templates: Templates, now: datetime) -> SetIssue:
    tags = dict(get_tags(settings.tag_rules)) | {TAG.slug: TAG}
    languages = [f"{language}|" for language in newsletter.languages]
    topics = [f"|{newsletter.topics[0]}"] if newsletter.topics else []
    return set_issue(
        _compose(newsletter, tags, now),
        edits=IssueEdits(introduction=_INTRODUCTION),
        variants=[*languages, *topics],
        site=settings.site,
        tags=tags,
        templates=templates,
        archive_url=f"{settings.site.url}/issues/{newsletter.slug}/sample",
        limits=_LIMITS,
    )


def _compose(newsletter: Newsletter, tags: dict[str, Tag], now: datetime) -> ComposedIssue:
    known = [slug for slug in (*newsletter.sections, *newsletter.topics) if slug in tags]
    slugs = known or [TAG.slug]
    stories = [_make_hostile(number, slugs[number % len(slugs)], now) for number in range(len(_HOSTILE))]
    news = Continuity(
        standing="update", publishers=("Le <Monde>",), more_publishers=2, numbers=("$6.5 billion",), names=(TAG.slug,)
    )
    return ComposedIssue(
        newsletter=newsletter,
        slug="sample",
        window_start=now - timedelta(days=7),
        window_end=now,
        top=tuple(stories),
        brief=tuple(replace(story, id=StoryId(story.id + 100)) for story in stories),
        more=(make_story(now),),
        entry_count=2,
        feed_count=1,
        mentioned=(make_activity(),),
        developing=(replace(stories[0], id=StoryId(201)), replace(stories[2], id=StoryId(203))),
        continuity={stories[0].id: news, StoryId(101): news, StoryId(201): news, StoryId(203): news},
    )


def _make_hostile(number: int, slug: str, now: datetime) -> Story:
    language, title, excerpt = _HOSTILE[number]
    story = make_story(now)
    evidence = tuple(replace(tag, slug=slug) for tag in story.lead.tags)
    entry = replace(
        make_entry(number + 1, now), language=language, title=title, excerpt=excerpt, feed_name=title, tags=evidence
    )
    others = tuple(replace(entry, id=EntryId(500 + other), feed_id=FeedId(900 + other)) for other in range(7))
    return replace(story, id=StoryId(number + 1), entries=(entry, *others))
