"""Addresses of our own that only one person has: each carries a signed token. Never decides what a token opens."""

from __future__ import annotations

from aggregator.storage.subscribers import hash_address
from aggregator.tokens import sign_token

#: The purposes in the tokens' signatures: a token made for one purpose opens no other door.
UNSUBSCRIBE = "unsubscribe"
PREFERENCES = "preferences"
CONFIRM = "confirm"


def unsubscribe_url(site_url: str, key: bytes, public_id: str) -> str:
    """The page on which one subscription ends; it never expires."""
    return f"{site_url}/unsubscribe/{sign_token(key, UNSUBSCRIBE, public_id)}"


def preferences_url(site_url: str, key: bytes, public_id: str, address: str) -> str:
    """The page on which a person says what to get, until the person has another address: who reads the old mailbox
    could else take the subscription along."""
    return f"{site_url}/preferences/{sign_token(key, name_preferences(address), public_id)}"


def name_preferences(address: str) -> str:
    """The purpose of links that open the preferences of who has this address."""
    return f"{PREFERENCES} of {hash_address(address)}"


def confirm_url(site_url: str, key: bytes, public_id: str) -> str:
    """The page that a letter asks to open; the letter's row says until when."""
    return f"{site_url}/confirm/{sign_token(key, CONFIRM, public_id)}"
