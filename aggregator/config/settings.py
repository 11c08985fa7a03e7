"""`Config` -> the plain `Settings` that every other floor takes. Never reads a file."""

from __future__ import annotations

from collections.abc import Iterator

from aggregator import __version__
from aggregator.config import schema
from aggregator.config.document import Location, format_location
from aggregator.config.feeds import list_feed_rules
from aggregator.config.rules import FeedRule, build_rules
from aggregator.errors import Problem
from aggregator.model.feed import FeedSpec
from aggregator.model.interest import Interests
from aggregator.model.newsletter import Newsletter
from aggregator.model.settings import CombinedSettings, FetchSettings, FollowedList, MailSettings, Settings, Site
from aggregator.model.tag import TagRules


def build_settings(
    config: schema.Config,
    *,
    feeds: tuple[FeedSpec, ...],
    tag_rules: TagRules,
    language_means: tuple[tuple[str, tuple[float, ...]], ...] = (),
) -> Settings:
    """All that the editor set, with the defaults that depend on other keys filled in."""
    return Settings(
        site=Site(**config.site.model_dump()),
        fetch=_build_fetch(config),
        feeds=feeds,
        lists=tuple(_iter_followed(config)),
        combined=CombinedSettings(**config.combined.model_dump()),
        newsletters=tuple(_build_newsletter(newsletter, config.site) for newsletter in config.newsletters),
        mail=MailSettings(sender=config.mail.sender, reply_to=config.mail.reply_to, rate=config.mail.rate),
        tag_rules=tag_rules,
        language_means=language_means,
        interests=_build_interests(config),
        rules=build_rules(
            config.rules,
            list_feed_rules(config),
            {rule.tag.slug: rule.tag.kind for rule in tag_rules.rules},
        ),
    )


def format_user_agent(contact: str, site_url: str) -> str:
    """``ai-news-aggregator/0.1.0 (+CONTACT)``; without a contact it says so and names the site (RFC 9110 10.1.5)."""
    about = f"+{contact}" if contact else f"+{site_url}; no contact given"
    return f"ai-news-aggregator/{__version__} ({about})"


def find_unknown_tags(config: schema.Config, rules: TagRules) -> Iterator[Problem]:
    """Tags that a newsletter, an interest or a rule asks for, but that nothing ever puts on an entry: for `check`."""
    known = {rule.tag.slug for rule in rules.rules} | {tag for feed in config.feeds for tag in feed.tags}
    known |= {tag for _, rule in _iter_rules(config) for tag in rule.tag}
    asked: list[tuple[Location, str]] = [
        (("interests", word), word) for word in config.interests.points if "://" not in word
    ]
    for index, newsletter in enumerate(config.newsletters):
        tags = enumerate(newsletter.filter.tags)
        asked += [(("newsletters", index, "filter", "tags", position), tag) for position, tag in tags]
    for place, rule in _iter_rules(config):
        asked += [((*place, "when", "tag"), tag) for tag in rule.when.tag]
        asked += [((*place, "not", "tag"), tag) for tag in rule.unless.tag]
    for location, tag in asked:
        if tag not in known:
            message = f'found the tag "{tag}", expected one of `tags list` or of a feed'
            key, line = format_location(location), config.find_line(*location)
            yield Problem(file=str(config.path), line=line, key=key, message=message)


def _iter_rules(config: schema.Config) -> Iterator[tuple[Location, FeedRule]]:
    yield from ((("rules", index), rule) for index, rule in enumerate(config.rules))
    for number, feed in enumerate(config.feeds):
        own = () if isinstance(feed, schema.OpmlFeeds) else feed.rules
        yield from ((("feeds", number, "rules", index), rule) for index, rule in enumerate(own))


def _build_fetch(config: schema.Config) -> FetchSettings:
    values = config.fetch.model_dump()
    values["user_agent"] = config.fetch.user_agent or format_user_agent(config.site.contact, config.site.url)
    return FetchSettings(**values)


def _build_interests(config: schema.Config) -> Interests:
    found = config.interests
    return Interests(text=found.text, words=tuple(found.words.items()), points=tuple(found.points.items()))


def _iter_followed(config: schema.Config) -> Iterator[FollowedList]:
    for feed in config.feeds:
        if isinstance(feed, schema.OpmlFeeds) and feed.is_followed:
            yield FollowedList(
                url=feed.opml,
                language=feed.language,
                weight=feed.weight,
                tags=feed.tags,
                interval=feed.interval,
                full_content=feed.full_content,
            )


def _build_newsletter(newsletter: schema.Newsletter, site: schema.Site) -> Newsletter:
    return Newsletter(
        slug=newsletter.slug,
        title=newsletter.title,
        schedule=newsletter.schedule,
        timezone=newsletter.timezone or site.timezone,
        language=newsletter.language or site.language,
        filter_tags=newsletter.filter.tags,
        filter_languages=newsletter.filter.languages,
        template=newsletter.template,
        top_stories=newsletter.top_stories,
        brief_stories=newsletter.brief_stories,
        min_stories=newsletter.min_stories,
        per_company=newsletter.per_company,
        per_feed=newsletter.per_feed,
        developing=newsletter.developing,
    )
