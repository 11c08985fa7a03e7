"""Checks that look at several keys at once: what stands twice, what contradicts, what is odd. Never changes a value."""

from __future__ import annotations

import stat

from aggregator.config.document import Document, Location
from aggregator.config.schema import Config, FolderFeed, UrlFeed
from aggregator.config.words import hide_credentials, split_url


def check_repeats(document: Document) -> None:
    """Feeds and newsletters that stand twice, each with both lines. Looks at raw values, so that a bad file will do."""
    for section, keys in (("feeds", ("url", "folder", "opml")), ("newsletters", ("slug",))):
        first: dict[str, Location] = {}
        items = document.values.get(section)
        for index, item in enumerate(items if isinstance(items, list) else []):
            for key in keys:
                value = item.get(key) if isinstance(item, dict) else None
                if not isinstance(value, str):
                    continue
                identity = f"{key} {_normalise(value)}"
                location = (section, index, key)
                if identity in first:
                    line = document.find_line(first[identity])
                    shown = hide_credentials(value)
                    document.blame(location, f"found {shown} again (first on line {line}), expected it once")
                first.setdefault(identity, location)


def _normalise(value: str) -> str:
    """Scheme and host without case, so that the same address is seen as the same."""
    try:
        parts = split_url(value)
    except ValueError:
        return value
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), fragment="").geturl()


def check_contradictions(config: Config, document: Document) -> None:
    """Keys that are good alone and bad together."""
    mail = config.mail
    if config.newsletters and not mail.sender:
        location = ("mail", "from") if "mail" in document.values else ("newsletters",)
        expected = "the sender of the newsletters, such as AI Weekly <news@example.org>"
        document.blame(location, f'found no "from" in mail, expected {expected}')
    if mail.smtp and mail.outbox:
        document.blame(("mail", "outbox"), "found outbox and smtp, expected only one of them")
    if config.fetch.min_interval > config.fetch.max_interval:
        document.blame(("fetch", "min_interval"), "found more than fetch.max_interval, expected at most that")


def check_oddities(config: Config, document: Document) -> None:
    """Warnings: what works, but not as an editor would wish."""
    if not config.site.contact:
        who = f"so that publishers can complain (the User-Agent names {config.site.url} instead)"
        document.warn(("site", "contact"), f"found no contact, expected an e-mail address or a page, {who}")
    if _holds_secret(config) and config.path.stat().st_mode & stat.S_IROTH:
        document.warn((), "found a secret in a file that everybody can read, expected chmod 640 or 600")
    for index, feed in enumerate(config.feeds):
        if isinstance(feed, FolderFeed) and not (config.folder / feed.folder).is_dir():
            document.warn(("feeds", index, "folder"), f"found no folder {feed.folder}, expected one with posts")


def _holds_secret(config: Config) -> bool:
    user, at, _ = config.database.get_secret_value().partition("://")[2].partition("@")
    return bool(at and ":" in user) or any(isinstance(feed, UrlFeed) and feed.headers for feed in config.feeds)
