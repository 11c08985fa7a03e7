"""Addresses of our own that mail comes back to: return paths (VERP), and where a mail ends a subscription.

``b@bounce.example.org`` becomes ``b+d17-MAC@bounce.example.org``: what it is about, the number of the row, and proof
that we made it. Pure functions; nothing is looked up. Mail systems change the case of letters, so all are small and
both are read; and they take no more than 64 characters before the @, so that the proof is 80 bits.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from typing import Literal

from aggregator.errors import SenderRefused

ReturnKind = Literal["delivery", "letter", "unsubscribe"]

_LETTERS: dict[ReturnKind, str] = {"delivery": "d", "letter": "l", "unsubscribe": "u"}
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}
_MAX_ID = 2**63 - 1
_MAC_CHARACTERS = 16
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
#: 64 less ``+``, kind, 19 digits, ``-`` and proof.
MAX_BASE_LOCAL = 64 - 1 - 1 - len(str(_MAX_ID)) - 1 - _MAC_CHARACTERS
_BASE = re.compile(rf"([a-z0-9._-]{{1,{MAX_BASE_LOCAL}}})@([a-z0-9.-]{{1,253}})\Z")
_OURS = re.compile(rf"[^@]+\+([dlu])([1-9][0-9]{{0,18}})-([a-z2-7]{{{_MAC_CHARACTERS}}})@[^@]+\Z")
#: Nothing longer is an address (RFC 5321 4.5.3.1).
_MAX_ADDRESS = 320


def delivery_address(key: bytes, base: str, delivery_id: int) -> str:
    """Return path of an issue's mail. Raises SenderRefused when nothing can be made of ``base``."""
    return _make(key, base, "delivery", delivery_id)


def letter_address(key: bytes, base: str, letter_id: int) -> str:
    """Return path of a letter."""
    return _make(key, base, "letter", letter_id)


def unsubscribe_address(key: bytes, base: str, subscription_id: int) -> str:
    """Where a mail, whatever it says, ends this subscription."""
    return _make(key, base, "unsubscribe", subscription_id)


def read_return_address(key: bytes, address: str) -> tuple[ReturnKind, int] | None:
    """Return what one of our addresses is about, None for every other, a forged one among them."""
    if len(address) > _MAX_ADDRESS or not address.isascii():
        return None
    found = _OURS.match(address.lower())
    if not found:
        return None
    kind, number = _KINDS[found[1]], int(found[2])
    if number > _MAX_ID or not hmac.compare_digest(found[3], _prove(key, kind, number)):
        return None
    return kind, number


def _make(key: bytes, base: str, kind: ReturnKind, number: int) -> str:
    local, domain = _split(base)
    if not 0 < number <= _MAX_ID:
        raise ValueError(f"no row has the number {number}")
    return f"{local}+{_LETTERS[kind]}{number}-{_prove(key, kind, number)}@{domain}"


@lru_cache(maxsize=4)
def _split(base: str) -> tuple[str, str]:
    found = _BASE.match(base.lower())
    if not found:
        raise SenderRefused(
            0, f"mail.bounces.address must be a plain address with {MAX_BASE_LOCAL} characters before the @: {base!a}"
        )
    return found[1], found[2]


def _prove(key: bytes, kind: ReturnKind, number: int) -> str:
    digest = hmac.digest(key, f"return address of {kind}:{number}".encode("ascii"), "sha256")
    bits = int.from_bytes(digest[: _MAC_CHARACTERS * 5 // 8], "big")
    # Base32, five times as fast as the library's: an issue needs two a mail.
    return "".join([_PAIRS[bits >> shift & 1023] for shift in range((_MAC_CHARACTERS - 2) * 5, -1, -10)])
