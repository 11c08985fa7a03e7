"""The shape of `alerts:`: who is told of what happens, by mail and by webhook. Never reads a file."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from pydantic import Field, PrivateAttr, SecretStr

from aggregator.config.kinds import Kind, Unfit, choice, read_text
from aggregator.config.section import Path_, Section
from aggregator.config.words import EMAIL, URL, show_address
from aggregator.model.notice import EVENTS, URGENT
from aggregator.model.settings import WebhookSettings

MAX_URL = 2_000
EVENT = choice(*EVENTS)
#: What a secret begins with, and how many bytes it stands for (Standard Webhooks).
_PREFIX, _KEY_BYTES = "whsec_", range(24, 65)


def _read_webhook_url(value: object) -> str:
    found = str(URL.read(value))
    if len(found) > MAX_URL:
        raise Unfit(f"a web address of at most {MAX_URL} characters")
    return found.partition("#")[0]


WEBHOOK_URL = Kind(URL.expected, _read_webhook_url, show=show_address)


def read_webhook_key(secret: str) -> bytes:
    """The bytes that a secret stands for; empty when it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return key if secret.startswith(_PREFIX) and len(key) in _KEY_BYTES else b""


def _read_webhook_secret(value: object) -> SecretStr:
    found = read_text(value)
    if not read_webhook_key(found):
        raise Unfit
    return SecretStr(found)


WEBHOOK_SECRET = Kind(
    "whsec_ and 24 to 64 bytes in base64, such as `openssl rand -base64 32` prints",
    _read_webhook_secret,
    show=lambda value: "a value that is not shown here",
)


class Webhook(Section):
    """An address that events are posted to."""

    url: Annotated[str, WEBHOOK_URL] = Field(description="Where events are posted to.")
    secret: Annotated[SecretStr, WEBHOOK_SECRET] | None = Field(
        None, description="Signs what is posted; default: not signed."
    )
    secret_file: Path_ = Field("", description="File whose first line is the secret.")
    events: tuple[Annotated[str, EVENT], ...] = Field(EVENTS, description="Which events; default: all.")

    _from_file: SecretStr = PrivateAttr(default=SecretStr(""))

    def build_settings(self) -> WebhookSettings:
        """With the key that ``secret`` or ``secret_file`` stands for."""
        key = read_webhook_key((self.secret or self._from_file).get_secret_value())
        return WebhookSettings(url=self.url, key=key, events=self.events)


class Alerts(Section):
    """Who is told of what happens."""

    mail: tuple[Annotated[str, EMAIL], ...] = Field((), description="Who is told by mail.")
    events: tuple[Annotated[str, EVENT], ...] = Field(
        URGENT, description="Of what they are told; default: of all that waits for an editor."
    )
    webhooks: tuple[Webhook, ...] = Field((), description="Programs that are told: each with url.")
