"""Passwords and the private key, which `config.yaml` only points to: read from files and environment. Never shown."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from aggregator.config.alerts import WEBHOOK_SECRET, read_webhook_key
from aggregator.config.document import Document, Location
from aggregator.config.environment import PASSWORD_VARIABLES
from aggregator.config.schema import Config
from aggregator.errors import Problem

DKIM = ("mail", "dkim")
WEBHOOKS = ("alerts", "webhooks")
MAX_PASSWORD_CHARACTERS = 4_096
MAX_KEY_CHARACTERS = 65_536


def read_secrets(document: Document, folder: Path, environ: Mapping[str, str]) -> dict[Location, SecretStr]:
    """Section -> its secret; what is missing or cannot be read goes to the document as a mistake."""
    found: dict[Location, str] = {
        section: _find_password(document, folder, section, environ.get(variable, ""))
        for section, variable in PASSWORD_VARIABLES.items()
    }
    found[DKIM] = _find_key(document, folder)
    webhooks = document.get_mapping("alerts").get("webhooks")
    for index, webhook in enumerate(webhooks if isinstance(webhooks, list) else []):
        place = (*WEBHOOKS, index)
        found[place] = _find_secret(document, folder, place, webhook if isinstance(webhook, dict) else {})
    return {section: SecretStr(text) for section, text in found.items()}


def hand_out(config: Config, secrets: Mapping[Location, SecretStr]) -> None:
    """Give every section its secret."""
    mail = config.mail
    for server, section in ((mail.smtp, ("mail", "smtp")), (mail.fallback, ("mail", "fallback"))):
        if server is not None:
            server._password = secrets[section]
    if mail.bounces is not None and mail.bounces.imap is not None:
        mail.bounces.imap._password = secrets["mail", "bounces", "imap"]
    if mail.dkim is not None:
        mail.dkim._key_pem = secrets[DKIM]
    for index, webhook in enumerate(config.alerts.webhooks):
        webhook._from_file = secrets[(*WEBHOOKS, index)]


def _find_password(document: Document, folder: Path, section: tuple[str, ...], password: str) -> str:
    """The password from the environment (handed in), or else from its file."""
    variable = PASSWORD_VARIABLES[section]
    server = document.get_mapping(*section)
    if not server:
        if password:
            message = f"found a password, but no {'.'.join(section)} in the file, expected both or neither"
            document.warnings.append(Problem(file="environment", line=0, key=variable, message=message))
        return ""
    name = server.get("password_file")
    if isinstance(name, str) and name and not password:
        location = (*section, "password_file")
        text = _read_file(document, folder, name, location, "the password", MAX_PASSWORD_CHARACTERS)
        password = (text or "").partition("\n")[0]
        if not password:
            if text is not None:
                message = f"found {name} without text on its first line, expected the password there"
                document.blame(location, message)
            return ""
    if server.get("username") and not password:
        message = f"found a username without a password, expected password_file or {variable} as well"
        document.blame((*section, "username"), message)
    if password and not server.get("username"):
        document.blame(section, "found a password without a username, expected both or neither")
    return password


def _find_key(document: Document, folder: Path) -> str:
    """The private key's file, whole. Whether the key is any good `check` tells, and whoever signs with it."""
    name = document.get_mapping(*DKIM).get("key_file")
    if not isinstance(name, str) or not name:
        return ""
    location = (*DKIM, "key_file")
    key = _read_file(document, folder, name, location, "the private key", MAX_KEY_CHARACTERS)
    if key is not None and not (key.isascii() and "PRIVATE KEY-----" in key):
        document.blame(location, f"found {name} without a private key in it, expected PEM text")
        return ""
    return key or ""


def _find_secret(document: Document, folder: Path, place: Location, webhook: Mapping[str, object]) -> str:
    """Of one webhook, from its file."""
    name = webhook.get("secret_file")
    if not isinstance(name, str) or not name:
        return ""
    location = (*place, "secret_file")
    text = _read_file(document, folder, name, location, "the secret", MAX_PASSWORD_CHARACTERS)
    secret = (text or "").partition("\n")[0].strip()
    if text is not None and not read_webhook_key(secret):
        document.blame(location, f"found {name} without a secret on its first line, expected {WEBHOOK_SECRET.expected}")
        return ""
    return secret


def _read_file(document: Document, folder: Path, name: str, location: Location, holds: str, limit: int) -> str | None:
    """None when it cannot be read, which is then blamed."""
    path = folder / name
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(limit)
        open_to_all = path.stat().st_mode & stat.S_IROTH
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not text"
        document.blame(location, f"found {name} unreadable ({reason.lower()}), expected a file with {holds}")
        return None
    if open_to_all and text.strip():
        document.warn(location, f"found {name} readable by everybody, expected chmod 600")
    return text
