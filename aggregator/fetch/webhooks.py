"""What is posted to a webhook, and how it is signed (Standard Webhooks 1.0). Never sends: `client` does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aggregator.model.feed import FetchRequest
from aggregator.model.ids import FeedId


def make_webhook(url: str, key: bytes, message_id: str, body: Mapping[str, Any], *, now: datetime) -> FetchRequest:
    """The request. ``key`` signs it; empty: nothing does. By ``message_id`` its receiver knows what comes twice."""
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    seconds = str(int(now.timestamp()))
    headers = [
        ("Content-Type", "application/json"),
        ("Accept", "*/*"),
        ("webhook-id", message_id),
        ("webhook-timestamp", seconds),
    ]
    if key:
        headers.append(("webhook-signature", sign(key, message_id, seconds, data)))
    return FetchRequest(feed_id=FeedId(0), url=url, headers=tuple(headers), body=data)


def sign(key: bytes, message_id: str, seconds: str, data: bytes) -> str:
    """``v1,`` and the signature."""
    digest = hmac.digest(key, f"{message_id}.{seconds}.".encode() + data, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode("ascii")
