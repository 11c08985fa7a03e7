"""Subscribing at hubs (WebSub, W3C 2018), so that news is known at once. Never takes a hub's word for the news itself.

What a hub sends makes its feed due, nothing more: the document is asked for where it lives, by the one fetcher, with
validators. So a hub that was broken into, or a secret that leaked, can publish nothing here.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from aggregator.app import App
from aggregator.log import get_logger, redact_url
from aggregator.model.feed import Feed, Fetched, FetchFailed, FetchRequest, Reply
from aggregator.model.hub import Farewell, Hub
from aggregator.model.ids import FeedId
from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.urls import is_web_url
from aggregator.storage import hubs

log = get_logger(__name__)

#: What we ask for; hubs grant what they like.
LEASE = timedelta(days=10)
_LEASE_RANGE = (timedelta(minutes=5), timedelta(days=60))
_ASKED_AT_ONCE = 50
#: By the names that hubs write before ``=`` (WebSub 7.1).
_DIGESTS = ("sha256", "sha384", "sha512", "sha1")
#: YouTube's feeds do not name the hub that serves them, nor the topic it knows them by (Feedbin does the same).
_YOUTUBE = ("https://www.youtube.com/feeds/videos.xml?", "https://www.youtube.com/xml/feeds/videos.xml?")
_YOUTUBE_HUB = "https://pubsubhubbub.appspot.com/subscribe"
#: Top-level names that never lead to us from outside (RFC 6761, RFC 6762, ICANN's ``internal``).
_PRIVATE_NAMES = ("localhost", "local", "internal", "test", "invalid", "example", "home.arpa", "lan")


@lru_cache(maxsize=8)
def can_be_called(site_url: str) -> bool:
    """Whether a hub could reach us: the site has a public name, or a public address."""
    host = (urlsplit(site_url).hostname or "").rstrip(".")
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not any(host == name or host.endswith(f".{name}") for name in _PRIVATE_NAMES)


def find_hub(feed: Feed, document: ParsedFeed, reply: Reply) -> tuple[str, str] | None:
    """(hub, topic) of a feed by its answer's Link headers, else by its document (WebSub 4); None when it has none."""
    old, new = _YOUTUBE
    if feed.spec.url.startswith(old):
        return _YOUTUBE_HUB, new + feed.spec.url.removeprefix(old)
    if isinstance(reply, Fetched) and reply.hub_url:
        return reply.hub_url, reply.self_url or feed.spec.url
    if is_web_url(document.hub_url):
        return document.hub_url, document.self_url if is_web_url(document.self_url) else feed.spec.url
    return None


def renew_hubs(app: App) -> int:
    """Ask the hubs whose time has come; how many. Each confirms by asking back (`answer_hub`)."""
    if not can_be_called(app.settings.site.url):
        return 0
    with app.db.write() as conn:
        due = hubs.claim_due(conn, now=app.now(), limit=_ASKED_AT_ONCE)
    if due:
        _ask(app, due)
    return len(due)


def _ask(app: App, due: Sequence[Hub]) -> None:
    requests = [FetchRequest(feed_id=hub.feed_id, url=hub.hub_url, form=_make_form(app, hub)) for hub in due]
    with closing(app.fetcher.fetch(requests)) as replies:
        for reply in replies:
            if isinstance(reply, FetchFailed):
                log.warning("hub.failed", hub=redact_url(reply.request.url), reason=reply.reason)
                if reply.status is not None and 400 <= reply.status < 500:
                    with app.db.write() as conn:
                        hubs.refuse(conn, reply.request.feed_id, reply.reason, now=app.now())


def leave_hubs(app: App) -> int:
    """Tell the hubs that we have left, once each; how many. One that does not hear it stops when its lease ends."""
    if not can_be_called(app.settings.site.url):
        return 0
    with app.db.write() as conn:
        left = hubs.claim_left(conn, now=app.now(), limit=_ASKED_AT_ONCE)
    requests = [FetchRequest(feed_id=FeedId(0), url=gone.hub_url, form=_make_form(app, gone)) for gone in left]
    with closing(app.fetcher.fetch(requests)) as replies:
        for reply in replies:
            if isinstance(reply, FetchFailed):
                log.info("hub.not_left", hub=redact_url(reply.request.url), reason=reply.reason)
    return len(left)


def _make_form(app: App, hub: Hub | Farewell) -> tuple[tuple[str, str], ...]:
    """Of both kinds (WebSub 5.1)."""
    form = (
        ("hub.mode", "subscribe" if isinstance(hub, Hub) else "unsubscribe"),
        ("hub.topic", hub.topic_url),
        ("hub.callback", f"{app.settings.site.url}/websub/{hub.token}"),
    )
    if isinstance(hub, Farewell):
        return form
    return (*form, ("hub.secret", hub.secret), ("hub.lease_seconds", str(round(LEASE.total_seconds()))))


def answer_hub(app: App, token: str, asked: Mapping[str, str]) -> str | None:
    """What a hub that asks back is told (WebSub 5.3); None: we asked for no such thing."""
    mode, challenge = asked.get("hub.mode"), asked.get("hub.challenge", "")
    with app.db.write() as conn:
        if mode == "unsubscribe":
            return (hubs.confirm_left(conn, token, asked.get("hub.topic", "")) and challenge) or None
        hub = hubs.get_by_token(conn, token)
        if hub is None or asked.get("hub.topic") != hub.topic_url:
            return None
        if mode == "denied":
            reason = "the hub refused: " + " ".join(asked.get("hub.reason", "it says no more").split())[:200]
            hubs.refuse(conn, hub.feed_id, reason, now=app.now())
            return ""
        if mode != "subscribe" or hub.state not in ("asked", "live") or not challenge:
            return None
        hubs.confirm(conn, hub, lease=_read_lease(asked.get("hub.lease_seconds", "")), now=app.now())
    log.info("hub.confirmed", hub=redact_url(hub.hub_url))
    return challenge


def _read_lease(text: str) -> timedelta:
    asked = timedelta(seconds=int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else LEASE
    return max(_LEASE_RANGE[0], min(asked, _LEASE_RANGE[1]))


@dataclass(slots=True)
class Delivery:
    """What a hub is sending, held against its signature piece by piece: the document itself is not kept."""

    hub: Hub
    _digest: hmac.HMAC
    _claimed: str

    def feed(self, chunk: bytes) -> None:
        self._digest.update(chunk)

    def is_genuine(self) -> bool:
        return hmac.compare_digest(self._digest.hexdigest(), self._claimed)


def open_delivery(app: App, token: str, signature: str) -> Delivery | None:
    """For what arrives at a callback; None when nobody was told this address.

    ``signature``: the header ``X-Hub-Signature``, ``METHOD=HEX``. Without one, or with a method that we do not know,
    nothing will be genuine.
    """
    with app.db.read() as conn:
        hub = hubs.get_by_token(conn, token)
    if hub is None:
        return None
    method, _, claimed = signature.strip().partition("=")
    known = method.lower() in _DIGESTS
    digest = hmac.new(hub.secret.encode(), digestmod=getattr(hashlib, method.lower() if known else "sha256"))
    return Delivery(hub, digest, claimed.strip().lower() if known and claimed.isascii() else "")


def take_delivery(app: App, delivery: Delivery) -> bool:
    """After its last byte: a genuine one makes the feed due. Whether it was."""
    if not delivery.is_genuine() or delivery.hub.state != "live":
        log.warning("hub.ignored", hub=redact_url(delivery.hub.hub_url), reason="not signed by it, or not asked for")
        return False
    with app.db.write() as conn:
        hubs.note_push(conn, delivery.hub.feed_id, now=app.now())
    return True


def find_missed(live: Mapping[FeedId, Hub], feed: Feed, *, new: int) -> bool:
    """Whether a check found entries that the feed's hub had kept to itself since the check before."""
    hub = live.get(feed.id)
    if hub is None or not new or feed.last_fetched_at is None or hub.pushed_at is None:
        return False
    return hub.pushed_at < feed.last_fetched_at


def was_pushed_meanwhile(hub: Hub | None, *, now: datetime, seconds: float) -> bool:
    """Whether the hub spoke after the request for this document had left: there may be more already."""
    return hub is not None and hub.pushed_at is not None and hub.pushed_at > now - timedelta(seconds=seconds)
