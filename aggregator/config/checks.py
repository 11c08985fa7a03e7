"""Checks that look at several keys at once: what stands twice, what contradicts, what is odd. Never changes a value."""

from __future__ import annotations

import stat
from datetime import timedelta
from typing import Any

from aggregator.config.document import Document, Location
from aggregator.config.schema import Config, Fetch, FolderFeed, UrlFeed
from aggregator.config.words import format_duration, hide_credentials, parse_duration, split_url


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
                _expect_once(document, first, f"{key} {_normalise(value)}", (section, index, key), value)


def _expect_once(document: Document, first: dict[str, Location], identity: str, location: Location, value: str) -> None:
    """``first``: where each identity stood that was met before."""
    if (before := first.setdefault(identity, location)) != location:
        line = document.find_line(before)
        document.blame(location, f"found {hide_credentials(value)} again (first on line {line}), expected it once")


def check_ports(document: Document) -> None:
    """A port that stands for the other way of encrypting: the line would hang until it times out."""
    usual = {("mail", "smtp"): (587, 465), ("mail", "fallback"): (587, 465), ("mail", "bounces", "imap"): (143, 993)}
    for section, (plain, implicit) in usual.items():
        server = document.get_mapping(*section)
        tls = server.get("tls", "implicit" if implicit == 993 else "starttls")
        wrong = {"starttls": implicit, "implicit": plain}.get(tls) if isinstance(tls, str) else None
        if wrong is not None and server.get("port") == wrong:
            right, other = (implicit, "starttls") if tls == "implicit" else (plain, "implicit")
            expected = f"expected port {right}, or tls: {other}"
            document.blame((*section, "port"), f"found port {wrong} with tls: {tls}, {expected}")


def check_choices(document: Document) -> None:
    """Lists of a newsletter in which something stands twice."""
    newsletters = document.values.get("newsletters")
    for index, newsletter in enumerate(newsletters if isinstance(newsletters, list) else []):
        for key in ("sections", "topics", "languages"):
            items = newsletter.get(key) if isinstance(newsletter, dict) else None
            words = [item for item in items if isinstance(item, str)] if isinstance(items, list) else []
            for word in sorted({word for word in words if words.count(word) > 1}):
                place = ("newsletters", index, key)
                document.blame(place, f'found "{word}" again, expected each of {key} once')


def check_alerts(document: Document) -> None:
    """Who would be told twice, or cannot be. Looks at raw values too."""
    alerts = document.get_mapping("alerts")
    if alerts.get("mail") and "from" not in document.get_mapping("mail"):
        expected = "the sender of the alerts, such as AI Weekly <news@example.org>"
        document.blame(("alerts", "mail"), f'found no "from" in mail, expected {expected}')
    webhooks = alerts.get("webhooks")
    hooks = [hook if isinstance(hook, dict) else {} for hook in (webhooks if isinstance(webhooks, list) else [])]
    people = alerts.get("mail")
    named: list[tuple[Location, object]] = [
        (("alerts", "mail", index), address) for index, address in enumerate(people if isinstance(people, list) else [])
    ]
    named += [(("alerts", "webhooks", index, "url"), hook.get("url")) for index, hook in enumerate(hooks)]
    first: dict[str, Location] = {}
    for location, value in named:
        if isinstance(value, str):
            _expect_once(document, first, _normalise(value), location, value)
    for index, hook in enumerate(hooks):
        if hook.get("secret") and hook.get("secret_file"):
            place = ("alerts", "webhooks", index, "secret_file")
            document.blame(place, "found secret and secret_file, expected only one of them")


def _normalise(value: str) -> str:
    """Scheme and host without case, so that the same address is seen as the same."""
    try:
        parts = split_url(value)
    except ValueError:
        return value
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), fragment="").geturl()


def check_contradictions(document: Document) -> None:
    """Keys that are good alone and bad together. Looks at raw values too."""
    mail = document.get_mapping("mail")
    if document.values.get("newsletters") and "from" not in mail:
        location = ("mail", "from") if mail else ("newsletters",)
        expected = "the sender of the newsletters, such as AI Weekly <news@example.org>"
        document.blame(location, f'found no "from" in mail, expected {expected}')
    if mail.get("smtp") and mail.get("outbox"):
        document.blame(("mail", "outbox"), "found outbox and smtp, expected only one of them")
    if mail.get("fallback") and not mail.get("smtp"):
        document.blame(("mail", "fallback"), "found a fallback without smtp, expected smtp as well")
    bounces = document.get_mapping("mail", "bounces")
    if bounces.get("maildir") and bounces.get("imap"):
        document.blame(("mail", "bounces", "imap"), "found maildir and imap, expected only one of them")
    if bounces and not bounces.get("maildir") and not bounces.get("imap"):
        found = "found an address whose mail nobody reads"
        document.blame(("mail", "bounces"), f"{found}, expected maildir or imap as well")
    fetch = document.get_mapping("fetch")
    least, most = (_get_duration(fetch, key) for key in ("min_interval", "max_interval"))
    if least and most and least > most:
        message = f"found {format_duration(least)}, expected at most max_interval, which is {format_duration(most)}"
        document.blame(("fetch", "min_interval"), message)


def _get_duration(fetch: dict[str, Any], key: str) -> timedelta | None:
    value = fetch.get(key, Fetch.model_fields[key].default)
    if isinstance(value, timedelta):
        return value
    try:
        return parse_duration(value) if isinstance(value, str) else None
    except ValueError:
        return None


def check_oddities(config: Config, document: Document) -> None:
    """Warnings: what works, but not as an editor would wish."""
    if not config.site.contact:
        who = f"so that publishers can complain (the User-Agent names {config.site.url} instead)"
        document.warn(("site", "contact"), f"found no contact, expected an e-mail address or a page, {who}")
    if _holds_secret(config) and config.path.stat().st_mode & stat.S_IROTH:
        document.warn((), "found a secret in a file that everybody can read, expected chmod 640 or 600")
    _check_signature(config, document)
    for index, feed in enumerate(config.feeds):
        if isinstance(feed, FolderFeed) and not (config.folder / feed.folder).is_dir():
            document.warn(("feeds", index, "folder"), f"found no folder {feed.folder}, expected one with posts")


def _check_signature(config: Config, document: Document) -> None:
    """DMARC counts a signature only when it is by the sender's own domain, or one around it (RFC 7489 3.1.1)."""
    if config.mail.dkim is None:
        return
    signs = config.mail.dkim.domain
    senders: list[tuple[Location, str]] = [(("mail", "from"), config.mail.sender)]
    senders += [(("newsletters", index, "from"), item.sender) for index, item in enumerate(config.newsletters)]
    for location, sender in senders:
        domain = sender.rpartition("@")[2].rstrip(">").lower()
        related = f".{domain}".endswith(f".{signs}") or f".{signs}".endswith(f".{domain}")
        if domain and not related:
            document.warn(
                location, f"found a sender at {domain}, expected one at {signs}, which signs (mail.dkim.domain)"
            )


def _holds_secret(config: Config) -> bool:
    user, at, _ = config.database.get_secret_value().partition("://")[2].partition("@")
    of_feeds = any(isinstance(feed, UrlFeed) and feed.headers for feed in config.feeds)
    return bool(at and ":" in user) or of_feeds or any(hook.secret for hook in config.alerts.webhooks)
