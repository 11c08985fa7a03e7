"""Invented publications, people and stories in several languages, as values. Nothing here was ever published."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aggregator.model.entry import Entry
from aggregator.model.feed import Feed, FeedSpec
from aggregator.model.ids import EntryId, FeedId, IssueId, StoryId
from aggregator.model.newsletter import ComposedIssue, Continuity, Issue, Newsletter
from aggregator.model.settings import Site
from aggregator.model.shown import StoriesPage
from aggregator.model.story import ScoreTerm, Story
from aggregator.model.tag import Tag, TagActivity, TagEvidence, TagKind

NOW = datetime(2025, 12, 5, 9, 0, tzinfo=UTC)
SITE = Site(
    title="The Model Post",
    url="https://news.example.org",
    language="en",
    timezone="Europe/Berlin",
    author="The Model Post",
    description="What happened in machine intelligence this week, and who wrote about it first.",
    contact="editor@example.org",
    postal_address="The Model Post, 12 Harbour Street, 20457 Hamburg",
)

_TAGS: tuple[tuple[str, TagKind, str, str], ...] = (
    ("northlight", "org", "Northlight", ""),
    ("kumo-cloud", "org", "Kumo Cloud", "クモクラウド"),
    ("orrery", "product", "Orrery", ""),
    ("tanuki-2", "product", "Tanuki 2", "タヌキ2"),
    ("chips", "topic", "chips", "半導体"),
    ("funding", "topic", "funding", "資金調達"),
    ("agents", "topic", "agents", "エージェント"),
    ("open-weights", "topic", "open weights", ""),
    ("regulation", "topic", "regulation", "規制"),
)
TAGS = {slug: Tag(slug=slug, kind=kind, name=name, names=(("ja", ja),) if ja else ()) for slug, kind, name, ja in _TAGS}

_FEEDS = (
    ("Harbour Wire", "https://wire.example.com", "en"),
    ("機械と人間", "https://kikai.example.jp", "ja"),
    ("Northlight Research", "https://northlight.example", "en"),
    ("Werkbank KI", "https://werkbank.example.de", "de"),
    ("智能早报", "https://zaobao.example.cn", "zh"),
    ("Lettres de calcul", "https://calcul.example.fr", "fr"),
    ("مجلة الآلة", "https://aala.example.net", "ar"),
    ("Notes from a Small Cluster", "https://small-cluster.example.net", "en"),
)
FEEDS = {
    FeedId(number): Feed(
        id=FeedId(number),
        spec=FeedSpec(url=f"{site}/feed.xml", title=name, language=language),
        state="active",
        title=name,
        site_url=site,
        language=language,
        atom_id=f"tag:{site[8:]},2020:feed",
        rights=f"© {name}",
        author="",
        feed_updated_at=NOW - timedelta(hours=number),
        etag="",
        last_modified="",
        body_hash="",
        last_fetched_at=NOW - timedelta(minutes=7 * number),
        last_status=200 if number != 6 else None,
        first_imported_at=NOW - timedelta(days=40),
        next_due_at=NOW + timedelta(minutes=30),
        next_due_reason="every 30 minutes",
        failures=0 if number != 6 else 4,
        failure_class="" if number != 6 else "timeout",
        failure_reason="" if number != 6 else "no answer within 30 s",
        entry_count=310 // number,
    )
    for number, (name, site, language) in enumerate(_FEEDS, start=1)
}

REASONS = tuple(
    ScoreTerm(name=name, value=value, points=points)
    for name, value, points in (
        ("sources", "6", 7.755),
        ("languages", "de en fr ja zh", 3.0),
        ("weight", "0.5", -1.0),
        ("official source", "kumo-cloud", 1.5),
        ("length", "9 min", 1.35),
        ("discussion", "1204", 3.0),
        ("interest", "chips", 2.0),
        ("interest", "<crypto>", -1.0),
        ("pinned", "by the editor", 1000.0),
    )
)
# feed, title, excerpt, minutes, tags; the first of each tuple leads.
_STORIES: tuple[tuple[tuple[int, str, str, int, str], ...], ...] = (
    (
        (
            2,
            "小さな半導体、大きな賭け：クモクラウドが自社チップ「ハヤブサ」を一般公開した理由",
            "クモクラウドは木曜日、自社で設計した推論用チップ「ハヤブサ」を一般の顧客にも開放すると発表した。"
            "電力あたりの性能は前世代の三倍とされ、来春には札幌と福岡の二つの拠点で使えるようになる。",
            8,
            "kumo-cloud chips tanuki-2",
        ),
        (
            1,
            "Kumo Cloud opens its Hayabusa inference chip to every customer",
            "The chip was in-house only.",
            4,
            "chips",
        ),
        (5, "云端新芯片“隼”向所有客户开放，能效提升三倍", "发布会在东京举行。", 5, "chips"),
        (4, "Ein Chip aus eigenem Haus: Kumo Cloud macht Hayabusa allgemein verfügbar", "", 6, "chips"),
        (8, "Measuring Hayabusa on a shelf of three", "First numbers.", 9, "chips"),
        (6, "Hayabusa, la puce qui voulait consommer moins", "", 7, "chips"),
    ),
    (
        (
            3,
            "Orrery 4: four models for four kinds of work",
            "Orrery 4 comes in four sizes. The smallest runs on a phone, the largest plans for hours, and all four "
            "share one training recipe that is published with the weights.",
            5,
            "orrery northlight open-weights",
        ),
        (1, "Northlight publishes Orrery 4 with weights and recipe", "", 3, "orrery"),
        (7, "نورثلايت تطلق أوريري 4 بأربعة أحجام", "", 4, "orrery"),
    ),
    (
        (
            1,
            "Agents that file their own expenses: what a year in one accounts department taught us",
            "Of 41,000 receipts, the agents booked 38,200 without help. The interesting part is the rest: who noticed, "
            "how long it took, and why nobody wanted the old way back.",
            11,
            "agents",
        ),
    ),
    (
        (
            6,
            "Une loi, trois lectures : ce que le Parlement a vraiment voté sur les modèles ouverts",
            "Le texte adopté mardi distingue enfin la publication des poids de leur mise en service. Trois juristes "
            "expliquent ce que cela change pour les laboratoires publics.",
            7,
            "regulation open-weights",
        ),
        (4, "Was das Gesetz über offene Modelle wirklich sagt", "", 6, "regulation"),
    ),
    (
        (
            7,
            "كيف تتعلم الآلات من النصوص القصيرة: تجربة من ثلاثة مختبرات",
            "قارنت ثلاثة مختبرات طرق التدريب على النصوص القصيرة، ووجدت أن ترتيب الأمثلة أهم من عددها.",
            6,
            "northlight",
        ),
    ),
    (
        (
            4,
            "Wärme, die niemand wollte: Rechenzentren heizen jetzt ein Hallenbad, zwei Schulen und 1.400 Wohnungen",
            "Der Vertrag läuft über zwanzig Jahre. Nach dem ersten Winter liegen Zahlen vor, und sie sind besser als "
            "der Stadtrat sie verlangt hatte.",
            6,
            "chips",
        ),
    ),
    (
        (
            8,
            "The 3 a.m. checkpoint: notes on losing, and then not losing, eleven days of training",
            "It was the fan.",
            14,
            "",
        ),
    ),
    (
        (
            5,
            "东湖实验室开源八十亿参数小模型，手机上每秒三十个词",
            "模型与训练数据清单一并公开。研究组说，他们花在清洗数据上的时间是训练的四倍。",
            4,
            "open-weights",
        ),
    ),
)

_BRIEF = (
    (1, "Northlight raises a round and says what it is for", "funding northlight"),
    (3, "A reading list for people who build evaluation sets", ""),
    (2, "議事録を書くだけの小さなモデルが、市役所で一年続いた話", "agents"),
    (4, "Tabellen, die sich selbst prüfen", "agents"),
    (8, "How we cut our inference bill by reading the logs", "chips"),
    (6, "Petits modèles, grands dictionnaires", "open-weights"),
    (5, "语音助手学会了方言，也学会了沉默", ""),
    (1, "Three insurers now ask which model wrote the report", "regulation"),
    (7, "مكتبات عامة تجرب مساعدا للبحث", ""),
    (3, "Evaluation week: what broke, what held, what we withdrew", "orrery"),
)


def make_entry(number: int, feed: int, title: str, excerpt: str, minutes: int, tags: str, story: int) -> Entry:
    """Entry ``number`` of feed ``feed``, a few hours older for each number."""
    source = FEEDS[FeedId(feed)]
    at = NOW - timedelta(hours=3 + 5 * number, minutes=17 * number % 60)
    evidence = tuple(
        TagEvidence(slug=slug, kind=TAGS[slug].kind, field="title", found=slug, rule="alias") for slug in tags.split()
    )
    return Entry(
        id=EntryId(number),
        feed_id=source.id,
        feed_url=source.spec.url,
        feed_name=source.name,
        feed_weight=1.0,
        guid=f"{source.site_url}/{number}",
        atom_id=f"{source.site_url}/{number}",
        url=f"{source.site_url}/posts/{number}",
        canonical_url=f"{source.site_url}/posts/{number}",
        title=title,
        author="",
        language=source.language,
        excerpt=excerpt,
        reading_minutes=minutes,
        published_at=at,
        updated_at=None,
        first_seen_at=at + timedelta(minutes=20),
        effective_at=at,
        story_id=StoryId(story),
        tags=evidence,
    )


def make_story(number: int, *entries: Entry) -> Story:
    """Story ``number`` with ``entries``, lead first."""
    return Story(
        id=StoryId(number),
        atom_id=f"tag:news.example.org,2025-11-01:story/{number}",
        updated_at=entries[0].effective_at,
        score=100.0 - number,
        reasons=REASONS if number == 1 else (),
        entries=entries,
    )


def _make_stories() -> tuple[Story, ...]:
    stories, number = [], 0
    for index, group in enumerate(_STORIES, start=1):
        entries = []
        for feed, title, excerpt, minutes, tags in group:
            number += 1
            entries.append(make_entry(number, feed, title, excerpt, minutes, tags, index))
        stories.append(make_story(index, *entries))
    for index, (feed, title, tags) in enumerate(_BRIEF, start=len(stories) + 1):
        number += 1
        stories.append(make_story(index, make_entry(number, feed, title, "", 2 + index % 5, tags, index)))
    return tuple(stories)


STORIES = _make_stories()
MENTIONED = (
    TagActivity(tag=TAGS["chips"], by_day=(5, 4, 8, 6, 7, 9, 11)),
    TagActivity(tag=TAGS["northlight"], by_day=(1, 2, 2, 12, 10, 6, 5)),
    TagActivity(tag=TAGS["agents"], by_day=(4, 3, 5, 4, 6, 5, 4)),
    TagActivity(tag=TAGS["open-weights"], by_day=(0, 1, 0, 3, 9, 2, 1)),
    TagActivity(tag=TAGS["regulation"], by_day=(2, 0, 0, 1, 3, 6, 2)),
)
NEWSLETTER = Newsletter(slug="weekly", title="The Model Post Weekly", schedule="0 8 * * 1", timezone="Europe/Berlin")


def make_issue(number: int, subject: str) -> Issue:
    """A sent issue, ``number`` weeks ago."""
    end = datetime(2025, 12, 1, 7, 0, tzinfo=UTC) - timedelta(weeks=number)
    return Issue(
        id=IssueId(40 - number),
        newsletter="weekly",
        slug=f"2025-W{49 - number}",
        slot_at=end,
        window_start=end - timedelta(weeks=1),
        window_end=end,
        state="sent",
        reason="",
        subject=subject,
        frozen_at=end,
        sent_at=end,
        story_count=31,
    )


ISSUES = (
    make_issue(0, "Kumo Cloud moves into chips"),
    make_issue(1, "The week three labs agreed on one benchmark"),
    make_issue(2, "半導体の春、規制の冬"),
)
FRONT = StoriesPage(
    tag=None,
    window_start=NOW - timedelta(days=7),
    window_end=NOW,
    stories=STORIES,
    river=tuple(sorted((e for s in STORIES for e in s.entries), key=lambda e: e.effective_at, reverse=True)),
    entry_count=412,
    feed_count=64,
    story_count=187,
    mentioned=MENTIONED,
    issues=ISSUES,
    tags=TAGS,
    languages=(("en", 14), ("ja", 2), ("zh", 3), ("ar", 2)),
    older_id=EntryId(24),
)
COMPOSED = ComposedIssue(
    newsletter=NEWSLETTER,
    slug="2025-W49",
    window_start=datetime(2025, 11, 28, 7, 0, tzinfo=UTC),
    window_end=datetime(2025, 12, 5, 7, 0, tzinfo=UTC),
    top=STORIES[:8],
    brief=STORIES[8:16],
    more=STORIES[16:],
    entry_count=412,
    feed_count=64,
    mentioned=MENTIONED,
    developing=(make_story(90, make_entry(90, 4, "Der Vertrag über die R&D-Halle wächst", "", 3, "chips", 90)),),
    continuity={
        StoryId(2): Continuity(standing="growing", publishers=("Wire & Co",), more_publishers=0),
        StoryId(9): Continuity(standing="update", numbers=("$6.5 billion",)),
        StoryId(90): Continuity(
            standing="update",
            publishers=("Le <Monde>", "Nikkei", "R&D News"),
            more_publishers=4,
            numbers=("$6.5 billion", "12%"),
            names=("northlight", "nonesuch"),
        ),
    },
)


def with_lead(story: Story, **changes: object) -> Story:
    """``story`` with fields of its lead replaced."""
    return replace(story, entries=(replace(story.lead, **changes), *story.others))  # type: ignore[arg-type]
