"""`Config` -> the plain `Settings` that every other floor takes. Never reads a file."""

from __future__ import annotations

from collections.abc import Iterator

from aggregator import __version__
from aggregator.config import mail, newsletters, schema
from aggregator.config.document import Location, format_location
from aggregator.config.feeds import list_feed_places, list_feed_rules
from aggregator.config.rules import FeedRule, build_rules
from aggregator.errors import Problem
from aggregator.model.feed import FeedSpec
from aggregator.model.interest import Interests
from aggregator.model.newsletter import Newsletter
from aggregator.model.settings import (
    AlertSettings,
    BounceSettings,
    CombinedSettings,
    DkimSettings,
    FetchSettings,
    FollowedList,
    ImapSettings,
    MailSettings,
    Origins,
    Settings,
    Site,
)
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
        site=Site(**config.site.model_dump(), takes_subscribers=any(one.open for one in config.newsletters)),
        fetch=_build_fetch(config),
        feeds=feeds,
        lists=tuple(_iter_followed(config)),
        combined=CombinedSettings(**config.combined.model_dump()),
        newsletters=tuple(_build_newsletter(newsletter, config.site) for newsletter in config.newsletters),
        mail=_build_mail(config),
        confirmations_per_hour=config.web.confirmations_per_hour,
        tag_rules=tag_rules,
        language_means=language_means,
        interests=_build_interests(config),
        rules=build_rules(
            config.rules,
            list_feed_rules(config),
            {rule.tag.slug: rule.tag.kind for rule in tag_rules.rules},
        ),
        origins=Origins(
            feeds=list_feed_places(config),
            rules=tuple(
                (rule, f"{config.path}:{config.find_line('rules', index)}")
                for index, rule in enumerate(config.raw_rules)
            ),
        ),
        alerts=_build_alerts(config),
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
        lists = {
            ("filter", "tags"): newsletter.filter.tags,
            ("sections",): newsletter.sections,
            ("topics",): newsletter.topics,
        }
        for keys, tags in lists.items():
            asked += [(("newsletters", index, *keys, position), tag) for position, tag in enumerate(tags)]
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


def _build_newsletter(newsletter: newsletters.Newsletter, site: schema.Site) -> Newsletter:
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
        description=newsletter.description,
        sender=newsletter.sender,
        reply_to=newsletter.reply_to,
        subject=newsletter.subject,
        review=newsletter.review,
        review_for=newsletter.review_for,
        after_review=newsletter.after_review,
        sections=newsletter.sections,
        topics=newsletter.topics,
        languages=newsletter.languages,
        is_open=newsletter.open,
        welcome=newsletter.welcome,
    )


def _build_mail(config: schema.Config) -> MailSettings:
    found = config.mail
    return MailSettings(
        sender=found.sender,
        reply_to=found.reply_to,
        rate=found.rate,
        domain_rates=tuple((domain.lower(), rate) for domain, rate in found.domain_rates.items()),
        uncertain=found.uncertain,
        processes=found.processes,
        dkim=_build_dkim(found.dkim),
        bounces=_build_bounces(config),
    )


def _build_alerts(config: schema.Config) -> AlertSettings:
    found = config.alerts
    webhooks = tuple(webhook.build_settings() for webhook in found.webhooks)
    return AlertSettings(mail=found.mail, events=found.events, webhooks=webhooks)


def _build_dkim(dkim: mail.Dkim | None) -> DkimSettings | None:
    if dkim is None:
        return None
    return DkimSettings(domain=dkim.domain.lower(), selector=dkim.selector, key_pem=dkim.key_pem)


def _build_bounces(config: schema.Config) -> BounceSettings | None:
    found = config.mail.bounces
    if found is None:
        return None
    return BounceSettings(
        address=found.address,
        maildir=str(config.folder / found.maildir) if found.maildir else "",
        imap=_build_imap(found.imap),
        soft_limit=found.soft_limit,
        soft_within=found.soft_within,
    )


def _build_imap(imap: mail.Imap | None) -> ImapSettings | None:
    if imap is None:
        return None
    return ImapSettings(
        host=imap.host,
        port=imap.port or (993 if imap.tls == "implicit" else 143),
        username=imap.username,
        password=imap.password.get_secret_value(),
        tls=imap.tls,
        folder=imap.folder,
    )
