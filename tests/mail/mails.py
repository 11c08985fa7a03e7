"""Mails to look at, and a receiver that forgives nothing. Never sends."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from aggregator.mail.dkim import Signer
from aggregator.mail.message import PreparedMessage, message_id, prepare_message
from aggregator.model.newsletter import UNSUBSCRIBE_TOKEN
from aggregator.model.settings import DkimSettings
from aggregator.model.subscriber import Message

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
UNSUBSCRIBE = "https://news.example.org/unsubscribe/" + "k" * 22 + "." + "s" * 43
HEADERS = [
    "From", "Reply-To", "To", "Subject", "Date", "Message-ID",
    "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
    "List-Archive", "List-Help", "List-Owner", "List-Subscribe", "List-Post",
    "Auto-Submitted", "X-Auto-Response-Suppress", "Precedence", "Feedback-ID",
    "MIME-Version", "Content-Type",
]  # fmt: skip
PREFERENCES = "https://news.example.org/preferences/" + "k" * 22 + "." + "p" * 43
HTML = f"""<!doctype html>
<html lang="ja"><body><p>AIの今週 – naïve = 100%</p>
<p><a href="{UNSUBSCRIBE_TOKEN}">配信停止</a> {"とても長い行" * 60}</p>
.<a href="{UNSUBSCRIBE_TOKEN}">x</a>
</body></html>
"""
TEXT = f"AIの今週\n\n.dot\n\nUnsubscribe: {UNSUBSCRIBE_TOKEN}\n{UNSUBSCRIBE_TOKEN}\nbye \n"


@cache
def make_key() -> RSAPrivateKey:
    """One for all tests of a process: to make it takes longer than most of them."""
    return generate_private_key(65537, 2048)


@cache
def make_signer() -> Signer:
    """Signs as example.org, the sender's organisation."""
    pem = make_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Signer(DkimSettings(domain="example.org", selector="s1", key_pem=pem))


def find_record(name: bytes, timeout: float = 0) -> bytes | None:
    """What DNS says of our key, and nothing of any other: dkimpy's ``dnsfunc``."""
    public = make_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + b64encode(public) if name == b"s1._domainkey.example.org." else None


def prepare(**changes: Any) -> PreparedMessage:
    given: dict[str, Any] = {
        "newsletter": "ai-weekly",
        "issue_slug": "2026-W48",
        "subject": "Three labs, one week",
        "html": HTML,
        "text": TEXT,
        "sender": "AI Weekly <news@news.example.org>",
        "reply_to": "Newsroom <desk@example.org>",
        "list_title": "AI Weekly",
        "list_id_domain": "news.example.org",
        "archive_url": "https://news.example.org/issues/ai-weekly/",
        "help_url": "https://news.example.org/privacy",
        "subscribe_url": "https://news.example.org/subscribe/ai-weekly",
    }
    return prepare_message(**(given | changes))


def personalise(prepared: PreparedMessage, address: str = "reader@example.net", public_id: str = "abc") -> Message:
    return prepared.personalise(
        address=address,
        message_id=message_id("2026-W48", public_id, "news.example.org"),
        unsubscribe_url=UNSUBSCRIBE,
        date=NOW,
    )


def receive(message: Message) -> EmailMessage:
    """Read the mail as a receiver does, and insist that nothing in it had to be guessed."""
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|[^\r\n\t -~]|\n\.", message.data)
    assert all(len(line) <= 998 for line in message.data.split(b"\r\n"))
    received = message_from_bytes(message.data, policy=policy.SMTP)
    for part in received.walk():
        assert part.defects == []
        assert [defect for value in part.values() for defect in value.defects] == []
    return received


def show(message: Message) -> str:
    """All of it, the parts decoded."""
    received = receive(message)
    parts = [part.get_content() for part in received.iter_parts()]
    return "\n".join([f"{name}: {value}" for name, value in received.items()] + parts)


def read_lines(part: MIMEPart) -> list[str]:
    """The text of a part, which ends its lines with CRLF."""
    content: str = part.get_content()
    return content.split("\r\n")
